"""One connection of a FaultyProvider: reads all the time, so that it knows at once when the client leaves."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import time
from contextlib import suppress
from typing import Any, Protocol, cast

from .answering import Answering
from .seen import SeenRequest
from .wire import BadRequestError, RawRequest, head, take_request

_LINGER_NOT = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


class Host(Protocol):
    """What a connection asks of its provider."""

    limit: float
    """Seconds that an answer, or an idle connection, may last."""
    latency: float
    connections: set[Connection]

    def begin(self, raw: RawRequest, connection: Connection, *, is_first: bool) -> Answering: ...
    def finish(self, request: SeenRequest) -> None: ...


class Connection(asyncio.Protocol):
    """Serves one request after the other until either side ends it."""

    _transport: asyncio.Transport
    _task: asyncio.Task[None]

    def __init__(self, host: Host) -> None:
        self._host = host
        self._buffer = bytearray()
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._client_left_at: float | None = None

    # --- called by the event loop ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._host.connections.add(self)
        self._task = asyncio.get_running_loop().create_task(self._serve())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._arrived.set()

    def eof_received(self) -> None:
        self._client_left()

    def connection_lost(self, exc: Exception | None) -> None:
        self._host.connections.discard(self)
        if exc is not None:
            self._client_left()
        self._task.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def _client_left(self) -> None:
        if self._client_left_at is None:
            self._client_left_at = time.monotonic()
            self._task.cancel()

    # --- what an answer can do ---------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    async def flush(self) -> None:
        # Even when nothing is held back, the loop gets its turn: to notice a client that leaves, and to serve others.
        await asyncio.sleep(0)
        await self._writable.wait()

    def close(self) -> None:
        self._transport.close()

    def reset(self) -> None:
        if not self._transport.is_closing():
            sock: Any = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        self._transport.abort()

    # --- serving -----------------------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        is_first = True
        try:
            while not self._transport.is_closing():
                async with asyncio.timeout(self._host.limit):
                    raw = await self._next_request()
                await self._answer(raw, is_first=is_first)
                is_first = False
                if raw.headers.get("connection", "").lower() == "close":
                    break
        except BadRequestError as error:
            self.write(head(400, {"content-length": "0", "connection": "close", "x-reason": str(error)}))
        except TimeoutError:
            pass  # nobody asks anything more
        finally:
            self.close()

    async def _next_request(self) -> RawRequest:
        while (raw := take_request(self._buffer)) is None:
            self._arrived.clear()
            await self._arrived.wait()
        return raw

    async def _answer(self, raw: RawRequest, *, is_first: bool) -> None:
        answering = self._host.begin(raw, self, is_first=is_first)
        request = answering.request
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._host.limit):
                    await asyncio.sleep(self._host.latency)
                    await answering.fault.act(answering)
                    if not self._transport.is_closing():
                        request.ended = "answered"
        finally:
            if request.ended is None:
                request.ended = "broken" if self._client_left_at is None else "client-closed"
                request.client_closed_at = self._client_left_at
                self._break_off()
            self._host.finish(request)

    def _break_off(self) -> None:
        if not self._transport.is_closing():
            self.reset()
