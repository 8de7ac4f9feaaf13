"""Bodies of the OpenAI dialect: the caller's dict → bytes, a reply's bytes → Reply."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import orjson

from ..errors import Failure, FailureKind, provider_error
from ..interfaces.provider import ProviderCall
from ..wire.http import HttpResponse
from ..wire.messages import Body, Reply
from .errors import error_object, failure_of_error
from .limits import headroom_of
from .shapes import as_list, as_object, as_text
from .usage import usage_of

_NO_MARK: Mapping[str, Any] = MappingProxyType({})


def encode_body(call: ProviderCall, prefill_mark: Mapping[str, Any] = _NO_MARK) -> bytes:
    """The caller's body with ``model`` replaced, and for a stream what makes it one that reports its usage.

    ``prefill_mark``: what the vendor wants on a last message that is to be continued.

    Raises ProviderError of kind INVALID_REQUEST for what JSON cannot hold.
    """
    body = {**call.body, "model": call.upstream_model}
    if call.prefill is not None:
        begun = {"role": "assistant", "content": call.prefill, **prefill_mark}
        body["messages"] = [*as_list(body.get("messages")), begun]
    if call.stream:
        body["stream"] = True
        body["stream_options"] = {**as_object(body.get("stream_options")), "include_usage": True}
    else:
        body.pop("stream", None)
        body.pop("stream_options", None)
    try:
        return orjson.dumps(body)
    except TypeError as error:
        message = f"the request body cannot be written as JSON: {error}"
        raise provider_error(Failure(FailureKind.INVALID_REQUEST, message, status=400)) from error


def decode_chat(response: HttpResponse) -> Reply:
    """A whole chat completion. Raises ProviderError for an error in its place, or a body without choices."""
    body = _answer(response, "choices")
    choice = as_object(as_list(body["choices"])[0])
    if choice.get("finish_reason") == "error":
        raise provider_error(failure_of_error(as_object(choice.get("error")), body))
    return _reply(response, body, as_text(choice.get("finish_reason")))


def decode_embeddings(response: HttpResponse) -> Reply:
    """Embeddings. Raises ProviderError for an error in their place, or a body without data."""
    return _reply(response, _answer(response, "data"), None)


def _answer(response: HttpResponse, key: str) -> Body:
    """The decoded body, whose ``key`` holds a list with at least one item."""
    decoded: Any = response.json()
    error = error_object(decoded)
    if error is not None:
        raise provider_error(failure_of_error(error, decoded))
    body = as_object(decoded)
    if not as_list(body.get(key)):
        found = ", ".join(list(body)[:8]) or type(decoded).__name__
        message = f"HTTP {response.status} with a body that has no {key} (it has: {found})"
        raise provider_error(Failure(FailureKind.UNDECODABLE, message, status=response.status, body=decoded))
    return body


def _reply(response: HttpResponse, body: Body, finish_reason: str | None) -> Reply:
    return Reply(
        body=body,
        usage=usage_of(body.get("usage")),
        finish_reason=finish_reason,
        headroom=headroom_of(response.headers, response.received_at),
        headers=response.headers,
        raw=response.body,
    )
