"""The default engine: httpx, with limits and errors as the protocol wants them.

It is driven through ``httpx.AsyncHTTPTransport`` rather than ``httpx.AsyncClient``, which would add cookies, redirects
and authentication that nobody asked for; what mocks httpx at its transport or below mocks this engine as well.
Nothing is taken from the environment: no proxy but ``proxy_url``, and as authorities those of ``ca_file``, or else
certifi's, which come with httpx.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import Mapping
from typing import Any, cast

import httpx

from ..errors import ProviderError
from ..values import Clock
from ..wire.http import Headers, HttpRequest, HttpResponse, HttpTimeouts
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
    reason_of,
    undecodable,
    unreadable_ca_file,
)
from .httpx_pool import HttpxPool
from .loops import LoopClients
from .protocol import TransportOptions

DEFAULT_HEADERS = {"accept": "*/*", "accept-encoding": "gzip, deflate", "user-agent": USER_AGENT}


class HttpxTransport:
    """HTTP over httpx. Raises ConfigurationError when ``options`` name a proxy or a ``ca_file`` it cannot use.

    httpx's own time-outs are off: they restart with every read, so that a dripping head would never end, and they
    allow the connect limit twice, for TCP and for TLS. One ``asyncio.timeout`` moves through the phases instead.
    Waiting for a free connection counts as connecting.
    """

    def __init__(self, options: TransportOptions, clock: Clock) -> None:
        check_proxy(options.proxy_url)
        self._options = options
        self._clock = clock
        self._trust = _trust(options.ca_file)
        self._pools = LoopClients(self._make_pool)

    def _make_pool(self) -> HttpxPool:
        # The trust is made here, before any limit begins: its tens of milliseconds are no fault of the server's.
        trust = self._trust = self._trust or httpx.create_ssl_context(trust_env=False)
        limits = httpx.Limits(keepalive_expiry=KEEP_ALIVE)

        def make() -> httpx.AsyncHTTPTransport:
            return httpx.AsyncHTTPTransport(trust, limits=limits, proxy=self._options.proxy_url)

        return HttpxPool(make, self._options.max_connections, KEEP_ALIVE)

    async def send(self, request: HttpRequest, timeouts: HttpTimeouts) -> HttpResponse:
        """The whole exchange, body included. Raises ProviderError."""
        body = await self.open(request, timeouts)
        received_at = self._clock.now()
        try:
            content = await body.read_all(self._options.max_body)
        finally:
            await body.aclose()
        return HttpResponse(body.status, body.headers, content, received_at)

    async def open(self, request: HttpRequest, timeouts: HttpTimeouts) -> HttpxBody:
        """Until the response's head. Raises ProviderError."""
        pool = self._pools.current()
        phase = _Phase(asyncio.get_running_loop(), timeouts)
        handled = sys.exception()
        try:
            async with phase.limit:
                response, transport = await _exchange(pool, request, phase)
        except TimeoutError:
            raise phase.failure(peer(request.url, self._options.proxy_url)) from None
        except Exception as error:
            raise connection_error(peer(request.url, self._options.proxy_url), _reason(error, handled)) from None
        return HttpxBody(response, pool, transport, request, timeouts, self._options, phase.started)

    async def aclose(self) -> None:
        """Close every connection, each in its own loop."""
        await self._pools.close_all(HttpxPool.aclose)


async def _exchange(
    pool: HttpxPool, request: HttpRequest, phase: _Phase
) -> tuple[httpx.Response, httpx.AsyncHTTPTransport]:
    """The head of the response, and the transport that holds its connection."""
    transport = await pool.take()
    try:
        return await transport.handle_async_request(_build(request, phase)), transport
    except BaseException:
        try:
            await phase.close_socket()
        finally:
            await pool.drop(transport)
        raise


class _Phase:
    """The limit on the part of the exchange that is under way: first connecting, then waiting for the head."""

    __slots__ = ("_deadline", "_sending", "_socket", "_timeouts", "limit", "started")

    def __init__(self, loop: asyncio.AbstractEventLoop, timeouts: HttpTimeouts) -> None:
        self._timeouts = timeouts
        self.started = loop.time()
        self._deadline = _after(self.started, timeouts.total)
        self._sending = False
        self._socket: Any = None
        self.limit = asyncio.timeout_at(_earlier(_after(self.started, timeouts.connect), self._deadline))

    async def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Called by httpx at each step: the first-byte limit begins when the connection stands."""
        # A proxy's CONNECT is sent in the same way, but is still a part of connecting.
        if event == "http11.send_request_headers.started" and info["request"].method != b"CONNECT":
            self._sending = True
            first_byte = _after(asyncio.get_running_loop().time(), self._timeouts.first_byte)
            self.limit.reschedule(_earlier(first_byte, self._deadline))

        elif event == "connection.connect_tcp.complete":
            self._socket = info["return_value"]

    async def close_socket(self) -> None:
        """Close the connection if it was new: cancelled in a TLS handshake, httpcore would forget it."""
        if self._socket is not None:
            await self._socket.aclose()

    def failure(self, whom: str) -> ProviderError:
        """That the limit passed."""
        connect, total = self._timeouts.connect, self._timeouts.total
        if self._sending or connect is None or (total is not None and total < connect):
            return head_timeout(whom, self._timeouts.first_byte if self._sending else None, total)
        return connect_timeout(whom, connect)


class HttpxBody(Body):
    """A body that httpx reads and decompresses."""

    __slots__ = ("_pieces", "_pool", "_response", "_transport")

    def __init__(
        self,
        response: httpx.Response,
        pool: HttpxPool,
        transport: httpx.AsyncHTTPTransport,
        request: HttpRequest,
        timeouts: HttpTimeouts,
        options: TransportOptions,
        started: float,
    ) -> None:
        super().__init__(response.status_code, _headers(response), request, timeouts, options, started)
        self._response = response
        self._pool = pool
        self._transport = transport
        self._pieces = response.aiter_bytes()

    async def read_chunk(self) -> bytes:
        """The next piece; ``b""`` at the end. Raises ProviderError."""
        if self.ended:
            return b""
        loop = asyncio.get_running_loop()
        idle, total = self._timeouts.idle, self._timeouts.total
        handled = sys.exception()
        try:
            async with asyncio.timeout_at(_earlier(_after(loop.time(), idle), _after(self._started, total))):
                piece = await anext(self._pieces, b"")
        except TimeoutError:
            raise body_timeout(self._whom(), self.status, idle, total, loop.time() - self._started) from None
        except httpx.DecodingError as error:
            raise undecodable(self._whom(), self.status, str(error)) from None
        except Exception as error:
            raise cut(self._whom(), self.status, _reason(error, handled)) from None
        if not piece:
            await self.aclose()
            return b""
        self._received += len(piece)
        if self._received > self._options.max_body:
            raise self._too_long()
        return piece

    async def aclose(self) -> None:
        """Close the socket if the body has not ended; give its transport back. Idempotent."""
        if not self.ended:
            self.ended = True
            try:
                await self._response.aclose()
            finally:
                await self._pool.give_back(self._transport)


def _trust(ca_file: str | None) -> ssl.SSLContext | None:
    """Trust in ``ca_file`` alone; None for httpx's own, which is slow to make and is therefore made when needed."""
    if ca_file is None:
        return None
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise unreadable_ca_file(ca_file, error.strerror) from None


def _build(request: HttpRequest, phase: _Phase) -> httpx.Request:
    body, headers = request.body, {**DEFAULT_HEADERS, **request.headers}
    if isinstance(body, StoredBytes):
        headers["content-length"] = str(len(body))
    return httpx.Request(
        request.method,
        request.url,
        headers=headers,
        content=body,
        extensions={"trace": phase.trace},
    )


def _headers(response: httpx.Response) -> Headers:
    items = response.headers.multi_items()
    if "content-encoding" in response.headers:  # these two describe what was sent, not what the reader gets
        items = [(name, value) for name, value in items if name not in ("content-encoding", "content-length")]
    return Headers(items)


def _after(moment: float, seconds: float | None) -> float | None:
    return None if seconds is None else moment + seconds


def _earlier(first: float | None, second: float | None) -> float | None:
    return first if second is None or (first is not None and first < second) else second


def _reason(error: BaseException, handled: BaseException | None) -> str:
    """What lies at the bottom of ``error``, in words that hold no secret.

    httpx tells of a refused connection only that all attempts failed, and of a header that cannot be sent its value.
    """
    bottom = _bottom(error, handled)
    if isinstance(bottom, OSError):
        return reason_of(bottom)
    if isinstance(error, (httpx.RemoteProtocolError, httpx.ProxyError)):
        return str(error)
    if isinstance(error, (httpx.LocalProtocolError, httpx.UnsupportedProtocol, httpx.InvalidURL, ValueError)):
        return MALFORMED_REQUEST
    return type(bottom).__name__


def _bottom(error: BaseException, handled: BaseException | None) -> BaseException:
    """The first error of a chain, but never ``handled``: what the caller was handling when the exchange began."""
    if isinstance(error, BaseExceptionGroup):  # one member for each address that was tried
        return _bottom(cast("BaseExceptionGroup[BaseException]", error).exceptions[0], handled)
    below = error.__cause__ or error.__context__  # the context too, since httpcore raises its errors `from None`
    return error if below is None or below is handled else _bottom(below, handled)
