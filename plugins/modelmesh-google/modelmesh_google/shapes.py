"""Reading JSON that a stranger sent: a value of the wrong type counts as absent."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NoReturn, cast

from modelmesh_core import Failure, FailureKind, provider_error

Object = dict[str, Any]


def as_object(value: Any) -> Object:
    """``value`` if it is a JSON object, else an empty one."""
    return cast("Object", value) if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """``value`` if it is a JSON array, else an empty one."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def as_objects(value: Any) -> list[Object]:
    """The JSON objects in ``value``, if it is an array."""
    return [cast("Object", item) for item in as_list(value) if isinstance(item, dict)]


def as_text(value: Any) -> str:
    """``value`` if it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


def as_count(value: Any) -> int:
    """``value`` if it is a positive number or the text of one, else 0: Google writes 64-bit numbers as text."""
    if isinstance(value, str) and len(value) < 20 and value.isascii() and value.isdigit():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return 0
    return int(value) if 0 < value < 2**63 else 0


def epoch_seconds(moment: Any, otherwise: float) -> int:
    """Whole UTC seconds of an RFC 3339 text, or of ``otherwise``."""
    try:
        return int(datetime.fromisoformat(as_text(moment)).timestamp())
    except (ValueError, OverflowError, OSError):
        return int(otherwise)


def refuse(message: str, code: str = "invalid_value") -> NoReturn:
    """Raise the ProviderError of a request that cannot be put into Google's words."""
    raise provider_error(Failure(FailureKind.INVALID_REQUEST, message, status=400, code=code))
