"""What a healthy provider answers, in the OpenAI dialect."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import attrs
import orjson

from .content import (
    another_answer_to,
    answer_to,
    as_list,
    as_object,
    embedding_of,
    messages_of,
    pieces_of,
    text_of,
    tool_arguments_for,
)
from .seen import SeenRequest

Prefill = Literal["continue", "reject", "ignore"]
CREATED = 1_700_000_000
ARGUMENT_PIECE = 8
"""Characters of a tool call's arguments in one event."""


@attrs.frozen
class StreamedAnswer:
    """The events of a whole stream, as JSON."""

    opening: bytes
    pieces: Sequence[bytes]
    finish: bytes
    usage: bytes | None
    """None where it was not asked for."""


@attrs.frozen
class HealthyAnswer:
    """A whole answer, and what it is as a stream."""

    body: bytes
    status: int = 200
    stream: StreamedAnswer | None = None
    """None where there is nothing to stream."""


@attrs.frozen
class Speaker:
    """What a provider says while it is healthy. The fields are options of FaultyProvider."""

    text: str | Callable[[dict[str, Any]], str] | None = None
    different: bool = False
    prefill: Prefill = "continue"
    models: Sequence[str] = ("faulty-model",)

    def answer(self, request: SeenRequest) -> HealthyAnswer:
        """The healthy answer to ``request``."""
        path = request.path.partition("?")[0]
        if request.method == "GET" and path.endswith("/models"):
            return _models(self.models)
        if request.method == "POST" and path.endswith(("/chat/completions", "/embeddings")):
            if request.body is None:
                return error_answer(400, "the body is no JSON object")
            if path.endswith("/embeddings"):
                return _embeddings(request.body)
            return self._chat(request.body, f"chatcmpl-{request.number}")
        return error_answer(404, f"there is no {request.method} {path}", code="unknown_url")

    def _chat(self, body: dict[str, Any], identity: str) -> HealthyAnswer:
        messages = messages_of(body)
        last = messages[-1] if messages else {}
        if last.get("role") == "assistant" and self.prefill == "reject":
            return error_answer(400, "this model does not support assistant message prefill")
        prompt_tokens = sum(len(text_of(message).split()) for message in messages)
        tools = as_list(body.get("tools"))
        if tools and body.get("tool_choice") != "none" and last.get("role") != "tool":
            arguments = orjson.dumps(tool_arguments_for(body)).decode()
            message, deltas = _tool_call(tools[0]["function"]["name"], arguments, f"call_{identity}")
            said, reason = arguments, "tool_calls"
        else:
            said, reason = self._text(body, last), "stop"
            message = {"role": "assistant", "content": said}
            deltas = [{"content": piece} for piece in pieces_of(said)]
        completion_tokens = len(said.split())
        usage = {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        }
        about = {"id": identity, "created": CREATED, "model": body.get("model")}
        whole = {
            **about,
            "object": "chat.completion",
            "choices": [{"index": 0, "message": message, "finish_reason": reason}],
            "usage": usage,
        }
        return HealthyAnswer(orjson.dumps(whole), stream=_streamed(about, deltas, reason, usage, body))

    def _text(self, body: dict[str, Any], last: Mapping[str, Any]) -> str:
        if self.text is not None:
            text = self.text if isinstance(self.text, str) else self.text(body)
        else:
            text = another_answer_to(body) if self.different else answer_to(body)
        if last.get("role") != "assistant" or self.prefill == "ignore":
            return text
        # Providers strip the end of a prefill; the whitespace there is then said again.
        given = text_of(last).rstrip()
        return text.removeprefix(given)


def error_body(
    message: str, kind: str = "invalid_request_error", code: str | None = None, parameter: str | None = None
) -> bytes:
    """An error as OpenAI shapes it."""
    return orjson.dumps({"error": {"message": message, "type": kind, "param": parameter, "code": code}})


def error_answer(
    status: int, message: str, kind: str = "invalid_request_error", code: str | None = None
) -> HealthyAnswer:
    """The same, as an answer."""
    return HealthyAnswer(error_body(message, kind, code), status)


def _streamed(
    about: Mapping[str, Any],
    deltas: Sequence[Mapping[str, Any]],
    reason: str,
    usage: Mapping[str, int],
    body: Mapping[str, Any],
) -> StreamedAnswer:
    def event(delta: Mapping[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return orjson.dumps({**about, "object": "chat.completion.chunk", "choices": [choice]})

    asked = as_object(body.get("stream_options")).get("include_usage") is True
    totals = orjson.dumps({**about, "object": "chat.completion.chunk", "choices": [], "usage": usage})
    return StreamedAnswer(
        opening=event({"role": "assistant", "content": ""}),
        pieces=[event(delta) for delta in deltas],
        finish=event({}, reason),
        usage=totals if asked else None,
    )


def _tool_call(name: str, arguments: str, identity: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The message, and its deltas: the call, then its arguments in pieces."""
    call = {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}
    opening = {"index": 0, **call, "function": {"name": name, "arguments": ""}}
    starts = range(0, len(arguments), ARGUMENT_PIECE)
    pieces = [{"index": 0, "function": {"arguments": arguments[start : start + ARGUMENT_PIECE]}} for start in starts]
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    return message, [{"tool_calls": [piece]} for piece in (opening, *pieces)]


def _embeddings(body: Mapping[str, Any]) -> HealthyAnswer:
    given = body.get("input", "")
    texts = [str(text) for text in as_list(given)] or [str(given)]
    data = [
        {"object": "embedding", "index": place, "embedding": _encoded(embedding_of(text), body.get("encoding_format"))}
        for place, text in enumerate(texts)
    ]
    tokens = sum(len(text.split()) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return HealthyAnswer(
        orjson.dumps({"object": "list", "model": body.get("model"), "data": data, "usage": usage}),
    )


def _encoded(vector: Sequence[float], encoding: Any) -> Any:
    """The OpenAI SDK asks for base64 of its own accord."""
    return base64.b64encode(struct.pack("<8f", *vector)).decode() if encoding == "base64" else vector


def _models(names: Sequence[str]) -> HealthyAnswer:
    data = [{"id": name, "object": "model", "created": CREATED, "owned_by": "faulty"} for name in names]
    return HealthyAnswer(orjson.dumps({"object": "list", "data": data}))
