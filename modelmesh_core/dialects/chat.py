"""OpenAI Chat Completions: the mesh's own shape, so nothing is to be done but to write it down."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from ..wire.messages import Body, Dialect, StreamEvent


class ChatCompletions:
    """The CallerDialect of ``/v1/chat/completions``."""

    dialect = Dialect.OPENAI_CHAT

    def to_chat(self, body: Body) -> Body:
        """As it is."""
        return body

    def native(self, body: Body) -> Body:
        """As it is."""
        return body

    def from_chat(self, reply: Body, body: Body) -> Body:
        """As it is."""
        return reply

    def writer(self, body: Body) -> ChatWriter:
        """For one streamed answer."""
        return ChatWriter()

    def error(self, status: int, error: Body, request_id: str) -> Body:
        """As it is, in its envelope."""
        return {"error": error}


class ChatWriter:
    """Chunks as server-sent events. What came in the right shape goes on unread."""

    def write(self, events: Sequence[StreamEvent]) -> bytes:
        """One piece for the events that arrived together."""
        if len(events) == 1 and events[0].raw is not None and events[0].dialect is Dialect.OPENAI_CHAT:
            return b"data: %b\n\n" % events[0].raw
        parts: list[bytes] = []
        for event in events:
            raw = event.raw if event.dialect is Dialect.OPENAI_CHAT else None
            parts += (b"data: ", raw if raw is not None else orjson.dumps(event.chunk), b"\n\n")
        return b"".join(parts)

    def end(self) -> bytes:
        """The end mark."""
        return b"data: [DONE]\n\n"

    def fail(self, error: Body) -> bytes:
        """An error event, and no end mark."""
        return b"data: " + orjson.dumps({"error": error}) + b"\n\n"
