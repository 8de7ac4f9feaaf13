"""The engine in the event loop: asyncio's (or uvloop's) sockets and the parser httptools, and no thread.

Importing this module raises ImportError without httptools. HTTP/1.1 only. An exchange over a kept connection costs one
future, one write, and as a rule one read; a cancelled call closes its socket at once, at whatever point it is.

- Nothing is sent twice. A kept connection that has ended, or has bytes that nobody asked for, is not used again: the
  loop has seen it meanwhile, or its socket is asked. One that ends under the request is a failure, since the server may
  have begun to work.
- Without a ``ca_file`` the authorities are the machine's, and certifi's where the machine has none.
- Through a proxy every call is made by the httpx engine instead, and so is every one whose body lies on disk.
- A limit on reading counts from the moment that the request is handed to the socket.
"""

from __future__ import annotations

import asyncio
import ssl

from ..errors import ProviderError
from ..values import Clock
from ..wire.http import ByteStream, Headers, HttpRequest, HttpResponse, HttpTimeouts
from ..wire.stored import StoredBytes
from .bodies import Body
from .failures import (
    KEEP_ALIVE,
    MALFORMED_REQUEST,
    body_timeout,
    check_proxy,
    connect_timeout,
    connection_error,
    cut,
    head_timeout,
    peer,
    reason_of,
    too_long,
    undecodable,
    unreadable_ca_file,
)
from .httptools_connection import HttptoolsConnection
from .httptools_pool import HttptoolsPool
from .inflation import Inflater
from .loops import LoopClients
from .protocol import TransportOptions
from .request_heads import Address, head_of
from .substitute import Substitute


class HttptoolsTransport:
    """HTTP over httptools. Raises ConfigurationError when ``options`` name a proxy or a ``ca_file`` it cannot use."""

    def __init__(self, options: TransportOptions, clock: Clock) -> None:
        check_proxy(options.proxy_url)
        self._options = options
        self._clock = clock
        self._trust = _trust(options.ca_file)
        self._pools = LoopClients(self._make_pool)
        self._substitute = Substitute(options, clock, for_all=options.proxy_url is not None)

    async def send(self, request: HttpRequest, timeouts: HttpTimeouts) -> HttpResponse:
        """The whole exchange, body included. Raises ProviderError."""
        body = request.body
        if self._substitute.for_all or isinstance(body, StoredBytes):
            return await self._substitute.transport.send(request, timeouts)
        pool, connection, headers, started = await self._exchange(request, body, timeouts, True)
        received_at = self._clock.now()
        status = connection.status
        if connection.complete and connection.coding is None:
            content = connection.take()
            pool.give_back(connection)
            return HttpResponse(status, headers, content, received_at)
        answer = HttptoolsBody(connection, pool, headers, request, timeouts, self._options, started)
        try:
            content = await answer.read_all(self._options.max_body)
        finally:
            await answer.aclose()
        return HttpResponse(status, answer.headers, content, received_at)

    async def open(self, request: HttpRequest, timeouts: HttpTimeouts) -> ByteStream:
        """Until the response's head. Raises ProviderError."""
        body = request.body
        if self._substitute.for_all or isinstance(body, StoredBytes):
            return await self._substitute.transport.open(request, timeouts)
        pool, connection, headers, started = await self._exchange(request, body, timeouts, False)
        return HttptoolsBody(connection, pool, headers, request, timeouts, self._options, started)

    async def aclose(self) -> None:
        """Close every connection, each in its own loop."""
        await self._substitute.aclose()
        await self._pools.close_all(_close)

    def _make_pool(self) -> HttptoolsPool:
        return HttptoolsPool(asyncio.get_running_loop(), self._options.max_connections, KEEP_ALIVE)

    async def _exchange(
        self, request: HttpRequest, body: bytes | None, timeouts: HttpTimeouts, whole: bool
    ) -> tuple[HttptoolsPool, HttptoolsConnection, Headers, float]:
        """Until the response's head, or with ``whole`` its end, if it is not compressed. Raises ProviderError."""
        try:
            address, head = head_of(request)
        except (ValueError, TypeError):  # their texts may repeat a header's value
            raise connection_error(peer(request.url, None), MALFORMED_REQUEST) from None
        pool = self._pools.current()
        connection = pool.take(address.origin)
        loop = pool.loop
        if connection is None:
            # The trust is made before any limit begins: its tens of milliseconds are no fault of the server's.
            trust = self._authorities() if address.origin[0] else None
            started = loop.time()
            connection = await self._connect(pool, request, address, trust, timeouts, started)
            sent = loop.time()
        else:
            started = sent = loop.time()
        total_at = None if timeouts.total is None else started + timeouts.total
        headers: Headers | None = None
        try:
            connection.ask(
                head,
                body,
                request.method,
                whole=whole,
                limit=self._options.max_body,
                idle=timeouts.idle,
                total_at=total_at,
            )
            await connection.wait(_earlier(_after(sent, timeouts.first_byte), total_at))
            headers = connection.headers
            if headers is None or (whole and connection.broken is not None):
                raise self._failure(connection, request, timeouts, started)
            return pool, connection, headers, started
        except BaseException:
            connection.abort("the call has ended")
            pool.give_back(connection)
            raise

    async def _connect(
        self,
        pool: HttptoolsPool,
        request: HttpRequest,
        address: Address,
        trust: ssl.SSLContext | None,
        timeouts: HttpTimeouts,
        started: float,
    ) -> HttptoolsConnection:
        connect, total = timeouts.connect, timeouts.total
        limit = asyncio.timeout_at(_earlier(_after(started, connect), _after(started, total)))
        try:
            async with limit:
                return await pool.connect(address.origin, trust)
        except (OSError, ValueError) as error:  # a TimeoutError may be the limit's, or the system's own
            whom = peer(request.url, None)
            if not (isinstance(error, TimeoutError) and limit.expired()):
                reason = reason_of(error) if isinstance(error, OSError) else MALFORMED_REQUEST
                raise connection_error(whom, reason) from None
            if connect is None or (total is not None and total < connect):
                raise head_timeout(whom, None, total) from None
            raise connect_timeout(whom, connect) from None

    def _failure(
        self, connection: HttptoolsConnection, request: HttpRequest, timeouts: HttpTimeouts, started: float
    ) -> ProviderError:
        whom, status = peer(request.url, None), connection.status
        if connection.too_long:
            return too_long(whom, status, self._options.max_body, self._options.max_body)
        if connection.headers is None:
            if connection.expired:
                return head_timeout(whom, timeouts.first_byte, timeouts.total)
            return connection_error(whom, connection.broken or "it has no head")
        return _body_failure(connection, whom, timeouts, started)

    def _authorities(self) -> ssl.SSLContext:
        if self._trust is None:
            trust = ssl.create_default_context()
            if not trust.cert_store_stats()["x509_ca"]:
                import certifi

                trust.load_verify_locations(certifi.where())
            self._trust = _for_http(trust)
        return self._trust


class HttptoolsBody(Body):
    """A body that is read as it comes, and unpacked here."""

    __slots__ = ("_coding", "_connection", "_inflater", "_pool")

    def __init__(
        self,
        connection: HttptoolsConnection,
        pool: HttptoolsPool,
        headers: Headers,
        request: HttpRequest,
        timeouts: HttpTimeouts,
        options: TransportOptions,
        started: float,
    ) -> None:
        coding = connection.coding
        if coding is not None:  # these two describe what was sent, not what the reader gets
            items = headers.items()
            headers = Headers([item for item in items if item[0] not in ("content-encoding", "content-length")])
            coding = coding.strip().lower()
        super().__init__(connection.status, headers, request, timeouts, options, started)
        self._connection = connection
        self._pool = pool
        self._coding = None if coding in ("", "identity") else coding
        self._inflater: Inflater | None = None

    async def read_chunk(self) -> bytes:
        """The next piece; ``b""`` at the end. Raises ProviderError."""
        connection = self._connection
        while not self.ended:
            piece = self._next()
            if piece:
                self._received += len(piece)
                if self._received > self._options.max_body:
                    raise self._too_long()
                return piece
            if self.ended:
                break
            if connection.broken is not None:
                raise _body_failure(connection, self._whom(), self._timeouts, self._started)
            await connection.wait(connection.idle_deadline())
            if self._received:
                await connection.rest()
        return b""

    def _next(self) -> bytes:
        """What can be handed over now. Gives the connection back as soon as it is known to be all."""
        connection = self._connection
        data = connection.take()
        if self._coding is None:
            if connection.complete:
                self._end()
            return data
        try:
            if self._inflater is None:
                if not data:
                    if connection.complete:
                        self._end()
                    return b""
                self._inflater = Inflater(self._coding)
            if data:
                self._inflater.feed(data)
            piece = self._inflater.read()
        except ValueError as error:
            raise undecodable(self._whom(), self.status, str(error)) from None
        if not piece and connection.complete:
            if not self._inflater.is_whole():
                raise cut(self._whom(), self.status, "its compressed data has no end")
            self._end()
        return piece

    def _end(self) -> None:
        self.ended = True
        self._pool.give_back(self._connection)

    async def aclose(self) -> None:
        """Close the socket if the body has not ended. Idempotent."""
        if not self.ended:
            if not self._connection.complete:
                self._connection.abort("the body was not read")
            self._end()


def _body_failure(connection: HttptoolsConnection, whom: str, timeouts: HttpTimeouts, started: float) -> ProviderError:
    if connection.expired:
        elapsed = asyncio.get_running_loop().time() - started
        return body_timeout(whom, connection.status, timeouts.idle, timeouts.total, elapsed)
    return cut(whom, connection.status, connection.broken or "the connection was closed")


async def _close(pool: HttptoolsPool) -> None:
    pool.aclose()
    await asyncio.sleep(0)  # asyncio closes the sockets in its next round


def _trust(ca_file: str | None) -> ssl.SSLContext | None:
    """Trust in ``ca_file`` alone; None for the default authorities, which are slow to load and wait until needed."""
    if ca_file is None:
        return None
    try:
        return _for_http(ssl.create_default_context(cafile=ca_file))
    except OSError as error:
        raise unreadable_ca_file(ca_file, error.strerror) from None


def _for_http(trust: ssl.SSLContext) -> ssl.SSLContext:
    trust.set_alpn_protocols(["http/1.1"])
    return trust


def _after(moment: float, seconds: float | None) -> float | None:
    return None if seconds is None else moment + seconds


def _earlier(first: float | None, second: float | None) -> float | None:
    return first if second is None or (first is not None and first < second) else second
