"""A whole answer of Converse → Reply."""

from __future__ import annotations

from typing import Any

from modelmesh_core import HttpResponse, Json, Reply, as_object, as_objects, headroom_of, provider_error

from .blocks import breakdown, ending, message_of
from .errors import failure_of_answer
from .request import EncodedCall
from .shapes import undecodable
from .usage import as_reported, usage_of

EXTRAS = ("additionalModelResponseFields", "trace", "metrics", "performanceConfig", "serviceTier")
"""Fields of an answer without a counterpart, which its completion keeps as they are."""


def decode(response: HttpResponse, encoded: EncodedCall) -> Reply:
    """The answer to ``encoded``. Raises ProviderError for an error in its place, or what is no answer."""
    decoded: Any = response.json()
    body = as_object(decoded)
    message = as_object(as_object(body.get("output")).get("message"))
    if not isinstance(message.get("content"), list):
        if "output" not in body and ("message" in body or "__type" in body):
            raise provider_error(failure_of_answer(response))
        found = ", ".join(list(body)[:8]) or type(decoded).__name__
        text = f"HTTP {response.status} with a body that is no answer of Converse (it has: {found})"
        raise undecodable(text, response.status, decoded)
    made = message_of(as_objects(message["content"]), encoded)
    says = any(value for key, value in made.items() if key != "role")
    if (broken := breakdown(body.get("stopReason"), says_something=says)) is not None:
        raise broken
    end = ending(body.get("stopReason"), encoded.form, has_calls="tool_calls" in made)
    completion: Json = {
        **{key: body[key] for key in EXTRAS if body.get(key)},
        **completion_head("chat.completion", response, encoded),
        "choices": [{"index": 0, "message": made, **end}],
    }
    own = as_object(body.get("usage"))
    usage = usage_of(own)
    if usage is not None:
        completion["usage"] = as_reported(usage, own)
    return Reply(
        body=completion,
        usage=usage,
        finish_reason=end["finish_reason"],
        headroom=headroom_of(response.headers, response.received_at),
        headers=response.headers,
    )


def completion_head(kind: str, response: HttpResponse, encoded: EncodedCall) -> Json:
    """What every completion and chunk begins with. Converse has no id for an answer but that of its request."""
    identity = response.headers.get("x-amzn-requestid") or encoded.request_id
    return {"id": identity, "object": kind, "created": int(response.received_at), "model": encoded.model}
