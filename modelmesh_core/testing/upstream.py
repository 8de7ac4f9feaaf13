"""FakeUpstream: providers that answer by a script, in place of sockets. Everything above the transport is real."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from ..errors import Failure, FailureKind, provider_error
from ..transport import TransportOptions
from ..values import Clock
from ..wire.http import Headers, HttpRequest, HttpResponse, HttpTimeouts
from .answers import Answer
from .clock import FakeClock

Script = Sequence[Answer] | Callable[[HttpRequest], Answer]


class FakeUpstream:
    """Scripted providers by base URL.

    ``upstream.script("https://a.test/v1", [error(500), chat("hi")])`` answers in that order and repeats the last one;
    a function is asked each time. Pass ``upstream.make_transport`` to ModelMesh. ``requests`` remembers what was sent.
    """

    def __init__(self, clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock()
        self.requests: list[HttpRequest] = []
        self.closed_streams = 0
        self.open_streams = 0
        self._scripts: dict[str, Callable[[HttpRequest], Answer]] = {}

    def script(self, base_url: str, script: Script) -> None:
        """Say what the provider at ``base_url`` answers from now on."""
        if callable(script):
            self._scripts[base_url] = script
            return
        answers = deque(script)
        self._scripts[base_url] = lambda request: answers.popleft() if len(answers) > 1 else answers[0]

    def requests_to(self, base_url: str) -> list[HttpRequest]:
        return [request for request in self.requests if request.url.startswith(base_url)]

    def make_transport(self, engine: str, options: TransportOptions, clock: Clock) -> FakeTransport:
        return FakeTransport(self)

    def answer(self, request: HttpRequest, timeouts: HttpTimeouts) -> Answer:
        """The scripted answer, after its time has passed. Raises ProviderError as a transport would."""
        self.requests.append(request)
        script = next((s for base, s in self._scripts.items() if request.url.startswith(base)), None)
        if script is None:
            raise provider_error(Failure(FailureKind.CONNECTION, f"nothing is scripted for {request.url}"))
        answer = script(request)
        limit = min(limit for limit in (timeouts.first_byte, timeouts.total, 1e9) if limit is not None)
        if answer.hangs or answer.seconds > limit:
            self.clock.advance(limit)
            raise provider_error(Failure(FailureKind.TIMEOUT, f"no answer within {limit:g} s"))
        self.clock.advance(answer.seconds)
        if answer.failure is not None and answer.chunks is None:
            raise provider_error(answer.failure)
        return answer


class FakeTransport:
    """The Transport of a FakeUpstream."""

    def __init__(self, upstream: FakeUpstream) -> None:
        self._upstream = upstream

    async def send(self, request: HttpRequest, timeouts: HttpTimeouts) -> HttpResponse:
        await asyncio.sleep(0)
        answer = self._upstream.answer(request, timeouts)
        body = answer.body if answer.chunks is None else b"".join(answer.chunks)
        return HttpResponse(answer.status, Headers(answer.headers.items()), body, self._upstream.clock.now())

    async def open(self, request: HttpRequest, timeouts: HttpTimeouts) -> FakeByteStream:
        await asyncio.sleep(0)
        return FakeByteStream(self._upstream, self._upstream.answer(request, timeouts))

    async def aclose(self) -> None:
        """Nothing is open."""


class FakeByteStream:
    """A scripted body, a piece at a time."""

    def __init__(self, upstream: FakeUpstream, answer: Answer) -> None:
        self.status = answer.status
        self.headers = Headers(answer.headers.items())
        self._upstream = upstream
        self._answer = answer
        self._chunks = deque(answer.chunks if answer.chunks is not None else [answer.body])
        self._closed = False
        upstream.open_streams += 1

    async def read_chunk(self) -> bytes:
        await asyncio.sleep(0)
        if self._chunks:
            return self._chunks.popleft()
        if self._answer.failure is not None:
            raise provider_error(self._answer.failure)
        return b""

    async def read_all(self, limit: int) -> bytes:
        return b"".join(self._chunks)

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            self._upstream.closed_streams += 1
            self._upstream.open_streams -= 1
