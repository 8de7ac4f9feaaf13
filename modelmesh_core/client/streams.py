"""Streamed answers: iterate over their pieces. Leaving early (``close``) cancels the upstream call."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Generic, TypeVar

import orjson

from ..background import BackgroundLoop
from ..dialects import StreamWriter
from ..execution import StreamingReply
from ..interfaces.records import DecisionRecord
from ..wire.messages import StreamEvent
from ..wire.sse import SSEDecoder
from .objects import ChatCompletionChunk, UsageTotals
from .response_objects import ResponseStreamEvent

T = TypeVar("T")


class AsyncPieces(Generic[T]):
    """What all streams share."""

    def __init__(self, reply: StreamingReply, usage: UsageTotals) -> None:
        self._reply = reply
        self._usage = usage
        self._counted = False

    @property
    def modelmesh(self) -> DecisionRecord:
        """Who answers, what was tried; cost and outcome once it has ended."""
        return self._reply.record

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        try:
            return await self._next()
        except BaseException:
            self._count()
            raise

    async def _next(self) -> T:
        """The next piece. Raises StopAsyncIteration at the end, ProviderError if the answer breaks off."""
        raise NotImplementedError

    async def close(self) -> None:
        await self._reply.aclose()
        self._count()

    def _count(self) -> None:
        if not self._counted:
            self._counted = True
            self._usage.add(self._reply.record)

    async def __aenter__(self) -> AsyncPieces[T]:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()


class AsyncStream(AsyncPieces[ChatCompletionChunk]):
    """A streamed chat completion."""

    async def _next(self) -> ChatCompletionChunk:
        event = await anext(self._reply)
        return ChatCompletionChunk(event.chunk or {})


class AsyncResponseStream(AsyncPieces[ResponseStreamEvent]):
    """A streamed answer of the Responses API."""

    def __init__(self, reply: StreamingReply, usage: UsageTotals, writer: StreamWriter) -> None:
        super().__init__(reply, usage)
        self._writer = writer
        self._sse = SSEDecoder()
        self._ready: deque[Any] = deque()
        self._is_over = False

    async def _next(self) -> ResponseStreamEvent:
        while not self._ready:
            if self._is_over:
                raise StopAsyncIteration
            events: Sequence[StreamEvent] = await self._reply.read()
            self._is_over = not events
            written = self._writer.write(events) if events else self._writer.end()
            self._ready.extend(orjson.loads(event.data) for event in self._sse.feed(written))
        return ResponseStreamEvent(self._ready.popleft())


class Pieces(Generic[T]):
    """A stream of the asynchronous client, run in the mesh's own event loop."""

    def __init__(self, stream: AsyncPieces[T], loop: BackgroundLoop) -> None:
        self._stream = stream
        self._loop = loop

    @property
    def modelmesh(self) -> DecisionRecord:
        """Who answers, what was tried; cost and outcome once it has ended."""
        return self._stream.modelmesh

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        piece = self._loop.run(self._next())
        if piece is None:
            raise StopIteration
        return piece

    async def _next(self) -> T | None:
        return await anext(self._stream, None)

    def close(self) -> None:
        self._loop.run(self._stream.close())

    def __enter__(self) -> Pieces[T]:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class Stream(Pieces[ChatCompletionChunk]):
    """A streamed chat completion."""


class ResponseStream(Pieces[ResponseStreamEvent]):
    """A streamed answer of the Responses API."""
