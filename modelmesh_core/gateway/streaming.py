"""A streamed answer as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson

from ..dialects import StreamWriter
from ..execution import StreamingReply
from ..wire.messages import Body, StreamEvent
from ..wire.shapes import as_object
from .channel import HeaderList
from .errors import chat_error
from .exchange import Exchange
from .redaction import Redactor
from .refusals import Refusal


class TypedEvents:
    """The StreamWriter of operations whose events name their type, such as ``image_generation.partial_image``."""

    def write(self, events: Sequence[StreamEvent]) -> bytes:
        """One piece for the events that arrived together."""
        parts: list[bytes] = []
        for event in events:
            kind = (event.chunk or {}).get("type")
            if isinstance(kind, str):
                parts += (b"event: ", kind.encode(), b"\n")
            parts += (b"data: ", event.raw if event.raw is not None else orjson.dumps(event.chunk), b"\n\n")
        return b"".join(parts)

    def end(self) -> bytes:
        """Nothing: the last event says so itself."""
        return b""

    def fail(self, error: Body) -> bytes:
        """An error event."""
        return b"event: error\ndata: " + orjson.dumps({"type": "error", "error": error}) + b"\n\n"


async def send_events(
    exchange: Exchange, reply: StreamingReply, headers: HeaderList, redact: Redactor, writer: StreamWriter
) -> None:
    """Hand every batch on as it comes.

    Ends in the dialect's end mark if the answer is whole; otherwise in its error event, and never in the end mark.
    However it ends, the upstream call is closed.
    """
    try:
        await exchange.start_stream(headers)
        while events := await reply.read():
            piece = writer.write(events)
            if piece:
                await exchange.send_piece(piece)
        await exchange.end_stream(writer.end())
    except (Exception, asyncio.CancelledError) as error:
        if exchange.client_gone:
            raise
        is_cut = isinstance(error, asyncio.CancelledError)
        cause = Refusal(503, "the gateway is shutting down", code="shutting_down") if is_cut else error
        told: Any = orjson.loads(chat_error(cause, exchange, redact).body).get("error")
        await exchange.end_stream(writer.fail(as_object(told)))
    finally:
        await asyncio.shield(reply.aclose())
