"""What a scripted provider can answer: see ``FakeUpstream``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import orjson

from ..errors import Failure, FailureKind


@attrs.frozen
class Answer:
    """One scripted answer."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str])
    chunks: Sequence[bytes] | None = None
    """The pieces of a streamed body."""
    failure: Failure | None = None
    """Instead of an answer (or, for a stream, after its chunks)."""
    seconds: float = 0.0
    """How long it takes, on the fake clock."""
    hangs: bool = False
    """Never comes: the caller's limit passes, on the fake clock."""


def chat(text: str = "Hello!", *, tokens: tuple[int, int] = (10, 5), seconds: float = 0.0, **headers: str) -> Answer:
    """A whole chat completion. ``tokens``: input, output."""
    prompt, completion = tokens
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "upstream",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        },
    }
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(200, orjson.dumps(body), {"content-type": "application/json", **named}, seconds=seconds)


def stream(
    *words: str,
    finish: bool = True,
    done: bool = True,
    usage: tuple[int, int] | None = (10, 5),
    failure: Failure | None = None,
    seconds: float = 0.0,
) -> Answer:
    """A streamed chat completion, one piece a word. Without ``finish`` and ``done`` it is cut."""

    def event(choices: list[Any], **more: Any) -> bytes:
        chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "upstream"}
        return b"data: " + orjson.dumps({**chunk, "choices": choices, **more}) + b"\n\n"

    chunks = [event([{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}])]
    chunks += [event([{"index": 0, "delta": {"content": word}, "finish_reason": None}]) for word in words]
    if finish:
        chunks.append(event([{"index": 0, "delta": {}, "finish_reason": "stop"}]))
    if usage is not None and finish:
        prompt, completion = usage
        totals = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
        chunks.append(event([], usage=totals))
    if done:
        chunks.append(b"data: [DONE]\n\n")
    return Answer(200, b"", {"content-type": "text/event-stream"}, chunks, failure, seconds)


def embeddings(*vectors: Sequence[float], tokens: int = 4) -> Answer:
    """A whole embeddings answer."""
    data = [{"object": "embedding", "index": place, "embedding": list(v)} for place, v in enumerate(vectors)]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    body = {"object": "list", "model": "upstream", "data": data, "usage": usage}
    return Answer(200, orjson.dumps(body), {"content-type": "application/json"})


def error(
    status: int, message: str = "it broke", *, code: str | None = None, type: str = "server_error", **headers: str
) -> Answer:
    """An OpenAI-shaped error."""
    body = {"error": {"message": message, "type": type, "param": None, "code": code}}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, orjson.dumps(body), {"content-type": "application/json", **named})


def hang() -> Answer:
    """Nothing ever comes."""
    return Answer(hangs=True)


def reset() -> Answer:
    """The connection is reset."""
    return Answer(failure=Failure(FailureKind.CONNECTION, "connection reset by peer"))
