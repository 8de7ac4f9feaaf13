"""What Ollama's answers say in the OpenAI shape, whole or in pieces."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

import orjson
from modelmesh_core import Json, Usage, as_count, as_object, as_objects, as_text

_DURATIONS = ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration")
_FINISH_REASONS = {"length": "length", "content_filter": "content_filter"}


def head_of(body: Json, kind: str, request_id: str, received_at: float) -> Json:
    """The fields that every completion and chunk bears. Ollama names no id."""
    created = as_text(body.get("created_at"))
    try:
        moment = datetime.fromisoformat(created).timestamp()
    except (ValueError, OverflowError):
        moment = received_at
    identity = f"ollama-{request_id}" if request_id else f"ollama-{_digest(created)}"
    return {"id": identity, "object": kind, "created": int(moment), "model": as_text(body.get("model"))}


def tool_calls_of(body: Json, first: int) -> list[Json]:
    """The calls of one object, ``first`` the number of those before. Ids of our own are the same at each reading."""
    made: list[Json] = []
    for index, call in enumerate(as_objects(as_object(body.get("message")).get("tool_calls")), first):
        function = as_object(call.get("function"))
        name, given = as_text(function.get("name")), function.get("arguments")
        arguments = given if isinstance(given, str) else _written(given if given is not None else {})
        identity = (
            as_text(call.get("id")) or f"call_{_digest(str(body.get('created_at')), str(index), name, arguments)}"
        )
        made.append({"id": identity, "type": "function", "function": {"name": name, "arguments": arguments or "{}"}})
    return made


def ending(body: Json, has_calls: bool) -> Json:
    """The fields of a choice that say why the answer ended."""
    native = as_text(body.get("done_reason"))
    reason = _FINISH_REASONS.get(native, "tool_calls" if has_calls else "stop")
    return {"finish_reason": reason, **({"native_finish_reason": native} if native else {})}


def logprobs_of(body: Json) -> Json:
    """``logprobs`` of a choice: Ollama's are OpenAI's."""
    found = as_objects(body.get("logprobs"))
    return {"logprobs": {"content": [{"top_logprobs": [], **one} for one in found]}} if found else {}


def usage_of(body: Json) -> Usage | None:
    """The tokens of an answer, thinking among the output; None if it counts none."""
    if "prompt_eval_count" not in body and "eval_count" not in body:
        return None
    return Usage(input=as_count(body.get("prompt_eval_count")), output=as_count(body.get("eval_count")))


def as_reported(usage: Usage, body: Json) -> Json:
    """``usage`` as a chat completion reports it, and Ollama's durations in nanoseconds beside it."""
    counts = {"prompt_tokens": usage.input, "completion_tokens": usage.output, "total_tokens": usage.total}
    return {**counts, **{key: body[key] for key in _DURATIONS if key in body}}


def _written(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # nested deeper than can be written
        return "{}"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:16]
