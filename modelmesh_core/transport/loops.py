"""One client per running event loop: a connection belongs to the loop that opened it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

ClientT = TypeVar("ClientT")


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

    def pop_current(self) -> ClientT | None:
        """The running loop's client, which the caller now closes."""
        return self._clients.pop(asyncio.get_running_loop(), None)

    def __len__(self) -> int:
        return len(self._clients)
