"""One client per running event loop: a connection belongs to the loop that opened it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

ClientT = TypeVar("ClientT")
PATIENCE = 1.0
"""Seconds to wait for other loops to close what is theirs."""


async def _closed(close: Callable[[ClientT], Awaitable[None]], client: ClientT) -> None:
    await close(client)


class LoopClients(Generic[ClientT]):
    """The clients of all loops that use a transport. Those of closed loops are forgotten when another loop comes.

    A weak dictionary would not do: a client's connections hold their loop, so no loop would ever be let go.
    """

    __slots__ = ("_clients", "_last", "_make")

    def __init__(self, make: Callable[[], ClientT]) -> None:
        self._make = make
        self._clients: dict[asyncio.AbstractEventLoop, ClientT] = {}
        self._last: tuple[asyncio.AbstractEventLoop, ClientT] | None = None
        """Who asked last, and what was given: mostly there is one loop."""

    def current(self) -> ClientT:
        """The running loop's client, made if there is none. Raises what making it raises."""
        loop, last = asyncio.get_running_loop(), self._last
        if last is not None and last[0] is loop:
            return last[1]
        known = self._clients.get(loop)
        if known is not None:
            self._last = (loop, known)
            return known
        for other in list(self._clients):  # a list: another thread's loop may be added meanwhile
            if other.is_closed():
                self._clients.pop(other, None)
        client = self._clients[loop] = self._make()
        return client

    async def close_all(self, close: Callable[[ClientT], Awaitable[None]]) -> None:
        """Forget the clients of all loops, and close each in the loop that it belongs to.

        A loop that is too busy to answer closes its own when it comes to it; it is not waited for.
        """
        self._last = None
        elsewhere: list[asyncio.Future[None]] = []
        running = asyncio.get_running_loop()
        own: ClientT | None = None
        for loop in list(self._clients):
            client = self._clients.pop(loop, None)
            if client is None or loop.is_closed():
                continue
            if loop is running:
                own = client
            elif loop.is_running():
                closing = asyncio.run_coroutine_threadsafe(_closed(close, client), loop)
                elsewhere.append(asyncio.wrap_future(closing))
        if own is not None:
            await close(own)
        if elsewhere:
            await asyncio.wait(elsewhere, timeout=PATIENCE)

    def __len__(self) -> int:
        return len(self._clients)
