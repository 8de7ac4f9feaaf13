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

    __slots__ = ("_clients", "_make")

    def __init__(self, make: Callable[[], ClientT]) -> None:
        self._make = make
        self._clients: dict[asyncio.AbstractEventLoop, ClientT] = {}

    def current(self) -> ClientT:
        """The running loop's client, made if there is none. Raises what making it raises."""
        loop = asyncio.get_running_loop()
        try:
            return self._clients[loop]
        except KeyError:
            pass  # made below, so that an error in making it has no KeyError as its context
        for known in list(self._clients):  # a list: another thread's loop may be added meanwhile
            if known.is_closed():
                self._clients.pop(known, None)
        client = self._clients[loop] = self._make()
        return client

    async def close_all(self, close: Callable[[ClientT], Awaitable[None]]) -> None:
        """Forget the clients of all loops, and close each in the loop that it belongs to.

        A loop that is too busy to answer closes its own when it comes to it; it is not waited for.
        """
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
