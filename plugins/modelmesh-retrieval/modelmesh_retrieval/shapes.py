"""Reading JSON that a stranger sent: a value of the wrong type counts as absent."""

from __future__ import annotations

from typing import Any, cast

import orjson
from modelmesh_core import Failure, FailureKind, ProviderError, provider_error

Json = dict[str, Any]


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


def as_count(value: Any) -> int:
    """``value`` if it is a positive finite number, else 0."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return 0
    return int(value) if 0 < value < float("inf") else 0


def dump(value: Any) -> bytes:
    """``value`` as JSON. Raises ProviderError of kind INVALID_REQUEST for what cannot be written."""
    try:
        return orjson.dumps(value)
    except TypeError as error:
        raise refused(f"the request body cannot be written as JSON: {error}") from error


def refused(message: str, code: str | None = None) -> ProviderError:
    """The error for a request that cannot be said in the vendor's words."""
    return provider_error(Failure(FailureKind.INVALID_REQUEST, message, status=400, code=code))


def undecodable(what: str, status: int | None, body: Any) -> ProviderError:
    """The error for a success that is not ``what``."""
    found = ", ".join(list(as_object(body))[:8]) or type(body).__name__
    message = f"HTTP {status} with a body that is no {what} (it has: {found})"
    return provider_error(Failure(FailureKind.UNDECODABLE, message, status=status, body=body))
