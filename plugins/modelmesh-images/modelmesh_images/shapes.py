"""Reading JSON that a stranger sent: a value of the wrong type counts as absent. Refusing what a caller sent."""

from __future__ import annotations

from math import isfinite
from typing import Any, NoReturn, cast

from modelmesh_core import Failure, FailureKind, ProviderCall, provider_error

Json = dict[str, Any]

_UNHEARD = frozenset(
    {"model", "user", "metadata", "store", "service_tier", "stream", "stream_options", "stream_format"}
    | {"safety_identifier", "prompt_cache_key"}
)
"""What changes nothing in an answer: it may be left out without a word."""


def as_object(value: Any) -> Json:
    """``value`` if it is a JSON object, else an empty one."""
    return cast("Json", value) if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """``value`` if it is a JSON array, else an empty one."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def as_objects(value: Any) -> list[Json]:
    """The objects in ``value``, if it is a JSON array."""
    return [cast("Json", item) for item in as_list(value) if isinstance(item, dict)]


def as_text(value: Any) -> str:
    """``value`` if it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


def as_number(value: Any) -> float | None:
    """``value`` if it is a finite number, else None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if isfinite(number) else None


def refuse(message: str, code: str = "invalid_request") -> NoReturn:
    """Raise the ProviderError that tells a caller what is wrong with a request."""
    raise provider_error(Failure(FailureKind.INVALID_REQUEST, message, status=400, code=code))


def drop_unknown(call: ProviderCall, known: frozenset[str]) -> None:
    """Leave out, by the caller's policy, every parameter that is not ``known``."""
    for name, value in call.body.items():
        if value is not None and name not in known and name not in _UNHEARD:
            call.drop(name)


def is_passed(name: str, value: Any) -> bool:
    """Whether a parameter that nobody here knows is one for the model."""
    return value is not None and name not in _UNHEARD
