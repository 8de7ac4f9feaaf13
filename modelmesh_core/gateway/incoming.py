"""One request on a connection of the gateway's own server, as a channel: its body, and the way to answer it."""

from __future__ import annotations

import asyncio
import http
from collections.abc import Callable
from email.utils import formatdate
from functools import lru_cache
from time import time
from typing import TYPE_CHECKING

from .channel import ClientGoneError, HeaderList

if TYPE_CHECKING:
    from .http_connection import HttpConnection

HIGH_WATER = 256 * 1024
"""Bytes of a body that wait unread: above it no more is read from the socket."""
FRAMING = (b"content-length", b"transfer-encoding")
"""Headers that say how long a body is."""
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_STATUS = {status.value: f"HTTP/1.1 {status.value} {status.phrase}".encode("ascii") for status in http.HTTPStatus}
_header = b": ".join
_END = (b"", b"")
_CR, _LF = b"\r\n"


class IncomingRequest:
    """One request on a connection: see ``Channel``."""

    __slots__ = (
        "_connection", "_is_chunked", "_lost", "_pieces", "_waiter", "bodiless", "complete", "done", "expects",
        "headers", "is_head_known", "is_lost", "keep", "method", "path", "query", "size", "started", "task", "url",
    )  # fmt: skip

    def __init__(self, connection: HttpConnection) -> None:
        self._connection = connection
        self.task: asyncio.Task[None]
        """The one that serves it, once it is served."""
        self.method = ""
        self.path = ""
        self.query = b""
        self._pieces: list[bytes] = []
        self.size = 0
        """Bytes of the body that wait unread."""
        self._waiter: asyncio.Future[None] | None = None
        self._lost: Callable[[], object] | None = None
        self._is_chunked = False
        self.is_head_known = False
        self.bodiless = 0
        """Bytes that came since the last of the body, or since the head."""
        self.url = b""
        self.headers: dict[bytes, bytes] = {}
        self.expects = False
        """Whether the caller sends the body only when it is told to go on."""
        self.keep = True
        """Whether the connection stays for another request."""
        self.complete = False
        """Whether all of the request has come."""
        self.started = False
        """Whether the answer has begun."""
        self.done = False
        """Whether the answer was given, or nobody is there to get one."""
        self.is_lost = False

    # --- reading -----------------------------------------------------------------------------------------------------

    @property
    def declares_a_body(self) -> bool:
        return any(name in self.headers for name in FRAMING)

    @property
    def body_left(self) -> bool:
        return not self.complete or bool(self._pieces)

    @property
    def has_whole_body(self) -> bool:
        return self.complete

    def take_whole(self) -> bytes | None:
        return self._take() if self.complete else None

    async def read(self) -> bytes:
        if not self._pieces and not self.complete:
            await self._more()
        return self._take()

    def _take(self) -> bytes:
        pieces = self._pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.size = 0
        return data

    async def _more(self) -> None:
        connection = self._connection
        if self.expects and not self.is_lost:
            self.expects = False
            connection.write(_CONTINUE)
        connection.resume()
        while not (self._pieces or self.complete):
            if self.is_lost:
                raise ClientGoneError
            self._waiter = connection.loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

    def feed(self, data: bytes) -> bool:
        """Take what came of the body. Whether more than is good for the memory waits."""
        self._pieces.append(data)
        self.size += len(data)
        self._wake()
        return self.size > HIGH_WATER

    def ended(self) -> None:
        """All of the request has come."""
        self.complete = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # --- the caller --------------------------------------------------------------------------------------------------

    def watch(self, lost: Callable[[], object]) -> None:
        if self.is_lost:
            lost()
        else:
            self._lost = lost

    def unwatch(self) -> None:
        self._lost = None

    def lose(self) -> None:
        """The caller has gone."""
        self.is_lost = True
        self._wake()
        lost, self._lost = self._lost, None
        if lost is not None:
            lost()

    # --- answering ---------------------------------------------------------------------------------------------------

    async def answer(self, status: int, headers: HeaderList, body: bytes, *, close: bool) -> None:
        connection = self._connection
        if connection.is_stalled:
            await connection.drained()
        head = self._head(status, headers, close)
        self.started = True
        connection.write(head if self.method == "HEAD" else head + body)
        self._end()

    async def start(self, status: int, headers: HeaderList, *, close: bool) -> None:
        connection = self._connection
        if connection.is_stalled:
            await connection.drained()
        has_length = any(name == b"content-length" for name, _ in headers)
        if not has_length and self.keep:
            self._is_chunked = True
            headers = [*headers, (b"transfer-encoding", b"chunked")]
        head = self._head(status, headers, close)
        self.started = True
        connection.write(head)

    async def send(self, data: bytes, *, is_last: bool = False) -> None:
        connection = self._connection
        if connection.is_stalled:
            await connection.drained()
        if self.method == "HEAD":
            data = b""
        elif self._is_chunked:
            if data:
                data = b"%x\r\n%b\r\n" % (len(data), data)
            if is_last:
                data += b"0\r\n\r\n"
        if data:
            connection.write(data)
        if is_last:
            self._end()

    def _head(self, status: int, headers: HeaderList, close: bool) -> bytes:
        """Raises ValueError for a header that would get out of its line."""
        if close:
            self.keep = False
        # Vendors have numbers of their own, such as 529.
        lines = [_STATUS.get(status) or b"HTTP/1.1 %d " % status, _date_line(int(time())), *map(_header, headers)]
        if not self.keep:
            lines.append(b"connection: close")
        text = b"".join(lines)
        if _LF in text or _CR in text:  # as numbers: to look for those takes a fifth of the time
            raise ValueError("a header of the answer holds a line break")
        lines += _END
        return b"\r\n".join(lines)

    def _end(self) -> None:
        self.done = True
        self._connection.answered(self)


@lru_cache(maxsize=4)
def _date_line(second: int) -> bytes:
    return b"date: " + formatdate(second, usegmt=True).encode("ascii")
