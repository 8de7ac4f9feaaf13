"""A streamed answer as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import orjson

from ..execution import StreamingReply
from ..wire.messages import StreamEvent
from .errors import error_answer
from .exchange import Exchange, HeaderList
from .redaction import Redactor
from .refusals import Refusal

DONE = b"data: [DONE]\n\n"


async def send_events(exchange: Exchange, reply: StreamingReply, headers: HeaderList, redact: Redactor) -> None:
    """Hand every batch on as it comes.

    Ends in ``[DONE]`` if the answer is whole; otherwise in an error event, and never in ``[DONE]``. However it ends,
    the upstream call is closed.
    """
    try:
        await exchange.start_stream(headers)
        while events := await reply.read():
            await exchange.send_piece(as_sse(events))
        await exchange.end_stream(DONE)
    except (Exception, asyncio.CancelledError) as error:
        if exchange.client_gone:
            raise
        is_cut = isinstance(error, asyncio.CancelledError)
        cause = Refusal(503, "the gateway is shutting down", code="shutting_down") if is_cut else error
        await exchange.end_stream(b"data: " + error_answer(cause, exchange, redact).body + b"\n\n")
    finally:
        await asyncio.shield(reply.aclose())


def as_sse(events: Sequence[StreamEvent]) -> bytes:
    """The events that arrived together, as one piece. What came in the right shape goes on unread."""
    parts: list[bytes] = []
    for event in events:
        parts += (b"data: ", event.raw if event.raw is not None else orjson.dumps(event.chunk), b"\n\n")
    return b"".join(parts)
