"""A whole answer told as a stream: for connectors that cannot stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from ..interfaces.provider import ProviderCall
from ..openai_dialect.requests import is_edit
from ..openai_dialect.typed_stream import events_of
from ..wire.messages import Body, EventKind, Operation, Reply, StreamEvent


class WholeReplyEvents:
    """An EventSource: for a chat completion one content event a choice, then the finish, then the usage."""

    def __init__(self, reply: Reply, call: ProviderCall) -> None:
        told = _events(reply)
        if call.operation is not Operation.CHAT:
            told = events_of(call.operation, reply, is_edit=is_edit(call.body))
        self._batches: list[Sequence[StreamEvent]] = [told]
        self.headroom = reply.headroom

    async def read(self) -> Sequence[StreamEvent] | None:
        return self._batches.pop() if self._batches else None

    async def aclose(self) -> None:
        self._batches.clear()


def _events(reply: Reply) -> Sequence[StreamEvent]:
    body = reply.body
    base: Body = {key: body[key] for key in ("id", "created", "model", "system_fingerprint") if key in body}
    base["object"] = "chat.completion.chunk"
    events: list[StreamEvent] = []
    for choice in cast(list[Body], body.get("choices", [])):
        delta: Body = dict(cast(Body, choice.get("message", {})))
        for place, call in enumerate(cast(list[Body], delta.get("tool_calls") or [])):
            call.setdefault("index", place)
        reason: Any = choice.get("finish_reason") or "stop"
        index = choice.get("index", 0)
        events.append(StreamEvent(EventKind.CONTENT, {**base, "choices": [_choice(index, delta, None)]}))
        events.append(
            StreamEvent(EventKind.FINISH, {**base, "choices": [_choice(index, {}, reason)]}, finish_reason=str(reason))
        )
    if reply.usage is not None:
        chunk: Body = {**base, "choices": [], "usage": body.get("usage")}
        events.append(StreamEvent(EventKind.USAGE, chunk, usage=reply.usage))
    return events


def _choice(index: Any, delta: Body, finish_reason: str | None) -> Body:
    return {"index": index, "delta": delta, "finish_reason": finish_reason}
