"""The fast engine: pyreqwest (reqwest and hyper, in Rust). Importing this module raises ImportError without it.

The limits are reqwest's own wherever it has them, and everything is read through ``read_chunk`` with no read buffer,
so that a chunk is handed over when it arrives. What pyreqwest 0.15 cannot do, and what happens instead:

- It does not close the socket of a call that is cancelled before the response's head: the request goes on in its own
  thread, unseen, until the head has come or a limit has passed, and only then is the connection closed. Until then it
  also keeps its place among ``max_connections``. From the head on, cancelling closes the socket at once.
- Its limit on reading is one for the head and the body, and one for all calls of a client. It is set to the longer of
  ``first_byte`` and ``idle``, as the backstop; where they differ, the shorter is enforced here.
- It counts ``first_byte`` from the start of the call, connecting included.
- It can add authorities to those that the machine trusts, but not replace them: with a ``ca_file`` every call is
  made by the httpx engine instead. That one also sends the bodies that lie on disk.
- It may drop a cancellation that comes together with the awaited bytes; this engine sees that and honours it.

Without a ``ca_file`` the authorities are the machine's, and certifi's where the machine has none. No proxy but
``proxy_url`` is used, whatever the environment names.
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from pathlib import Path
from typing import cast

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import (
    BuilderError,
    DetailedPyreqwestError,
    NetworkError,
    PoolTimeoutError,
    PyreqwestError,
    RequestTimeoutError,
)
from pyreqwest.proxy import ProxyBuilder
from pyreqwest.request import StreamRequest
from pyreqwest.response import Response

from ..errors import ProviderError
from ..values import Clock
from ..wire.http import ByteStream, Headers, HttpRequest, HttpResponse, HttpTimeouts
from ..wire.stored import StoredBytes
from .bodies import Body
from .failures import (
    KEEP_ALIVE,
    MALFORMED_REQUEST,
    USER_AGENT,
    body_timeout,
    check_proxy,
    connect_timeout,
    connection_error,
    cut,
    head_timeout,
    peer,
    undecodable,
)
from .loops import LoopClients
from .protocol import TransportOptions
from .substitute import Substitute

MAX_CLIENTS = 4
"""Clients of one loop, which differ in the limits that reqwest knows only by client."""


async def _close(clients: list[_LimitedClient]) -> None:
    for client in clients:
        await client.engine.close()


class PyreqwestTransport:
    """HTTP over pyreqwest. Raises ConfigurationError when ``options`` name a proxy or a ``ca_file`` it cannot use."""

    def __init__(self, options: TransportOptions, clock: Clock) -> None:
        check_proxy(options.proxy_url)
        self._options = options
        self._clock = clock
        self._clients: LoopClients[list[_LimitedClient]] = LoopClients(list)
        self._substitute = Substitute(options, clock, for_all=options.ca_file is not None)

    async def send(self, request: HttpRequest, timeouts: HttpTimeouts) -> HttpResponse:
        """The whole exchange, body included. Raises ProviderError."""
        if self._substitute.for_all or isinstance(request.body, StoredBytes):
            return await self._substitute.transport.send(request, timeouts)
        body = await self._open(request, timeouts)
        received_at = self._clock.now()
        try:
            content = await body.read_all(self._options.max_body)
        finally:
            if not body.ended:
                await body.aclose()
        return HttpResponse(body.status, body.headers, content, received_at)

    async def open(self, request: HttpRequest, timeouts: HttpTimeouts) -> ByteStream:
        """Until the response's head. Raises ProviderError."""
        if self._substitute.for_all or isinstance(request.body, StoredBytes):
            return await self._substitute.transport.open(request, timeouts)
        return await self._open(request, timeouts)

    async def aclose(self) -> None:
        """Close every connection, each in its own loop."""
        await self._substitute.aclose()
        await self._clients.close_all(_close)

    async def _open(self, request: HttpRequest, timeouts: HttpTimeouts) -> PyreqwestBody:
        loop = asyncio.get_running_loop()
        task = cast("asyncio.Task[object]", asyncio.current_task(loop))
        cancellations = task.cancelling()
        started = loop.time()
        exchange: StreamRequest | None = None
        try:
            exchange = self._build(request, timeouts)
            if _reaches(timeouts.first_byte, timeouts.idle):
                response = await exchange.__aenter__()
            else:
                async with asyncio.timeout(timeouts.first_byte):
                    response = await exchange.__aenter__()
            if task.cancelling() > cancellations:  # see the module's docstring
                raise asyncio.CancelledError
        except PyreqwestError as error:
            raise self._failure(error, request, timeouts) from None
        except TimeoutError:
            raise head_timeout(self._whom(request), timeouts.first_byte, timeouts.total) from None
        except (ValueError, TypeError):  # their texts repeat the header's value
            raise connection_error(self._whom(request), MALFORMED_REQUEST) from None
        except RuntimeError as error:  # pyreqwest's runtime does not survive a fork
            raise connection_error(self._whom(request), str(error)) from None
        except asyncio.CancelledError:
            if exchange is not None:
                await _abandon(exchange)
            raise
        return PyreqwestBody(exchange, response, request, timeouts, self._options, started)

    def _build(self, request: HttpRequest, timeouts: HttpTimeouts) -> StreamRequest:
        builder = self._client(timeouts).request(request.method, request.url).headers(request.headers)
        if timeouts.total is not None:
            builder = builder.timeout(timedelta(0, timeouts.total))
        if isinstance(request.body, bytes):
            builder = builder.body_bytes(request.body)
        return builder.streamed_read_buffer_limit(0).build_streamed()

    def _client(self, timeouts: HttpTimeouts) -> Client:
        """A client of the running loop whose limits suit ``timeouts``."""
        clients = self._clients.current()
        connect, silence, total = timeouts.connect, _longer(timeouts.first_byte, timeouts.idle), timeouts.total
        for client in clients:
            if (client.connect == connect or _neither_passes(client.connect, connect, total)) and (
                client.silence == silence or _neither_passes(client.silence, silence, total)
            ):
                return client.engine
        if len(clients) >= MAX_CLIENTS:
            clients.pop()  # not closed: calls under way keep it until they end
        client = _LimitedClient(self._options, connect, silence)
        clients.insert(0, client)
        return client.engine

    def _failure(self, error: PyreqwestError, request: HttpRequest, timeouts: HttpTimeouts) -> ProviderError:
        whom = self._whom(request)
        if isinstance(error, RequestTimeoutError):
            if isinstance(error, PoolTimeoutError) or "client error (Connect)" in _causes(error):
                return connect_timeout(whom, timeouts.connect)
            return head_timeout(whom, timeouts.first_byte, timeouts.total)
        return connection_error(whom, _reason(error))

    def _whom(self, request: HttpRequest) -> str:
        return peer(request.url, self._options.proxy_url)


class _LimitedClient:
    """A pyreqwest client, and the limits that it was built with."""

    __slots__ = ("connect", "engine", "silence")

    def __init__(self, options: TransportOptions, connect: float | None, silence: float | None) -> None:
        self.connect = connect
        self.silence = silence
        try:
            self.engine = _builder(options, connect, silence).build()
        except BuilderError:  # the machine has no authorities, as in a bare container
            self.engine = _builder(options, connect, silence).add_root_certificate_pem(_certifi()).build()


class PyreqwestBody(Body):
    """A body that reqwest reads and decompresses."""

    __slots__ = ("_exchange", "_idle", "_length", "_reader")

    def __init__(
        self,
        exchange: StreamRequest,
        response: Response,
        request: HttpRequest,
        timeouts: HttpTimeouts,
        options: TransportOptions,
        started: float,
    ) -> None:
        super().__init__(response.status, Headers(response.headers.items()), request, timeouts, options, started)
        self._exchange = exchange
        self._reader = response.body_reader
        length = self.headers.get("content-length", "")
        self._length = int(length) if length.isdecimal() else None
        self._idle = None if _reaches(timeouts.idle, timeouts.first_byte) else timeouts.idle
        """The idle limit, where it is not the client's."""

    async def read_chunk(self) -> bytes:
        """The next piece; ``b""`` at the end. Raises ProviderError."""
        if self.ended:
            return b""
        task = cast("asyncio.Task[object]", asyncio.current_task())
        cancellations = task.cancelling()
        try:
            if self._idle is None:
                piece = await self._reader.read_chunk()
            else:
                async with asyncio.timeout(self._idle):
                    piece = await self._reader.read_chunk()
        except PyreqwestError as error:
            raise self._failure(error) from None
        except TimeoutError:
            raise self._timeout() from None
        if task.cancelling() > cancellations:  # see the module's docstring
            raise asyncio.CancelledError
        if piece is None:
            self.ended = True
            return b""
        self._received += len(piece)
        if self._received > self._options.max_body:
            raise self._too_long()
        if self._received == self._length:
            self.ended = True  # no need to ask pyreqwest once more
        return piece.to_bytes()

    async def aclose(self) -> None:
        """Close the socket if the body has not ended. Idempotent."""
        if not self.ended:
            self.ended = True
            await self._exchange.__aexit__(None, None, None)

    def _timeout(self) -> ProviderError:
        elapsed = asyncio.get_running_loop().time() - self._started
        return body_timeout(self._whom(), self.status, self._timeouts.idle, self._timeouts.total, elapsed)

    def _failure(self, error: PyreqwestError) -> ProviderError:
        if isinstance(error, RequestTimeoutError):
            return self._timeout()
        if isinstance(error, NetworkError) or "error reading a body from connection" in _causes(error):
            return cut(self._whom(), self.status, _reason(error))
        return undecodable(self._whom(), self.status, _reason(error))


async def _abandon(exchange: StreamRequest) -> None:
    """Close the socket of a cancelled exchange, if its head came together with the cancellation."""
    with contextlib.suppress(RuntimeError):  # there is nothing to leave without a head
        await exchange.__aexit__(None, None, None)


def _builder(options: TransportOptions, connect: float | None, silence: float | None) -> ClientBuilder:
    # Only gzip and deflate are asked for, as from the other engine; `accept: */*` reqwest adds by itself.
    builder = ClientBuilder().no_proxy().follow_redirects(False).brotli(False).zstd(False).http1_lower_case_headers()
    builder = builder.user_agent(USER_AGENT).pool_idle_timeout(timedelta(seconds=KEEP_ALIVE))
    builder = builder.max_connections(options.max_connections)
    if options.proxy_url is not None:
        builder = builder.proxy(ProxyBuilder.all(options.proxy_url))
    if connect is not None:
        builder = builder.connect_timeout(timedelta(seconds=connect)).pool_timeout(timedelta(seconds=connect))
    if silence is not None:
        builder = builder.read_timeout(timedelta(seconds=silence))
    return builder


def _certifi() -> bytes:
    import certifi

    return Path(certifi.where()).read_bytes()


def _reaches(limit: float | None, other: float | None) -> bool:
    """Whether ``limit`` is at least as long as ``other``; None is for ever."""
    return limit is None or (other is not None and limit >= other)


def _longer(one: float | None, other: float | None) -> float | None:
    return one if one == other or _reaches(one, other) else other


def _neither_passes(one: float | None, other: float | None, total: float | None) -> bool:
    """Whether the total limit passes first, so that it does not matter which of the two holds."""
    return _reaches(one, total) and _reaches(other, total)


def _causes(error: PyreqwestError) -> list[str]:
    causes = error.details["causes"] if isinstance(error, DetailedPyreqwestError) else None
    return [cause["message"] for cause in causes or ()]


def _reason(error: PyreqwestError) -> str:
    """The deepest cause: the others repeat the whole URL."""
    causes = _causes(error)
    return causes[-1] if causes and "://" not in causes[-1] else error.message
