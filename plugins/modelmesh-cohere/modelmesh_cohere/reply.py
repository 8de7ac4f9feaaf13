"""A whole answer of ``/v2/chat`` → Reply."""

from __future__ import annotations

from typing import Any

from modelmesh_core import (
    HttpResponse,
    Json,
    ProviderCall,
    Reply,
    as_object,
    as_objects,
    as_text,
    provider_error,
    undecodable,
)

from .answers import FAILED, annotations_of, ending, plan, thought, tool_call
from .errors import failure_of_answer, failure_of_ending, limits_of
from .usage import as_reported, usage_of


def decode(call: ProviderCall, response: HttpResponse) -> Reply:
    """The answer to ``call``. Raises ProviderError for an error in its place, or what is no answer."""
    decoded: Any = response.json()
    body = as_object(decoded)
    native = as_text(body.get("finish_reason"))
    if native in FAILED:
        raise provider_error(failure_of_ending(native, body))
    said = body.get("message")
    if isinstance(said, str) or (body.get("error") and not said):
        raise provider_error(failure_of_answer(response))
    if not isinstance(said, dict):
        raise undecodable(response, "a message", "Cohere")
    own = as_object(body.get("usage"))
    usage = usage_of(own)
    end = ending(native, body.get("logprobs"))
    completion: Json = {
        "id": as_text(body.get("id")),
        "object": "chat.completion",
        "created": int(response.received_at),
        "model": call.upstream_model,
        "choices": [{"index": 0, "message": message_of(as_object(said)), **end}],
    }
    if usage is not None:
        completion["usage"] = as_reported(usage, own)
    return Reply(
        body=completion,
        usage=usage,
        finish_reason=end["finish_reason"],
        headroom=limits_of(response.headers, response.received_at),
        headers=response.headers,
    )


def message_of(said: Json) -> Json:
    """The assistant message that Cohere's ``message`` is."""
    texts: list[str] = []
    starts: dict[int, int] = {}
    thoughts: list[Json] = []
    if text := as_text(said.get("tool_plan")):
        thoughts.append(plan(text, 0))
    for place, part in enumerate(as_objects(said.get("content"))):
        starts[place] = sum(map(len, texts))
        if part.get("type") == "thinking" or (part.get("type") is None and "thinking" in part):
            thoughts.append(thought(as_text(part.get("thinking")), len(thoughts)))
        else:
            texts.append(as_text(part.get("text")))
    if isinstance(said.get("content"), str):
        texts.append(said["content"])
    message: Json = {"role": "assistant", "content": "".join(texts) or None}
    readable = "".join(one["reasoning_content"] for one in thoughts)
    if readable:
        message["reasoning_content"] = readable
        message["reasoning_details"] = [detail for one in thoughts for detail in one["reasoning_details"]]
    calls = [tool_call(call, place) for place, call in enumerate(as_objects(said.get("tool_calls")))]
    for call in calls:
        call["function"]["arguments"] = call["function"]["arguments"] or "{}"
    annotations = [
        found
        for citation in as_objects(said.get("citations"))
        for found in annotations_of(citation, starts.get(_place(citation), 0))
    ]
    return message | {key: value for key, value in (("tool_calls", calls), ("annotations", annotations)) if value}


def _place(citation: Json) -> int:
    place = citation.get("content_index")
    return place if isinstance(place, int) else 0
