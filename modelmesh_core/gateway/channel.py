"""The way in and out of one request, as a server provides it: one that speaks ASGI, or the gateway's own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
HeaderList = list[tuple[bytes, bytes]]


class ClientGoneError(Exception):
    """The caller closed the connection: there is nobody to answer."""


class Channel(Protocol):
    """One request's head, the way to its body, and the way to answer it: once, whole or in pieces."""

    method: str
    path: str
    """Decoded, without the query."""
    query: bytes
    headers: dict[bytes, bytes]
    """By their names in lower case."""
    task: asyncio.Task[None]
    """The one that serves the request."""

    @property
    def body_left(self) -> bool:
        """Whether there is more of the body to be read."""
        ...

    @property
    def has_whole_body(self) -> bool:
        """Whether all that is left of it has come, so that reading it waits for nobody."""
        ...

    def take_whole(self) -> bytes | None:
        """All that is left of the body, if all of it has come; else None, and nothing is taken."""
        ...

    async def read(self) -> bytes:
        """The next piece of the body. Raises ClientGoneError."""
        ...

    def watch(self, lost: Callable[[], object]) -> None:
        """Call ``lost`` as soon as the caller goes away, once, and not after ``unwatch``. The body must have been
        read."""
        ...

    def unwatch(self) -> None: ...

    async def answer(self, status: int, headers: HeaderList, body: bytes, *, close: bool) -> None:
        """A whole answer. ``headers`` declare the length of ``body``. ``close``: the connection ends with it."""
        ...

    async def start(self, status: int, headers: HeaderList, *, close: bool) -> None:
        """The head of an answer whose body follows. Waits while the caller does not read."""
        ...

    async def send(self, data: bytes, *, is_last: bool = False) -> None:
        """A piece of its body. Waits while the caller does not read; nothing happens once the caller has gone."""
        ...


class AsgiChannel:
    """The three values that ASGI hands in, as a channel."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: bytes = scope.get("query_string", b"")
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        length = self.headers.get(b"content-length", b"0")
        self.body_left = b"transfer-encoding" in self.headers or length.strip(b"0") != b""
        self.has_whole_body = False
        self.task = _running()
        self._receive = receive
        self._send = send
        self._watcher: asyncio.Task[None] | None = None

    def take_whole(self) -> bytes | None:
        return None

    async def read(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        self.body_left = message.get("more_body", False)
        return message.get("body", b"")

    def watch(self, lost: Callable[[], object]) -> None:
        self._watcher = asyncio.create_task(self._watch(lost))

    async def _watch(self, lost: Callable[[], object]) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        lost()

    def unwatch(self) -> None:
        if self._watcher is not None:
            self._watcher.cancel()

    async def answer(self, status: int, headers: HeaderList, body: bytes, *, close: bool) -> None:
        await self.start(status, headers, close=close)
        await self.send(body, is_last=True)

    async def start(self, status: int, headers: HeaderList, *, close: bool) -> None:
        if close:
            headers = [*headers, (b"connection", b"close")]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def send(self, data: bytes, *, is_last: bool = False) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": not is_last})


def _running() -> asyncio.Task[None]:
    task = asyncio.current_task()
    assert task is not None, "an ASGI server calls an application in a task"
    return task
