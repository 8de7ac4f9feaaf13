"""The connections of one loop for the httpx engine: many small httpx transports, each used by one exchange at a time.

httpcore's own pool looks at every connection it has, twice a call, with a system call for each that is idle and a list
of them all besides: with 32 connections a call takes seven times as long as with one. Here a call takes the transport
that was used last, and the others cost it nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import httpx


class HttpxPool:
    """Hands out transports. At most ``max_connections`` are out at a time; who comes then waits."""

    def __init__(self, make: Callable[[], httpx.AsyncHTTPTransport], max_connections: int | None, keep: float) -> None:
        self._make = make
        self._keep = keep
        """Seconds that a transport stays unused before it is closed."""
        self._places = None if max_connections is None else asyncio.Semaphore(max_connections)
        self._idle: deque[tuple[float, httpx.AsyncHTTPTransport]] = deque()
        """Since when, by the loop's clock; the last one used is at the right."""
        self._busy: set[httpx.AsyncHTTPTransport] = set()
        self._closed = False

    async def take(self) -> httpx.AsyncHTTPTransport:
        """A transport for one exchange, to be given back or dropped."""
        if self._places is not None:
            await self._places.acquire()
        try:
            transport = self._idle.pop()[1] if self._idle else self._make()
        except BaseException:
            self._leave()
            raise
        self._busy.add(transport)
        return transport

    async def give_back(self, transport: httpx.AsyncHTTPTransport) -> None:
        """For the next exchange. Closes those that have not been used for long."""
        if self._closed:
            return await self.drop(transport)
        self._busy.discard(transport)
        self._leave()
        now = asyncio.get_running_loop().time()
        self._idle.append((now, transport))
        while self._idle and self._idle[0][0] < now - self._keep:
            await self._idle.popleft()[1].aclose()
        return None

    async def drop(self, transport: httpx.AsyncHTTPTransport) -> None:
        """After a failure."""
        self._busy.discard(transport)
        self._leave()
        await transport.aclose()

    async def aclose(self) -> None:
        """Close every connection, those in use too."""
        self._closed = True
        transports = [*(transport for _, transport in self._idle), *self._busy]
        self._idle.clear()
        for transport in transports:
            await transport.aclose()

    def _leave(self) -> None:
        if self._places is not None:
            self._places.release()
