"""Streams: open one until its first content, then hand events on, and never call a cut answer whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from ..errors import Failure, FailureKind, ProviderError, provider_error
from ..interfaces.records import DecisionRecord
from ..wire.messages import EventKind, Headroom, StreamEvent, Usage
from .provider_service import EventSource

FINISH_GRACE = 1.0
"""Seconds to wait for usage and the end mark once the answer is whole."""

Ended = Callable[["StreamingReply", ProviderError | None, bool], None]
"""Called once: with the failure, if any, and whether the caller went away."""


class OpenStream:
    """A stream that has given its first content (or ended well without any)."""

    __slots__ = ("finish_reason", "held", "saw_done", "source", "usage")

    def __init__(self, source: EventSource) -> None:
        self.source = source
        self.held: list[StreamEvent] = []
        self.finish_reason: str | None = None
        self.saw_done = False
        self.usage: Usage | None = None

    def note(self, event: StreamEvent) -> None:
        """Remember what decides whether the answer is whole."""
        if event.finish_reason is not None:
            self.finish_reason = event.finish_reason
        if event.usage is not None:
            self.usage = event.usage
        if event.kind is EventKind.DONE:
            self.saw_done = True

    @property
    def is_whole(self) -> bool:
        return self.finish_reason is not None or self.saw_done


def _cut(detail: str) -> ProviderError:
    return provider_error(Failure(FailureKind.STREAM_CUT, f"the stream ended before the answer was whole ({detail})"))


async def open_until_content(source: EventSource, limit: float | None) -> OpenStream:
    """Read until the first content, so that a failure before it can still be hidden.

    ``limit``: seconds to the first content. Raises ProviderError; the source is closed then.
    """
    stream = OpenStream(source)
    try:
        async with asyncio.timeout(limit):
            while True:
                batch = await source.read()
                if batch is None:
                    if stream.is_whole:
                        return stream
                    raise _cut("nothing but an opening came")
                stream.held.extend(batch)
                for event in batch:
                    stream.note(event)
                    if event.kind is EventKind.ERROR and event.error is not None:
                        raise event.error
                if any(e.kind in (EventKind.CONTENT, EventKind.FINISH, EventKind.DONE) for e in batch):
                    return stream
    except BaseException as error:
        await source.aclose()
        if isinstance(error, TimeoutError):
            raise provider_error(
                Failure(FailureKind.TIMEOUT, f"no first token within {limit:.3g} s" if limit else "timed out")
            ) from error
        raise


class StreamingReply:
    """A streamed answer under way: an async iterator of StreamEvents in the OpenAI chunk shape.

    It ends when the answer is whole, and raises ProviderError when it breaks: never a cut answer that looks finished.
    Close it (``aclose``, or ``async with``) to stop early; the upstream call is then cancelled at once and what was
    used is still settled.
    """

    def __init__(self, stream: OpenStream, record: DecisionRecord, *, include_usage: bool, ended: Ended) -> None:
        self._stream = stream
        self._include_usage = include_usage
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._exhausted = False
        self._first: Sequence[StreamEvent] | None = stream.held
        self._buffer: list[StreamEvent] = []
        self.record = record
        self.content_events = 0
        """Content events handed on so far: the base of an estimate when usage never comes."""

    @property
    def usage(self) -> Usage | None:
        """As the provider reported it, once it has."""
        return self._stream.usage

    @property
    def finish_reason(self) -> str | None:
        return self._stream.finish_reason

    @property
    def headroom(self) -> Headroom:
        """What the provider said is left."""
        return self._stream.source.headroom

    async def read(self) -> Sequence[StreamEvent]:
        """The next events to hand on, as they arrived together; empty at the end. Raises ProviderError."""
        while not self._exhausted:
            try:
                batch = await self._next_batch()
            except ProviderError as error:
                if self._stream.is_whole:
                    batch = None  # the answer was complete: what broke was only its end mark
                else:
                    await self._finish(error)
                    raise
            except BaseException:
                await self._finish(None, cancelled=True)
                raise
            if batch is None or self._stream.saw_done:
                self._exhausted = True
            events = self._to_hand_on(batch or ())
            if self._exhausted:
                cut = None if self._stream.is_whole else _cut("no finish reason and no end mark came")
                await self._finish(cut)
                if cut is not None:
                    raise cut
            if events:
                return events
        return ()

    async def _next_batch(self) -> Sequence[StreamEvent] | None:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        if not self._stream.is_whole:
            return self._noted(await self._stream.source.read())
        try:
            async with asyncio.timeout(FINISH_GRACE):
                return self._noted(await self._stream.source.read())
        except TimeoutError:
            return None

    def _noted(self, batch: Sequence[StreamEvent] | None) -> Sequence[StreamEvent] | None:
        for event in batch or ():
            self._stream.note(event)
            if event.kind is EventKind.ERROR and event.error is not None and not self._stream.is_whole:
                failure = event.error.failure
                raise provider_error(
                    Failure(FailureKind.STREAM_CUT, failure.message, failure.status, failure.code, None, failure.body)
                ) from event.error
        return batch

    def _to_hand_on(self, batch: Sequence[StreamEvent]) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        for event in batch:
            if event.kind is EventKind.CONTENT:
                self.content_events += 1
            if event.kind in (EventKind.DONE, EventKind.ERROR) or (
                event.kind is EventKind.USAGE and not self._include_usage
            ):
                continue
            events.append(event)
        return events

    async def _finish(self, error: ProviderError | None, *, cancelled: bool = False) -> None:
        if self._closed:
            return
        self._closed = self._exhausted = True
        try:
            await self._stream.source.aclose()
        finally:
            self._ended(self, error, cancelled)

    def __aiter__(self) -> AsyncIterator[StreamEvent]:
        return self

    async def __anext__(self) -> StreamEvent:
        if not self._buffer:
            self._buffer = list(await self.read())
            self._buffer.reverse()
        if not self._buffer:
            raise StopAsyncIteration
        return self._buffer.pop()

    async def aclose(self) -> None:
        """Stop. Nothing happens if the answer has ended."""
        await self._finish(None, cancelled=not self._stream.is_whole)

    def __del__(self) -> None:
        # A caller who just walks away: nobody would ever close the upstream call, or settle it.
        if not self._closed and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._abandoned)

    def _abandoned(self) -> None:
        self._closing = self._loop.create_task(self.aclose(), name="modelmesh: close an abandoned stream")

    async def __aenter__(self) -> StreamingReply:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()
