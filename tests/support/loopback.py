"""A server on the loopback interface that behaves as badly as a test asks for, byte by byte.

    async with Loopback(behaviour) as server:
        ...  # call server.url("/path")

``behaviour`` is awaited for each request with an Exchange, through which it writes what it likes. Without one every
request is answered with ``200`` and ``ok``. Nothing here knows HTTP beyond finding where a request ends.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from typing import Any, Self

import attrs

HEAD_LIMIT = 64 * 1024


def reply(body: bytes = b"ok", *, status: str = "200 OK", head: str = "content-type: text/plain") -> bytes:
    """A whole answer, with its length declared."""
    return f"HTTP/1.1 {status}\r\n{head}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def chunk(data: bytes) -> bytes:
    """One piece of a chunked body; the empty piece ends it."""
    return b"%x\r\n%b\r\n" % (len(data), data)


CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


@attrs.define
class Exchange:
    """One request, and the way to answer it."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    reader: asyncio.StreamReader = attrs.field(repr=False)
    writer: asyncio.StreamWriter = attrs.field(repr=False)

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """End the connection with RST instead of FIN."""
        sock: Any = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def close(self) -> None:
        self.writer.close()

    async def client_gone(self) -> None:
        """Returns when the client has closed its socket."""
        try:
            while await self.reader.read(HEAD_LIMIT):
                pass
        except ConnectionError:
            pass  # a reset is a closed socket too


Behaviour = Callable[[Exchange], Awaitable[None]]


async def answer_ok(exchange: Exchange) -> None:
    await exchange.send(reply())


class Loopback:
    """The server. ``connections`` counts those accepted, ``requests`` keeps what was asked on them."""

    def __init__(self, behaviour: Behaviour = answer_ok, *, tls: ssl.SSLContext | None = None) -> None:
        self.behaviour = behaviour
        self.connections = 0
        self.requests: list[Exchange] = []
        self.port = 0
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def url(self, path: str = "/") -> str:
        scheme, host = ("https", "localhost") if self._tls else ("http", "127.0.0.1")
        return f"{scheme}://{host}:{self.port}{path}"

    @property
    def open_connections(self) -> int:
        """Those that neither side has closed."""
        return len(self._tasks)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=HEAD_LIMIT, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
            pass  # the client is gone, or the test is over
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            exchange = await read_request(reader, writer)
            self.requests.append(exchange)
            await self.behaviour(exchange)


async def read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Exchange:
    """The next request on a connection, body included."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ")
    pairs = (line.split(":", 1) for line in lines[1:] if line)
    headers = {name.lower(): value.strip() for name, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Exchange(method, target, headers, body, reader, writer)


class Raw(Loopback):
    """A server that does not even read requests: ``behave`` has each connection to itself."""

    def __init__(self, behave: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> None:
        super().__init__()
        self._serve = behave


class Proxy(Loopback):
    """A forward proxy: tunnels for CONNECT, and passes on requests whose target is an absolute URL."""

    def __init__(self) -> None:
        super().__init__(self._pass_on)

    async def _pass_on(self, exchange: Exchange) -> None:
        if exchange.method == "CONNECT":
            host, port = exchange.target.rsplit(":", 1)
            onward = await asyncio.open_connection(host, int(port))
            await exchange.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            host, _, path = exchange.target.removeprefix("http://").partition("/")
            name, port = host.rsplit(":", 1)
            onward = await asyncio.open_connection(name, int(port))
            head = f"{exchange.method} /{path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {len(exchange.body)}\r\n\r\n"
            onward[1].write(head.encode() + exchange.body)
        try:
            await asyncio.gather(_pump(onward[0], exchange.writer), _pump(exchange.reader, onward[1]))
        finally:
            onward[1].close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(HEAD_LIMIT):
        sink.write(data)
        await sink.drain()
    sink.close()
