"""uvicorn, with the patience for slow callers that it lacks. Imported only when a server starts."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import orjson
import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from .app import GatewayApp
from .exchange import CONNECTION
from .limits import GatewayLimits
from .refusals import Refusal

MAX_HEAD = 64 * 1024
"""Bytes of a request's line and headers."""
BACKLOG = 2048


class GuardedConnection(asyncio.Protocol):
    """Mixed into uvicorn's protocol: closes connections whose callers send no whole head, or stop reading.

    uvicorn itself limits neither, and answers what is no HTTP in plain text.
    """

    limits = GatewayLimits()
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    cycle: Any
    """The exchange under way; None before the first."""
    scope: Any
    when_lost: Callable[[], object] | None = None
    """See ``exchange.Connection``."""

    @property
    def is_lost(self) -> bool:
        return self.transport.is_closing()

    @property
    def has_whole_body(self) -> bool:
        return not self.cycle.more_body

    def on_message_begin(self) -> None:
        """What httptools calls for a new request."""
        super().on_message_begin()  # type: ignore[misc]  (of the protocol that this is mixed into)
        self.scope[CONNECTION] = self

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._head_size = 0
        self._stall: asyncio.TimerHandle | None = None
        self._wait: asyncio.TimerHandle | None = None
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._wait, self._stall):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)
        if self.when_lost is not None:
            self.when_lost()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            if self._wait is not None:
                self._wait.cancel()
                self._wait = None
            self._head_size = 0
            return
        self._head_size += len(data)
        if self._head_size > MAX_HEAD:
            self._refuse(Refusal(431, f"the request's headers are larger than {MAX_HEAD} bytes"))
        elif self._wait is None:
            self._expect_head()

    def _expect_head(self) -> None:
        self._wait = self.loop.call_later(self.limits.head, self.transport.close)

    def send_400_response(self, msg: str) -> None:
        """What uvicorn calls for a request that is no HTTP."""
        self._refuse(Refusal(400, "this is not a valid HTTP request", code="invalid_http"))

    def _refuse(self, refusal: Refusal) -> None:
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            body = orjson.dumps(refusal.body)
            head = f"HTTP/1.1 {refusal.status} Refused\r\ncontent-type: application/json\r\nconnection: close\r\n"
            self.transport.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall = self.loop.call_later(self.limits.stalled_write, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None


class GatewayServer(uvicorn.Server):
    """uvicorn's server over a listening socket. Signals are the caller's business."""

    def __init__(
        self, app: GatewayApp, listener: socket.socket, limits: GatewayLimits, when_listening: Callable[[], object]
    ) -> None:
        protocol = type("GatewayConnection", (GuardedConnection, AutoHTTPProtocol), {"limits": limits})
        config = uvicorn.Config(
            app,
            http=protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=BACKLOG,
            timeout_keep_alive=int(limits.keep_alive),
            timeout_graceful_shutdown=1,
            h11_max_incomplete_event_size=MAX_HEAD,
        )
        super().__init__(config)
        self._listener = listener
        self._when_listening = when_listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._when_listening()

    async def run_until_told(self) -> None:
        """Serve until ``should_exit`` is set."""
        await self.serve([self._listener])

    def stop_listening(self) -> None:
        """Take no new connections; those that stand go on."""
        for server in self.servers:
            server.close()
