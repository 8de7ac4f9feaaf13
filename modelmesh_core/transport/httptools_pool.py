"""The connections of one loop for the httptools engine, and how new ones come to stand."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import Callable, Iterable
from itertools import chain, zip_longest
from socket import AF_INET6, SOCK_STREAM, AddressFamily, SocketKind, socket
from typing import Any

from .httptools_connection import HttptoolsConnection
from .outbox import Outbox
from .turns import Turns

Origin = tuple[bool, str, int]
AddressInfo = tuple[AddressFamily, SocketKind, int, str, Any]
STAGGER = 0.25
"""Seconds after which the next address of a host is tried beside those that have not answered (RFC 8305)."""
SEEN = 0.1
"""Seconds for which a connection counts as seen by the loop itself, which tells of an end in each of its rounds. A loop
that has not turned for longer may not know of it yet."""
NO_LIMIT = 3600.0
"""Seconds for a TLS handshake, whose own limit is not wanted: the connect limit holds for all of connecting."""


class HttptoolsPool:
    """Hands out connections: the one used last first. At most ``max_connections`` are out; who comes then waits.

    A place is taken before a connection is: one that waits for a place is served in the order of coming.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, max_connections: int | None, keep: float) -> None:
        self.loop = loop
        self._max = max_connections
        self._keep = keep
        """Seconds that a connection stays unused before it is closed."""
        self._turns = Turns()
        self._outbox = Outbox(loop)
        self._places = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._busy: set[HttptoolsConnection] = set()
        self._idle: dict[Origin, deque[HttptoolsConnection]] = {}
        self._sweeping: asyncio.TimerHandle | None = None
        self.closed = False

    def take(self, origin: Origin) -> HttptoolsConnection | None:
        """A kept connection and a place, if there are both at once."""
        if self._max is not None and self._places >= self._max:
            return None
        connection = self._kept(origin)
        if connection is not None:
            self._places += 1
        return connection

    async def connect(self, origin: Origin, trust: ssl.SSLContext | None) -> HttptoolsConnection:
        """A connection to ``origin``, when there is a place for it. Raises OSError or ValueError."""
        await self._place()
        try:
            connection = self._kept(origin)
            if connection is None:
                self._make_room()
                connection = await _connected(self.loop, origin, trust, self._turns, self._outbox)
                self._busy.add(connection)
            if self.closed:
                connection.abort("the transport was closed")
            return connection
        except BaseException:
            self._leave()
            raise

    def give_back(self, connection: HttptoolsConnection) -> None:
        """After an exchange, whatever became of it: it is kept if it can be used again."""
        self._busy.discard(connection)
        if connection.reset() and not self.closed:
            connection.idle_since, connection.idle_round = self.loop.time(), self._outbox.rounds
            idle = self._idle.get(connection.origin)
            if idle is None:
                idle = self._idle[connection.origin] = deque()
            idle.append(connection)
            if self._sweeping is None:
                self._sweeping = self.loop.call_later(self._keep, self._sweep)
        else:
            connection.abort("the connection is not used again")
        self._leave()

    def aclose(self) -> None:
        """Close every connection, those in use too."""
        self.closed = True
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        for connection in [*chain.from_iterable(self._idle.values()), *self._busy]:
            connection.abort("the transport was closed")
        self._idle.clear()

    def _kept(self, origin: Origin) -> HttptoolsConnection | None:
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            unused = self.loop.time() - connection.idle_since
            was_seen = unused < SEEN and connection.idle_round != self._outbox.rounds
            if unused < self._keep and not connection.closed and (was_seen or connection.is_quiet()):
                self._busy.add(connection)
                return connection
            connection.abort("the connection is not used again")
        return None

    async def _place(self) -> None:
        if self._max is None or self._places < self._max:
            self._places += 1
            return
        waiter = self.loop.create_future()
        self._waiting.append(waiter)
        try:
            await waiter
        except BaseException:
            if waiter.done() and not waiter.cancelled():
                self._leave()  # it was given a place in the same moment
            else:
                with contextlib.suppress(ValueError):
                    self._waiting.remove(waiter)
            raise

    def _leave(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)  # the place is its own now
                return
        self._places -= 1

    def _make_room(self) -> None:
        """Close the connection unused for longest, where those kept for other origins fill the limit."""
        kept = [idle for idle in self._idle.values() if idle]
        if self._max is not None and kept and self._places + sum(map(len, kept)) > self._max:
            oldest = min(kept, key=lambda idle: idle[0].idle_since)
            oldest.popleft().abort("the connection is not used again")

    def _sweep(self) -> None:
        """Close what has not been used for long, and forget what is closed."""
        self._sweeping = None
        now = self.loop.time()
        for origin, idle in list(self._idle.items()):
            while idle and (idle[0].closed or idle[0].idle_since + self._keep <= now + 0.001):
                idle.popleft().abort("the connection is not used again")
            if not idle:
                del self._idle[origin]
        oldest = min((idle[0].idle_since for idle in self._idle.values()), default=None)
        if oldest is not None:
            self._sweeping = self.loop.call_at(oldest + self._keep, self._sweep)


async def _connected(
    loop: asyncio.AbstractEventLoop, origin: Origin, trust: ssl.SSLContext | None, turns: Turns, outbox: Outbox
) -> HttptoolsConnection:
    _, host, port = origin
    connection = HttptoolsConnection(loop, origin, turns, outbox)
    opened = await _open_socket(loop, host, port)
    try:
        tls: dict[str, Any] = {}
        if trust is not None:
            tls = {"ssl": trust, "server_hostname": host, "ssl_handshake_timeout": NO_LIMIT}
        await loop.create_connection(_giving(connection), sock=opened, **tls)
    except BaseException:
        connection.abort("the connection does not stand")
        opened.close()
        raise
    return connection


def _giving(connection: HttptoolsConnection) -> Callable[[], HttptoolsConnection]:
    return lambda: connection


async def _open_socket(loop: asyncio.AbstractEventLoop, host: str, port: int) -> socket:
    """A socket to the first address of ``host`` that answers. Raises OSError."""
    addresses = _interleaved(await _resolve(loop, host, port))
    if len(addresses) == 1:
        return await _open_one(loop, addresses[0])
    attempts: set[asyncio.Task[socket]] = set()
    failure: OSError = OSError("the host has no address")
    try:
        while addresses or attempts:
            if addresses:
                attempts.add(loop.create_task(_open_one(loop, addresses.pop(0))))
            done, _ = await asyncio.wait(
                attempts, timeout=STAGGER if addresses else None, return_when=asyncio.FIRST_COMPLETED
            )
            for attempt in done:
                attempts.discard(attempt)
                error = attempt.exception()
                if error is None:
                    return attempt.result()
                if not isinstance(error, OSError):
                    raise error
                failure = error
        raise failure
    finally:
        for attempt in attempts:
            attempt.add_done_callback(_close_opened)
            attempt.cancel()


async def _resolve(loop: asyncio.AbstractEventLoop, host: str, port: int) -> Iterable[AddressInfo]:
    return await loop.getaddrinfo(host, port, type=SOCK_STREAM)


async def _open_one(loop: asyncio.AbstractEventLoop, address: AddressInfo) -> socket:
    family, kind, protocol, _, where = address
    opened = socket(family, kind, protocol)
    try:
        opened.setblocking(False)
        await loop.sock_connect(opened, where)
    except BaseException:
        opened.close()
        raise
    return opened


def _close_opened(attempt: asyncio.Task[socket]) -> None:
    """Of an attempt that lost."""
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().close()


def _interleaved(addresses: Iterable[AddressInfo]) -> list[AddressInfo]:
    """Both families in turn, the first one first."""
    known = list(addresses)
    newer = [address for address in known if address[0] == AF_INET6]
    older = [address for address in known if address[0] != AF_INET6]
    first, second = (newer, older) if known and known[0][0] == AF_INET6 else (older, newer)
    return [address for pair in zip_longest(first, second) for address in pair if address is not None]
