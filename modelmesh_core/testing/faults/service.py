"""The thread, the event loop and the sockets of a FaultyProvider."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Protocol, cast

from .connection import Connection, Host

HOST = "127.0.0.1"
BACKLOG = 1024


class ServiceHost(Host, Protocol):
    """A Host that counts those who follow its redirect."""

    redirect_visits: int


class Service:
    """Listens from its making until ``stop``."""

    def __init__(self, host: ServiceHost, *, listens: bool) -> None:
        self._host = host
        self._listens = listens
        self._socket = _bound(0)
        self._trap = _bound(0)
        self._server: asyncio.Server | None = None
        self.port = int(self._socket.getsockname()[1])
        self.redirect_url = f"http://{HOST}:{self._trap.getsockname()[1]}/v1/chat/completions"
        self._loop = asyncio.SelectorEventLoop()
        self._stopping = asyncio.Event()
        ready = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(ready,), name=f"faulty-provider-{self.port}", daemon=True
        )
        self._thread.start()
        ready.wait()

    def listen(self, wanted: bool) -> None:
        """Listen or not; returns when it is so."""
        asyncio.run_coroutine_threadsafe(self._listen(wanted), self._loop).result()

    def stop(self) -> None:
        """Close everything; returns when it is so."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def _run(self, ready: threading.Event) -> None:
        # A selector loop of our own, whatever the policy: only its sockets can be told to reset.
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve(ready))
        finally:
            ready.set()  # whoever waits for the start does not wait for ever

    async def _serve(self, ready: threading.Event) -> None:
        trap = await self._loop.create_server(lambda: _Trap(self._host), sock=self._trap)
        await self._listen(self._listens)
        ready.set()
        await self._stopping.wait()
        await self._listen(False)
        trap.close()
        self._socket.close()

    async def _listen(self, wanted: bool) -> None:
        if wanted and self._server is None:
            self._server = await self._loop.create_server(
                lambda: Connection(self._host), sock=self._socket, backlog=BACKLOG
            )
        elif not wanted and self._server is not None:
            self._server.close()
            self._server = None
            # Bound and not listening: connections are refused, and nobody else gets the port meanwhile.
            self._socket = _bound(self.port)
            await self._reset_all()

    async def _reset_all(self) -> None:
        # What was accepted last takes the loop some turns to become a connection.
        turns = 5
        while turns > 0 or self._host.connections:
            for connection in list(self._host.connections):
                connection.reset()
            await asyncio.sleep(0)
            turns -= 1


class _Trap(asyncio.Protocol):
    def __init__(self, host: ServiceHost) -> None:
        self._host = host

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._host.redirect_visits += 1
        cast(asyncio.Transport, transport).abort()


def _bound(port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((HOST, port))
    return bound
