"""Answering: what a fault can do to a request."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

from .dialect import HealthyAnswer, StreamedAnswer
from .fault import Fault
from .seen import SeenRequest
from .wire import DONE, LAST_CHUNK, chunk, event, head

STREAM_HEAD = head(
    200,
    {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-cache",
        "transfer-encoding": "chunked",
    },
)


class Channel(Protocol):
    """One side of a connection."""

    def write(self, data: bytes) -> None: ...
    async def flush(self) -> None:
        """Let the client read; waits while it does not."""
        ...

    def close(self) -> None: ...
    def reset(self) -> None: ...


class Answering:
    """A request that is being answered. ``fault.act`` is given one; what it does not send is not sent."""

    def __init__(
        self,
        request: SeenRequest,
        fault: Fault,
        healthy: HealthyAnswer,
        channel: Channel,
        *,
        pace: float,
        redirect_url: str,
        first_on_connection: bool,
    ) -> None:
        self.request = request
        self.fault = fault
        self.healthy = healthy
        """What would be right."""
        self.pace = pace
        """Seconds after each event of a stream."""
        self.redirect_url = redirect_url
        """Where nobody should ever go."""
        self.first_on_connection = first_on_connection
        self._channel = channel

    @property
    def streams(self) -> bool:
        """Whether a stream was asked for, of something that can be streamed."""
        return self.request.stream and self.healthy.stream is not None

    @property
    def stream(self) -> StreamedAnswer:
        """The right stream. Raises LookupError where there is none."""
        if self.healthy.stream is None:
            raise LookupError(f"the answer to {self.request.method} {self.request.path} cannot be streamed")
        return self.healthy.stream

    @property
    def break_at(self) -> int:
        """Where to break a stream, in pieces of content: something is always left out."""
        return max(min(self.fault.break_after, len(self.stream.pieces) - 1), 0)

    # --- bytes -------------------------------------------------------------------------------------------------------

    async def send(self, data: bytes, *, is_piece: bool = False) -> None:
        """Any bytes. ``is_piece``: counts in ``pieces_sent``."""
        self._channel.write(data)
        self.request.pieces_sent += is_piece
        await self._channel.flush()

    async def send_whole(
        self,
        body: bytes | None = None,
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> None:
        """An answer of a known length; by default the right one."""
        body = self.healthy.body if body is None else body
        fields = {"content-type": content_type, "content-length": str(len(body)), **(headers or {})}
        start = head(self.healthy.status if status is None else status, fields)
        # Not flushed: from the last byte on, nobody may find this answer under way.
        self._channel.write(start if self.request.method == "HEAD" else start + body)
        self.request.pieces_sent += 1

    def close(self) -> None:
        """End the connection in order, after what was sent."""
        self._channel.close()

    def reset(self) -> None:
        """End the connection as a crash does."""
        self._channel.reset()

    async def silence(self) -> None:
        """Nothing more, until the client leaves or the provider's limit has passed."""
        await asyncio.Event().wait()

    # --- streams -----------------------------------------------------------------------------------------------------

    async def begin_stream(self) -> None:
        """The head of a stream."""
        await self.send(STREAM_HEAD)

    async def send_event(self, data: bytes, name: str = "") -> None:
        """One event, right or wrong."""
        await self.send(chunk(event(data, name)), is_piece=True)
        if self.pace:
            await asyncio.sleep(self.pace)

    async def send_pieces(self, start: int = 0, stop: int | None = None) -> None:
        """Some of the pieces of content; by default all."""
        for piece in self.stream.pieces[start:stop]:
            await self.send_event(piece)

    async def begin_answer(self) -> None:
        """Head, opening event, and the pieces of content before the break."""
        await self.begin_stream()
        await self.send_event(self.stream.opening)
        await self.send_pieces(0, self.break_at)

    async def finish_answer(self) -> None:
        """The event with the finish reason, and the usage if it was asked for."""
        await self.send_event(self.stream.finish)
        if self.stream.usage is not None:
            await self.send_event(self.stream.usage)

    async def end_stream(self, *, done: bool = False) -> None:
        """The end of the body; ``done``: after ``[DONE]``."""
        self._channel.write((chunk(event(DONE)) if done else b"") + LAST_CHUNK)
        self.request.pieces_sent += done

    async def answer(self) -> None:
        """The right answer."""
        if not self.streams:
            await self.send_whole()
            return
        await self.begin_stream()
        await self.send_event(self.stream.opening)
        await self.send_pieces()
        await self.finish_answer()
        await self.end_stream(done=True)


HEALTHY = Fault("healthy", "answers", "connection", "same", Answering.answer)
