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


def as_json(value: Any) -> str:
    """``value``, which was JSON before, as JSON text. Raises ProviderError if it is nested too deeply to be written."""
    try:
        return orjson.dumps(value).decode()
    except TypeError as error:
        raise provider_error(Failure(FailureKind.UNDECODABLE, f"a value cannot be written as JSON: {error}")) from error


def refused(message: str) -> ProviderError:
    """The error for a request that cannot be said in Bedrock's words."""
    return provider_error(Failure(FailureKind.INVALID_REQUEST, message, status=400, code="unsupported_content"))


def undecodable(message: str, status: int | None = None, body: Any = None) -> ProviderError:
    """The error for an answer that makes no sense."""
    return provider_error(Failure(FailureKind.UNDECODABLE, message, status=status, body=body))


def dump(body: Json) -> bytes:
    """``body`` as JSON. Raises ProviderError of kind INVALID_REQUEST for what JSON cannot hold."""
    try:
        return orjson.dumps(body)
    except TypeError as error:
        raise refused(f"the request body cannot be written as JSON: {error}") from error
