"""Reading JSON that a stranger sent: what has the wrong type counts as absent. Writing JSON, and refusing requests."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

import orjson

from ..errors import Failure, FailureKind, ProviderError, provider_error

if TYPE_CHECKING:
    from .http import HttpResponse

Json = dict[str, Any]
"""A JSON object."""


def as_object(value: Any) -> Json:
    """``value`` if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}  # pyright: ignore[reportUnknownVariableType]


def as_list(value: Any) -> list[Any]:
    """``value`` if it is a JSON array, else an empty one."""
    return value if isinstance(value, list) else []  # pyright: ignore[reportUnknownVariableType]


def as_objects(value: Any) -> list[Json]:
    """The objects in ``value``, if it is a JSON array."""
    return [item for item in as_list(value) if isinstance(item, dict)]


def as_text(value: Any) -> str:
    """``value`` if it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


def as_count(value: Any) -> int:
    """``value``, without what follows its decimal point, if it is a positive finite number, else 0."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return 0
    return int(value) if 0 < value < float("inf") else 0


def as_number(value: Any) -> float | None:
    """``value`` if it is a finite number, else None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if isfinite(number) else None


def body_of(response: HttpResponse) -> Any:
    """What a body decodes to; its text, if it is no JSON."""
    try:
        return orjson.loads(response.body)
    except ValueError:
        return response.body.decode("utf-8", "replace")


def object_of(response: HttpResponse) -> Json:
    """The JSON object in a response; an empty one for other JSON. Raises ProviderError for what is no JSON."""
    return as_object(response.json())


def json_bytes(value: Any) -> bytes:
    """``value``, made of what a caller sent, as JSON. Raises ProviderError of kind INVALID_REQUEST if it cannot be."""
    try:
        return orjson.dumps(value)
    except (TypeError, RecursionError) as error:
        raise refused(f"the request body cannot be written as JSON: {error}") from error


def json_text(value: Any) -> str:
    """``value``, which a provider sent as JSON, as JSON text. Raises ProviderError of kind UNDECODABLE if it is nested
    too deeply to be written."""
    try:
        return orjson.dumps(value).decode()
    except TypeError as error:
        raise provider_error(Failure(FailureKind.UNDECODABLE, f"a value cannot be written as JSON: {error}")) from error


def refused(message: str, code: str | None = "invalid_request") -> ProviderError:
    """The error that tells a caller what is wrong with a request."""
    return provider_error(Failure(FailureKind.INVALID_REQUEST, message, status=400, code=code))
