"""The gateway's HTTP server: a listening socket and its connections. Imported only when a server starts."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from ..transport.outbox import Outbox
from .app import GatewayApp
from .http_connection import HttpConnection
from .limits import GatewayLimits

BACKLOG = 2048
PATIENCE = 1.0
"""Seconds until connections that do not close by themselves are closed at the end."""


class HttpServer:
    """Serves ``app`` on ``listener``. Signals are the caller's business."""

    def __init__(
        self, app: GatewayApp, listener: socket.socket, limits: GatewayLimits, when_listening: Callable[[], object]
    ) -> None:
        self._app = app
        self._listener = listener
        self._limits = limits
        self._when_listening = when_listening
        self._told_to_stop = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._connections: set[HttpConnection] = set()

    async def run(self) -> None:
        """Serve until ``stop``; then close every connection, those with a request under way after its answer."""
        loop = asyncio.get_running_loop()
        outbox = Outbox(loop)

        def connection() -> HttpConnection:
            return HttpConnection(self._app.serve, loop, self._limits, self._connections, outbox)

        self._server = await loop.create_server(connection, sock=self._listener, backlog=BACKLOG)
        self._when_listening()
        await self._told_to_stop.wait()
        self._server.close()
        for one in list(self._connections):
            one.finish()
        for _ in range(round(PATIENCE / 0.02)):
            if not self._connections:
                break
            await asyncio.sleep(0.02)
        for one in list(self._connections):
            one.abort()
        await asyncio.sleep(0)

    def stop_listening(self) -> None:
        """Take no new connections; those that stand go on."""
        if self._server is not None:
            self._server.close()

    def stop(self) -> None:
        """End ``run``."""
        self._told_to_stop.set()
