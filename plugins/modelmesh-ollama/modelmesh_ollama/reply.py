"""Whole answers → Reply."""

from __future__ import annotations

import base64
from array import array
from sys import byteorder
from typing import Any

from modelmesh_core import (
    Failure,
    FailureKind,
    HttpResponse,
    Json,
    ProviderCall,
    Reply,
    Usage,
    as_count,
    as_list,
    as_object,
    as_text,
    headroom_of,
    provider_error,
    undecodable,
)

from .answers import as_reported, ending, head_of, logprobs_of, tool_calls_of, usage_of
from .errors import failure_of_event


def decode_chat(call: ProviderCall, response: HttpResponse) -> Reply:
    """The answer of ``/api/chat``. Raises ProviderError for an error in its place, or what is no answer."""
    body = _decoded(response, "message", dict)
    said = as_object(body["message"])
    message: Json = {"role": "assistant", "content": as_text(said.get("content")) or None}
    if thinking := as_text(said.get("thinking")):
        message["reasoning_content"] = thinking
    if calls := tool_calls_of(body, 0):
        message["tool_calls"] = calls
    end = ending(body, bool(calls))
    completion = {
        **head_of(body, "chat.completion", call.request_id, response.received_at),
        "choices": [{"index": 0, "message": message, **end, **logprobs_of(body)}],
    }
    usage = usage_of(body)
    if usage is not None:
        completion["usage"] = as_reported(usage, body)
    headroom = headroom_of(response.headers, response.received_at)
    return Reply(completion, usage, end["finish_reason"], headroom, response.headers)


def decode_embeddings(call: ProviderCall, response: HttpResponse) -> Reply:
    """The answer of ``/api/embed``. Raises ProviderError for an error in its place, or vectors that do not fit."""
    body = _decoded(response, "embeddings", list)
    vectors = as_list(body["embeddings"])
    asked = call.body.get("input")
    wanted = 1 if isinstance(asked, str) else len(as_list(asked))
    if len(vectors) < wanted or not all(as_list(vector) for vector in vectors):
        raise undecodable(response, f"{wanted} embeddings", "Ollama")
    as_base64 = call.body.get("encoding_format") == "base64"
    written = [_base64(vector) for vector in vectors] if as_base64 else vectors
    data = [{"object": "embedding", "index": index, "embedding": one} for index, one in enumerate(written)]
    tokens = as_count(body.get("prompt_eval_count"))
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    model = as_text(body.get("model")) or call.upstream_model
    answer: Json = {"object": "list", "model": model, "data": data, "usage": usage}
    headroom = headroom_of(response.headers, response.received_at)
    return Reply(answer, Usage(input=tokens), headroom=headroom, headers=response.headers)


def _decoded(response: HttpResponse, key: str, kind: type) -> Json:
    decoded: Any = response.json()
    body = as_object(decoded)
    if body.get("error"):
        raise provider_error(failure_of_event(body))
    if not isinstance(body.get(key), kind):
        raise undecodable(response, key, "Ollama")
    return body


def _base64(vector: Any) -> str:
    """32-bit floats, little-endian, as OpenAI encodes them."""
    try:
        floats = array("f", vector)
    except (TypeError, OverflowError) as error:
        message = f"an embedding is not made of numbers: {error}"
        raise provider_error(Failure(FailureKind.UNDECODABLE, message)) from error
    if byteorder == "big":
        floats.byteswap()
    return base64.b64encode(floats.tobytes()).decode()
