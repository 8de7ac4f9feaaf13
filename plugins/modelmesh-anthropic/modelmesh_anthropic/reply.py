"""A whole message → Reply."""

from __future__ import annotations

from typing import Any

from modelmesh_core import Dialect, Failure, FailureKind, HttpResponse, Json, Reply, as_object, as_text, provider_error

from .blocks import content_of, ending, extras_of, message_of, refusal_of
from .errors import failure_of_event
from .limits import headroom_of
from .request import EncodedCall
from .usage import as_reported, usage_of


def decode(response: HttpResponse, encoded: EncodedCall) -> Reply:
    """The answer to ``encoded``. Raises ProviderError for an error in its place, or what is no message."""
    decoded: Any = response.json()
    body = as_object(decoded)
    if body.get("type") == "error" or (body.get("error") and "content" not in body):
        raise provider_error(failure_of_event(body, response.received_at))
    if not isinstance(body.get("content"), list):
        found = ", ".join(list(body)[:8]) or type(decoded).__name__
        text = f"HTTP {response.status} with a body that is no message (it has: {found})"
        raise provider_error(Failure(FailureKind.UNDECODABLE, text, status=response.status, body=decoded))
    canonical, usage = completion_of(body, encoded, response.received_at)
    return Reply(
        body=canonical,
        usage=usage,
        finish_reason=canonical["choices"][0]["finish_reason"],
        headroom=headroom_of(response.headers, response.received_at),
        headers=response.headers,
        raw=response.body if encoded.native else None,
        dialect=Dialect.ANTHROPIC_MESSAGES if encoded.native else Dialect.OPENAI_CHAT,
    )


def completion_of(body: Json, encoded: EncodedCall, created: float) -> tuple[Json, Any]:
    """A message as a chat completion, and its Usage."""
    message = message_of(content_of(body), encoded.form)
    end = ending(body.get("stop_reason"), body, encoded.form, has_calls="tool_calls" in message)
    if why := refusal_of(body):
        message["refusal"] = why
    completion: Json = {
        **extras_of(body),
        "id": as_text(body.get("id")),
        "object": "chat.completion",
        "created": int(created),
        "model": as_text(body.get("model")),
        "choices": [{"index": 0, "message": message, **end}],
    }
    own = as_object(body.get("usage"))
    usage = usage_of(own)
    if usage is not None:
        completion["usage"] = as_reported(usage, own)
    return completion, usage
