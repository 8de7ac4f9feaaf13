"""Streams: open one until its first content, then hand events on, and never call a cut answer whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from ..errors import Failure, FailureKind, ProviderError, provider_error
from ..interfaces.records import DecisionRecord
from ..openai_dialect import reported_usage
from ..wire.messages import Body, Dialect, EventKind, Headroom, StreamEvent, Usage
from .provider_service import EventSource
from .resumption import Continuation, Transcript

FINISH_GRACE = 0.25
"""Seconds to wait for usage and the end mark once the answer is whole."""
MAX_HELD = 64 * 1024 * 1024
"""Bytes of an answer that are held back where a pool asks for whole answers only."""
_COMMITTING = (EventKind.CONTENT, EventKind.FINISH)


class OpenStream:
    """A stream under way: events until the answer is whole. It never ends well before that."""

    __slots__ = ("_content_events", "finish_reason", "held", "is_ended", "source", "usage")

    def __init__(self, source: EventSource) -> None:
        self.source = source
        self.held: Sequence[StreamEvent] = ()
        """What was read ahead."""
        self.finish_reason: str | None = None
        self.is_ended = False
        self.usage: Usage | None = None
        self._content_events = 0

    @property
    def content_events(self) -> int:
        """So far, handed on or not: the base of an estimate when usage never comes."""
        return self._content_events + (self.source.swallowed if isinstance(self.source, Continuation) else 0)

    @property
    def is_whole(self) -> bool:
        """A provider that says why it finished has said everything; one that only stops has not."""
        return self.finish_reason is not None

    async def read(self) -> Sequence[StreamEvent] | None:
        """The next events; None once the answer is whole and at its end.

        Raises ProviderError if the stream breaks, or ends, before the answer is whole.
        """
        if self.held:
            held, self.held = self.held, ()
            return held
        if self.is_ended:
            return None
        try:
            batch = self._noted(await self.source.read()) if self.finish_reason is None else await self._last()
        except ProviderError:
            if not self.is_whole:
                raise
            batch = None  # the answer was complete: what broke was only its end mark
        if batch is None:
            self.is_ended = True
        if self.is_ended and not self.is_whole:
            raise _cut("no finish reason came")
        return batch

    async def _last(self) -> Sequence[StreamEvent] | None:
        """What comes soon after the answer is whole: usage, and the end mark."""
        try:
            async with asyncio.timeout(FINISH_GRACE):
                return self._noted(await self.source.read())
        except TimeoutError:
            return None

    def _noted(self, batch: Sequence[StreamEvent] | None) -> Sequence[StreamEvent] | None:
        for place, event in enumerate(batch or ()):
            kind = event.kind
            if event.finish_reason is not None:
                self.finish_reason = event.finish_reason
            if event.usage is not None:
                self.usage = event.usage
            if kind is EventKind.CONTENT:
                self._content_events += 1
            elif kind is EventKind.DONE:
                self.is_ended = True
                return batch[: place + 1] if batch is not None else None  # what follows an end mark is no answer
            elif kind is EventKind.ERROR and event.error is not None and not self.is_whole:
                raise event.error
        return batch


def _cut(detail: str) -> ProviderError:
    return provider_error(Failure(FailureKind.STREAM_CUT, f"the stream ended before the answer was whole ({detail})"))


async def open_until_content(source: EventSource, limit: float) -> OpenStream:
    """Read until the first content, so that a failure before it can still be hidden.

    ``limit``: seconds to the first content. Raises ProviderError; the source is closed then.
    """
    stream = OpenStream(source)
    held: list[StreamEvent] = []
    try:
        async with asyncio.timeout(limit):
            while (batch := await stream.read()) is not None:
                held.extend(batch)
                if any(event.kind in _COMMITTING for event in batch):
                    break
    except BaseException as error:
        await source.aclose()
        if isinstance(error, TimeoutError):
            raise provider_error(Failure(FailureKind.TIMEOUT, f"no first token within {limit:.3g} s")) from error
        raise
    stream.held = held
    return stream


async def hold_until_whole(stream: OpenStream, limit: float) -> None:
    """Read the rest of ``stream`` within ``limit`` seconds, so that any failure can still be hidden.

    Raises ProviderError; the source is closed then.
    """
    held: list[StreamEvent] = []
    size = 0
    try:
        async with asyncio.timeout(limit):
            while (batch := await stream.read()) is not None:
                held.extend(batch)
                size += sum(len(event.raw or b"") for event in batch)
                if size > MAX_HELD:
                    raise provider_error(Failure(FailureKind.UNDECODABLE, f"the answer passed {MAX_HELD} bytes"))
    except BaseException as error:
        await stream.source.aclose()
        if isinstance(error, TimeoutError):
            raise provider_error(Failure(FailureKind.TIMEOUT, f"no whole answer within {limit:.3g} s")) from error
        raise
    stream.held = held


class Keeper(Protocol):
    """Who answers for a StreamingReply: settles what it used, and finds somebody to take it up when it breaks."""

    def estimate(self, output: int) -> Usage: ...

    async def take_up(self, stream: OpenStream, sent: Transcript | None, error: ProviderError) -> OpenStream | None:
        """The stream that goes on where ``stream`` broke, or None if nobody can. Settles ``stream`` either way."""
        ...

    def ended(self, stream: OpenStream, error: ProviderError | None, *, cancelled: bool) -> None:
        """Called once: the answer is whole, or failed for good, or the caller went away."""
        ...

    async def kept(self) -> None:
        """Called after that: wait until what was used is kept."""
        ...


class StreamingReply:
    """A streamed answer under way: an async iterator of StreamEvents in the OpenAI chunk shape.

    It ends when the answer is whole, and raises ProviderError when it breaks: never a cut answer that looks finished.
    Close it (``aclose``, or ``async with``) to stop early; the upstream call is then cancelled at once and what was
    used is still settled.
    """

    def __init__(
        self,
        stream: OpenStream,
        record: DecisionRecord,
        keeper: Keeper,
        *,
        include_usage: bool,
        dialect: Dialect = Dialect.OPENAI_CHAT,
        transcript: Transcript | None = None,
    ) -> None:
        self._stream = stream
        self._keeper = keeper
        self._owes_usage = include_usage
        self._dialect = dialect
        self._transcript = transcript
        self._earlier: Usage | None = None
        """Used by models that began this answer and failed."""
        self._last_chunk: Body = {}
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._buffer: list[StreamEvent] = []
        self.record = record

    @property
    def usage(self) -> Usage | None:
        """Of all that was generated for this answer, by whomever; None until the provider has reported it."""
        own = self._stream.usage
        return own if self._earlier is None or own is None else self._earlier + own

    @property
    def finish_reason(self) -> str | None:
        return self._stream.finish_reason

    @property
    def headroom(self) -> Headroom:
        """What the provider said is left."""
        return self._stream.source.headroom

    async def read(self) -> Sequence[StreamEvent]:
        """The next events to hand on, as they arrived together; empty at the end. Raises ProviderError."""
        while not self._closed:
            try:
                batch = await self._stream.read()
            except ProviderError as error:
                await self._go_on_after(error)
                continue
            except BaseException:
                await self._finish(None, cancelled=True)
                raise
            events = self._to_hand_on(batch or ())
            if self._stream.is_ended and not self._stream.held:
                await self._finish(None)
                if self._owes_usage:
                    events.append(self._usage_event({**self._last_chunk, "choices": []}))
            if events:
                return events
        return ()

    async def _go_on_after(self, error: ProviderError) -> None:
        """Let another model take the answer up, or raise."""
        broken = self._stream
        self._earlier = self._spent(broken)
        try:
            await broken.source.aclose()
            resumed = await self._keeper.take_up(broken, self._transcript, error)
        except BaseException:
            await self._finish(None, cancelled=True)
            raise
        if resumed is not None:
            self._stream = resumed
            return
        reported = _as_broken(error)
        await self._finish(reported)
        raise reported

    def _spent(self, stream: OpenStream) -> Usage:
        own = stream.usage or self._keeper.estimate(stream.content_events)
        return own if self._earlier is None else self._earlier + own

    def _to_hand_on(self, batch: Sequence[StreamEvent]) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        dialect, transcript = self._dialect, self._transcript
        is_foreign = dialect is not Dialect.OPENAI_CHAT
        for event in batch:
            is_native = is_foreign and event.raw is not None and event.dialect is dialect
            if event.chunk is None and not is_native:
                continue
            if event.kind is EventKind.USAGE and not is_native:
                if not self._owes_usage:
                    continue
                if self._earlier is not None and event.chunk is not None:
                    event = self._usage_event(event.chunk)
            elif transcript is not None:
                transcript.note(event)
            if event.usage is not None:
                self._owes_usage = False
            self._last_chunk = event.chunk or self._last_chunk
            events.append(event)
        return events

    def _usage_event(self, chunk: Body) -> StreamEvent:
        """The usage chunk, made out of ``chunk``: it tells of all models that had a part in the answer."""
        self._owes_usage = False
        usage = self._spent(self._stream)
        return StreamEvent(EventKind.USAGE, {**chunk, "usage": reported_usage(usage)}, usage=usage)

    async def _finish(self, error: ProviderError | None, *, cancelled: bool = False) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            await self._stream.source.aclose()
        finally:
            self._keeper.ended(self._stream, error, cancelled=cancelled)
        if not cancelled:
            await self._keeper.kept()

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


_TOLD_AS_THEY_ARE = frozenset({FailureKind.STREAM_CUT, FailureKind.CONTENT_FILTER, FailureKind.TIMEOUT})


def _as_broken(error: ProviderError) -> ProviderError:
    """What the caller of a broken stream is told: that it broke, and the provider's own words."""
    failure = error.failure
    if failure.kind in _TOLD_AS_THEY_ARE:
        return error
    told = Failure(FailureKind.STREAM_CUT, failure.message, failure.status, failure.code, None, failure.body)
    broken = provider_error(told)
    broken.__cause__ = error
    return broken
