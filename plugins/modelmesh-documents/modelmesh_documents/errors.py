"""Error bodies as these vendors write them → the one shape from which failures are read."""

from __future__ import annotations

from typing import Any

import attrs
import orjson
from modelmesh_core import HttpResponse

from .shapes import Json, as_list, as_object, as_objects, as_text

_MESSAGES = ("message", "detail", "error", "err_msg", "msg", "error_message", "title")
_CODES = ("code", "status", "err_code", "category", "error_type", "type", "name")


def in_our_words(response: HttpResponse) -> HttpResponse:
    """``response`` with its error as ``error: {message, code}``, if it tells one."""
    message, code = described(body_of(response))
    if not message:
        return response
    return attrs.evolve(response, body=orjson.dumps({"error": {"message": message, "code": code}}))


def body_of(response: HttpResponse) -> Any:
    """What a body decodes to; its text, if it is no JSON."""
    try:
        return orjson.loads(response.body)
    except ValueError:
        return response.body.decode("utf-8", "replace")


def described(body: Any) -> tuple[str, str]:
    """Message and code of an error body; empty where there is none."""
    outer = as_object(body)
    inner = next((found for key in ("error", "detail") if (found := as_object(outer.get(key)))), outer)
    listed = as_objects(outer.get("detail")) or as_objects(inner.get("errors"))
    first = listed[0] if listed else {}
    message = _first(inner, _MESSAGES) or "; ".join(filter(None, map(_told, listed)))
    message = message or "; ".join(filter(None, map(as_text, as_list(inner.get("errors")))))
    return message, _first(inner, _CODES) or _first(first, _CODES)


def _told(mistake: Json) -> str:
    """One mistake of a list, with its place in the request."""
    place = ".".join(str(part) for part in as_list(mistake.get("loc")) if isinstance(part, (str, int)))
    message = _first(mistake, _MESSAGES)
    return f"{place}: {message}" if place and message else message


def _first(holder: Json, keys: tuple[str, ...]) -> str:
    return next((text for key in keys if (text := as_text(holder.get(key)))), "")
