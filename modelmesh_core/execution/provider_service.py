"""ProviderService: one configured provider account, and the loop that drives its connector's flow over a transport."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar, cast

import attrs

from ..errors import Failure, FailureKind, ProviderError, provider_error
from ..interfaces.provider import (
    CatalogueModel,
    HttpProvider,
    InProcessProvider,
    Provider,
    ProviderCall,
    StreamDecoder,
)
from ..transport import Transport
from ..values import Clock, Secret
from ..wire.http import ByteStream, HttpRequest, HttpResponse, HttpTimeouts
from ..wire.messages import Headroom, Operation, Reply, StreamEvent
from ..wire.stored import StoredBytes

T = TypeVar("T")
BEGINNING = 80
"""Bytes of a body that is no stream, as they are shown."""
MAX_SKIPPED = 1
"""Events of a stream that may make no sense: more of them, and what was lost may be part of the answer."""
MAX_ERROR_BODY = 1024 * 1024
"""Bytes of an error answer to a streamed call that are read."""
_NONE: Mapping[str, str] = {}


@attrs.define(slots=True)
class ProviderState:
    """How an account is doing."""

    available: bool = True
    """Switched off by hand, or by an outage."""
    auth_valid: bool = True
    consecutive_failures: int = 0
    """Across all its models: connection, timeout and server failures."""
    headroom: Headroom = attrs.field(factory=dict[str, Any])
    """As last reported for any of its models."""
    spent: float = 0.0
    """USD since the mesh started, where prices are known."""


class EventSource(Protocol):
    """A stream's events, in the batches in which they arrive."""

    headroom: Headroom
    """What the response's head said of limits."""

    async def read(self) -> Sequence[StreamEvent] | None:
        """The next events (perhaps none yet), or None at the end. Raises ProviderError."""
        ...

    async def aclose(self) -> None: ...


class Secrets(Protocol):
    """What a provider was made with, where that can change while it runs."""

    @property
    def looks(self) -> int:
        """How often the stores were asked again so far."""
        ...

    async def look(self, looks: int) -> None:
        """Ask them again, unless they were since ``looks``; a changed secret replaces the service's provider."""
        ...


class ProviderService:
    """A provider account: its connector's provider, its transport, its limits on time, its state."""

    def __init__(
        self,
        name: str,
        connector_id: str,
        provider: Provider,
        transport: Transport,
        timeouts: HttpTimeouts,
        clock: Clock,
    ) -> None:
        self.name = name
        self.connector_id = connector_id
        self.provider = provider
        self.secrets: Secrets | None = None
        self.state = ProviderState()
        self._speaks_http = isinstance(provider, HttpProvider)
        """Whichever provider it has: all are of one connector. The protocol's own check is a slow one."""
        self.renewed: list[Secret] = []
        """Secrets that it got while it ran: no answer may tell of them, either."""
        self._replaced: list[Provider] = []
        self._transport = transport
        self._timeouts = timeouts
        self._clock = clock

    def replace(self, provider: Provider, secrets: Iterable[Secret] = ()) -> None:
        """Ask ``provider`` from now on, which was made with ``secrets``. Calls under way end with the one that they
        began with."""
        self.renewed += secrets
        self._replaced.append(self.provider)
        self.provider = provider

    async def renew(self) -> bool:
        """Ask the secret stores again. Whether a secret has changed, and is in use now."""
        before, secrets = self.provider, self.secrets
        if secrets is not None:
            await secrets.look(secrets.looks)
        return self.provider is not before

    def execute(self, call: ProviderCall, remaining: float) -> Coroutine[Any, Any, Reply | EventSource]:
        """One attempt, of at most ``remaining`` seconds. A streamed call gives an EventSource, which must be closed.

        Where the account is refused, the secret stores are asked again, and so is the provider if they have something
        new. Raises ProviderError, whatever the connector does.
        """
        if self.secrets is None:
            return self._executed(self.provider, call, remaining)
        return self._allowed(lambda provider, left: self._executed(provider, call, left), remaining)

    async def _allowed(self, ask: Callable[[Provider, float], Coroutine[Any, Any, T]], remaining: float) -> T:
        """What ``ask`` gives; it is called once more if the account was refused and its secrets have changed."""
        provider, secrets = self.provider, self.secrets
        looks = secrets.looks if secrets is not None else 0
        deadline = self._clock.monotonic() + remaining
        try:
            return await ask(provider, remaining)
        except ProviderError as error:
            if secrets is None or error.failure.kind is not FailureKind.AUTHENTICATION:
                raise
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(deadline - self._clock.monotonic()):
                    await secrets.look(looks)
            left = deadline - self._clock.monotonic()
            if self.provider is provider or left <= 0:
                raise
        return await ask(self.provider, left)

    async def _executed(self, provider: Provider, call: ProviderCall, remaining: float) -> Reply | EventSource:
        try:
            if not provider.takes_stored and call.operation is not Operation.CHAT:
                call = await _in_memory(call)
            if self._speaks_http:
                speaker: Any = provider
                answer = await self._drive(speaker.execute(call), remaining, call.trace_headers)
            elif isinstance(provider, InProcessProvider):
                answer = await self._in_process(provider, call, remaining)
            else:
                raise TypeError(f"{type(provider).__name__} is neither an HttpProvider nor an InProcessProvider")
            if not call.stream and not isinstance(answer, Reply):
                raise TypeError("it streamed what was not asked to stream")
            return answer
        except ProviderError:
            raise
        except Exception as error:
            raise provider_error(
                Failure(
                    FailureKind.UNDECODABLE,
                    f"connector {self.connector_id} failed on what {self.name} sent: {type(error).__name__}: {error}",
                )
            ) from error

    async def _in_process(
        self, provider: InProcessProvider, call: ProviderCall, remaining: float
    ) -> Reply | EventSource:
        try:
            async with asyncio.timeout(remaining):
                answer = await provider.execute(call)
        except TimeoutError as error:
            raise _too_slow(remaining) from error
        deadline = self._clock.monotonic() + remaining
        return answer if isinstance(answer, Reply) else _InProcessEvents(answer, deadline, self._clock)

    async def _drive(
        self, flow: Generator[HttpRequest, HttpResponse, Any], remaining: float, more_headers: Mapping[str, str] = _NONE
    ) -> Any:
        """Run a connector's flow to its result. ``more_headers`` go with every request of it."""
        deadline, left = self._clock.monotonic() + remaining, remaining
        held: ByteStream | None = None
        try:
            try:
                request = next(flow)
            except StopIteration as stop:  # a flow that needs no call at all
                return stop.value
            while True:
                if request.delay:
                    await self._clock.sleep(min(request.delay, max(0.0, deadline - self._clock.monotonic())))
                    left = deadline - self._clock.monotonic()
                if left <= 0:
                    raise _too_slow(remaining)
                if held is not None:
                    await held.aclose()
                    held = None
                if more_headers:
                    request = attrs.evolve(request, headers={**request.headers, **more_headers})
                timeouts = self._timeouts.within(left)
                if request.stream:
                    response, held = await self._open(request, timeouts)
                else:
                    response = await self._transport.send(request, timeouts)
                try:
                    request = flow.send(response)
                except StopIteration as stop:
                    result: Reply | StreamDecoder = stop.value
                    if isinstance(result, Reply) or held is None:
                        return result
                    source, held = _HttpEvents(result, held), None
                    return source
                left = deadline - self._clock.monotonic()
        finally:
            flow.close()
            if held is not None:
                await held.aclose()

    async def _open(self, request: HttpRequest, timeouts: HttpTimeouts) -> tuple[HttpResponse, ByteStream | None]:
        stream = await self._transport.open(request, timeouts)
        if 200 <= stream.status < 300:
            return HttpResponse(stream.status, stream.headers, received_at=self._clock.now()), stream
        try:
            body = await stream.read_all(MAX_ERROR_BODY)
        finally:
            await stream.aclose()
        return HttpResponse(stream.status, stream.headers, body, self._clock.now()), None

    async def get_models(self, remaining: float = 10.0) -> Sequence[CatalogueModel]:
        """What the account lists, by its free listing call. Raises ProviderError or NotImplementedError."""

        async def ask(provider: Provider, left: float) -> Sequence[CatalogueModel]:
            if isinstance(provider, HttpProvider):
                return cast(Sequence[CatalogueModel], await self._drive(provider.list_models(), left))
            return ()

        return await self._allowed(ask, remaining)

    async def get_health(self, remaining: float = 10.0) -> None:
        """Ask the account whether it works, by its cheapest call. Raises ProviderError if it does not."""

        async def ask(provider: Provider, left: float) -> None:
            if isinstance(provider, HttpProvider):
                await self._drive(provider.check_health(), left)
            elif isinstance(provider, InProcessProvider):
                await provider.check_health()

        await self._allowed(ask, remaining)

    def is_available(self) -> bool:
        return self.state.available and self.state.auth_valid

    def get_rate_limits(self) -> Headroom:
        """Limit, remaining and reset, as the provider last reported them."""
        return self.state.headroom

    def check_quota(self) -> dict[str, int | None]:
        """Kind of limit → what is left, as last reported."""
        return {kind: report.remaining for kind, report in self.state.headroom.items()}

    async def aclose(self) -> None:
        await self._transport.aclose()
        for provider in (*self._replaced, self.provider):
            provider.close()


async def _in_memory(call: ProviderCall) -> ProviderCall:
    """The call with what of it lies on disk as bytes."""
    stored = {name: value for name, value in call.body.items() if isinstance(value, StoredBytes)}
    if stored:
        held = {name: await asyncio.to_thread(value.read) for name, value in stored.items()}
        call = attrs.evolve(call, body={**call.body, **held})
    resource = call.resource
    if resource is not None and isinstance(resource.content, StoredBytes):
        content = await asyncio.to_thread(resource.content.read)
        call = attrs.evolve(call, resource=attrs.evolve(resource, content=content))
    return call


def _too_slow(seconds: float) -> ProviderError:
    return provider_error(Failure(FailureKind.TIMEOUT, f"no answer within the {seconds:.3g} s that were left"))


class _HttpEvents:
    """Bytes of a streamed body → events of a decoder."""

    __slots__ = ("_beginning", "_bytes", "_decoder", "_has_events", "headroom")

    def __init__(self, decoder: StreamDecoder, body: ByteStream) -> None:
        self._decoder = decoder
        self._bytes = body
        self._has_events = False
        self._beginning = b""
        """Of the body, until the first event."""
        self.headroom = decoder.headroom

    async def read(self) -> Sequence[StreamEvent] | None:
        decoder = self._decoder
        try:
            data = await self._bytes.read_chunk()
        except ProviderError:
            held = _as_list(decoder.finish())
            self._decoder = _ENDED
            if any(event.finish_reason is not None for event in held):
                return held  # the answer was whole: what broke was only the end of its body
            raise
        events = _as_list(decoder.feed(data)) if data and self._has_events else self._decoded(decoder, data)
        if decoder.skipped > MAX_SKIPPED:
            raise provider_error(
                Failure(FailureKind.UNDECODABLE, f"{decoder.skipped} events of the stream make no sense")
            )
        if data:
            return events
        self._decoder = _ENDED
        return events or None

    def _decoded(self, decoder: StreamDecoder, data: bytes) -> list[StreamEvent]:
        """Raises ProviderError that shows what came, where no event ever did."""
        if not self._has_events:
            self._beginning = (self._beginning + data[:BEGINNING])[:BEGINNING]
        try:
            events = _as_list(decoder.feed(data) if data else decoder.finish())
        except ProviderError as error:
            if self._has_events or error.failure.kind is not FailureKind.UNDECODABLE:
                raise
            raise self._no_stream(error.failure.message) from error
        self._has_events = self._has_events or bool(events)
        if not data and not self._has_events and self._beginning and decoder is not _ENDED:
            raise self._no_stream("no event came")
        return events

    def _no_stream(self, why: str) -> ProviderError:
        media_type = self._bytes.headers.get("content-type", "no content type")
        message = f"HTTP {self._bytes.status} with a body that is no stream ({media_type}, beginning "
        message += f"{self._beginning!r}): {why}"
        return provider_error(Failure(FailureKind.UNDECODABLE, message, status=self._bytes.status))

    async def aclose(self) -> None:
        await self._bytes.aclose()


def _as_list(events: Iterable[StreamEvent]) -> list[StreamEvent]:
    return events if isinstance(events, list) else list(events)


class _Ended:
    headroom: Headroom = {}
    skipped = 0

    def feed(self, data: bytes) -> Iterable[StreamEvent]:
        return ()

    def finish(self) -> Iterable[StreamEvent]:
        return ()


_ENDED = _Ended()


class _InProcessEvents:
    """An in-process provider's iterator, one event a batch."""

    __slots__ = ("_clock", "_deadline", "_events", "headroom")

    def __init__(self, events: AsyncIterator[StreamEvent], deadline: float, clock: Clock) -> None:
        self._events = events
        self._deadline = deadline
        self._clock = clock
        self.headroom: Headroom = {}

    async def read(self) -> Sequence[StreamEvent] | None:
        left = self._deadline - self._clock.monotonic()
        try:
            async with asyncio.timeout(left):
                return [await anext(self._events)]
        except StopAsyncIteration:
            return None
        except TimeoutError as error:
            raise _too_slow(max(left, 0.0)) from error

    async def aclose(self) -> None:
        close = getattr(self._events, "aclose", None)
        if close is not None:
            await close()
