"""One HTTP/1.1 connection as an asyncio protocol: a request goes out in one write, httptools takes the response apart.

It knows no pool and raises no ProviderError: who uses it looks at what became of the exchange. Everything that could
let one response pass for another ends the connection: a length declared twice or in two ways, a transfer encoding
other than chunked, bytes that nobody asked for, bytes after a response. Of a body that has no length the end is taken
for whole only when the server said that it ends: over TLS a bare FIN is a cut.
"""

from __future__ import annotations

import asyncio
import select
import ssl
from time import perf_counter
from typing import Any, cast

from httptools import HttpParserError, HttpResponseParser

from ..wire.http import Headers
from .failures import reason_of
from .moving_limit import MovingLimit
from .outbox import Outbox
from .turns import Turns

MAX_HEAD = 64 * 1024
"""Bytes of a response's head. As many may come elsewhere without any of the body among them, as trailers do."""
MAX_HEADERS = 256
HIGH_WATER, LOW_WATER = 256 * 1024, 64 * 1024
"""Bytes of a stream's body that wait unread: above the first no more is read from the socket, until below the other."""
ONE_WRITE = 64 * 1024
"""A body up to this length is copied behind its head, so that both leave in one packet."""
NO_BODY = (204, 304)
_poll: Any = getattr(select, "poll", None)  # not on Windows


class HttptoolsConnection(asyncio.Protocol):
    """A connection, and the exchange that is under way on it.

    Cancelling whoever waits for it closes the socket at once.
    """

    __slots__ = (
        "_asked", "_bodiless", "_head", "_idle", "_informational", "_keep", "_lengthless", "_limit", "_loop",
        "_method", "_outbox", "_outgoing", "_parser", "_patience", "_paused", "_poller", "_rests", "_size",
        "_total_at", "_transport", "_turns", "_waiter", "_whole", "_woken_at", "broken", "closed", "coding",
        "complete", "expired", "headers", "idle_round", "idle_since", "origin", "pieces", "status", "too_long",
    )  # fmt: skip

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        origin: tuple[bool, str, int] = (False, "", 0),
        turns: Turns | None = None,
        outbox: Outbox | None = None,
    ) -> None:
        """``turns`` and ``outbox``: those of the loop."""
        self._loop = loop
        self._turns = turns or Turns()
        self._outbox = outbox or Outbox(loop)
        self._woken_at = 0.0
        self.origin = origin
        self.idle_since, self.idle_round = 0.0, -1
        """When it was given back, by the loop's clock, and in which of the outbox's rounds."""
        self.closed = False
        self._transport: asyncio.Transport | None = None
        self._poller: Any = None
        self._parser: HttpResponseParser | None = HttpResponseParser(self)
        self._waiter: asyncio.Future[None] | None = None
        self._patience = MovingLimit(loop, self._expire)
        self._paused = False
        # What follows is of the exchange under way.
        self._method = ""
        self._whole = False
        self._limit = 0
        self._idle: float | None = None
        self._total_at: float | None = None
        self._informational = False
        self._rests = False
        self.status = 0
        self.coding: str | None = None
        self.broken: str | None = None
        """Why no more will come, in words that hold no secret."""
        self.expired = False
        """A limit passed."""
        self.too_long = False
        self._head = b""
        """What came of the response, until its head is whole."""
        self.pieces: list[bytes] = []
        """Of the body, as they came and were not read yet."""
        self._forget()

    def _forget(self) -> None:
        """The state between two exchanges; the rest is as it was before a whole one, or set as the next begins."""
        self._asked = False
        self._outgoing = b""
        self._keep = False
        self._lengthless = False
        self._size = 0
        self._bodiless = 0
        self.headers: Headers | None = None
        """Of the response, once its head is whole."""
        self.pieces.clear()
        self.complete = False

    # --- for the engine ----------------------------------------------------------------------------------------------

    def ask(
        self, head: bytes, body: bytes | None, method: str, *, whole: bool, limit: int, idle: float | None,
        total_at: float | None,
    ) -> None:  # fmt: skip
        """Send a request. With ``whole``, ``wait`` returns at the body's end, which may be ``limit`` bytes away."""
        self._method = method
        self._whole = whole
        self._limit = limit
        self._idle = idle
        self._total_at = total_at
        transport = self._transport
        if transport is None or self.closed:
            self.broken = self.broken or "the connection was closed"
        elif body is None or len(body) <= ONE_WRITE:
            self._outgoing = head + body if body else head
            self._outbox.put(self._leave)
        else:
            self._asked = True
            transport.write(head)
            transport.write(body)

    def _leave(self) -> None:
        if self._transport is not None and not self.closed:
            self._asked = True
            self._transport.write(self._outgoing)

    async def wait(self, deadline: float | None) -> None:
        """Until the response has come further: its head, some of its body, or all of it if it was asked as a whole.

        Also returns when it is broken or ``deadline`` (by the loop's clock) has passed; then the socket is closed.
        """
        if self.broken is not None or self.complete:
            return
        self._patience.set(deadline)
        waiter = self._waiter = self._loop.create_future()
        try:
            await waiter
            if not self._whole:
                self._turns.note(perf_counter() - self._woken_at)
        except BaseException:
            self.abort("the call was cancelled")
            raise
        finally:
            self._waiter = None  # who wakes or aborts has lifted the limit

    async def rest(self) -> None:
        """Where the loop is busy, let more of the body come for a moment: see ``Turns``."""
        seconds = self._turns.rest
        if not seconds or self.complete or self.broken is not None:
            return
        self._rests = True
        timer = self._loop.call_later(seconds, self._wake)
        try:
            await self.wait(None)
        finally:
            timer.cancel()
            self._rests = False

    def take(self) -> bytes:
        """What came of the body and was not taken yet."""
        pieces = self.pieces
        if not pieces:
            return b""
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._size = 0
        if self._paused:
            self._resume()
        return data

    def reset(self) -> bool:
        """Be ready for another exchange. Whether that is possible: nothing is under way, and nothing is left over."""
        transport = self._transport
        if not self.complete or not self._keep or self.closed or transport is None:
            return False
        if transport.get_write_buffer_size():  # answered before the request had left
            return False
        self._forget()
        if self._paused:
            self._resume()
        return True

    def is_quiet(self) -> bool:
        """Whether the socket has nothing to read: no end and no byte that nobody asked for."""
        return self._poller is None or not self._poller.poll(0)

    def abort(self, reason: str) -> None:
        """Close the socket at once; the exchange under way is broken."""
        if self.broken is None and not self.complete:
            self.broken = reason
        self.closed = True
        self._patience.close()
        if self._transport is not None:
            self._transport.abort()
        self._wake()

    # --- limits ------------------------------------------------------------------------------------------------------

    def _expire(self) -> None:
        self.expired = True
        self.abort("a limit passed")

    def idle_deadline(self) -> float | None:
        """When the body has stalled, if nothing comes from now on."""
        if self._idle is None:
            return self._total_at
        stalled_at = self._loop.time() + self._idle
        return stalled_at if self._total_at is None or stalled_at < self._total_at else self._total_at

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            self._patience.lift()  # it cannot pass any more, though the waiter has its turn later
            if not self._whole:
                self._woken_at = perf_counter()
            waiter.set_result(None)

    # --- for asyncio -------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        socket = transport.get_extra_info("socket")
        if _poll is not None and socket is not None:
            self._poller = _poll()
            self._poller.register(socket.fileno(), select.POLLIN)
        if self.closed:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        parser = self._parser
        if not self._asked or self.complete or self.closed or parser is None:
            self._keep = False
            self.abort("it sent something that it was not asked for")
            return
        size, had_head = self._size, self.headers is not None
        self._bodiless += len(data)
        if not had_head:
            self._head = self._head + data if self._head else data
        try:
            parser.feed_data(data)
        except HttpParserError as error:
            self._keep = False
            if not self.complete:  # else it is what follows the response that makes no sense
                self.abort(self.broken or f"it is not HTTP: {error}")
            return
        if self.complete:
            return
        if self._size > size:
            self._bodiless = 0
        elif self._bodiless > MAX_HEAD:
            self.abort(f"its head or trailers have more than {MAX_HEAD} bytes")
            return
        elif had_head or self.headers is None:
            return
        if self._whole:  # then nobody else moves the limit from the head to the body, and on with each piece
            self._patience.set(self.idle_deadline())

    def eof_received(self) -> None:
        if self._lengthless and not self.complete and self.broken is None and self._said_goodbye():
            self._finish()

    def _said_goodbye(self) -> bool:
        """Whether the end that came is the server's word, which over TLS a mere FIN is not: anyone can send that."""
        tls: ssl.SSLObject | None = self._transport and self._transport.get_extra_info("ssl_object")
        if tls is None:
            return True
        try:
            return tls.read(1) == b""  # it wants more to read if TLS itself was not closed
        except ssl.SSLError:
            return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._keep = False
        self.abort("the connection was closed" if exc is None else reason_of(exc))
        self._transport = self._parser = self._poller = None  # circles, which would wait for the collector

    # --- for httptools -----------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self.complete:
            raise self._refusal("something follows the response")

    def on_headers_complete(self) -> None:
        parser = self._parser
        assert parser is not None, "it is the one that calls"
        status = parser.get_status_code()
        came = self._head.lstrip(b"\r\n")
        end = came.find(b"\r\n\r\n")
        if end < 0:  # the parser refuses such an end by itself, but not in all its versions
            raise self._refusal("the lines of its head do not end as they should")
        if status < 200:
            if status < 100 or status == 101:
                raise self._refusal(f"it answered with status {status}, which was not asked for")
            self._informational = True
            self._head = came[end + 4 :]
            return
        # The parser has been through it, and calls nobody for each header: that would cost more than all of this.
        lines = came[:end].decode("latin-1").split("\r\n")
        if end > MAX_HEAD or len(lines) > MAX_HEADERS + 1:
            raise self._refusal(f"its head has more than {MAX_HEADERS} headers or {MAX_HEAD} bytes")
        self._head = b""
        self.status = status
        headers = Headers.received(lines[1:])
        self._keep = parser.should_keep_alive()
        self._frame(headers.lower)
        self.coding = headers.lower.get("content-encoding")
        self.headers = headers
        if self.coding is not None:
            self._whole = False  # unpacked while it is read
        if self._method == "HEAD" or status in NO_BODY:
            self._lengthless = False
            if self._method == "HEAD" or "content-length" in headers or "transfer-encoding" in headers:
                self._keep = False  # the parser may wait for a body that never comes
            self._finish()
        elif not self._whole:
            self._wake()

    def _frame(self, headers: dict[str, str]) -> None:
        """See where the body ends. The parser refuses most of this by itself, but not in all its versions."""
        length, encoding = headers.get("content-length"), headers.get("transfer-encoding")
        if encoding is not None and (length is not None or encoding.strip().lower() != "chunked"):
            raise self._refusal("its transfer encoding is not chunked, or it declares a length as well")
        if length is not None:
            if not (length.isascii() and length.isdigit()):
                raise self._refusal("it declares a length that is no number")
            if self._whole and self._method != "HEAD" and "content-encoding" not in headers:
                self.too_long = int(length) > self._limit
        self._lengthless = length is None and encoding is None

    def on_body(self, body: bytes) -> None:
        if self.headers is None or self.complete:
            raise self._refusal("a body came where none can be")
        self.pieces.append(body)
        self._size += len(body)
        if self._whole:
            if self.too_long or self._size > self._limit:
                self.too_long = True
                raise self._refusal("its body is too long")
            return
        if self._size > HIGH_WATER and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        if not self._rests or self._paused:
            self._wake()

    def on_message_complete(self) -> None:
        if self._informational:
            self._informational = False
        elif not self.complete:
            self._finish()

    def _finish(self) -> None:
        self.complete = True
        self._wake()

    def _refusal(self, reason: str) -> Exception:
        if not self.complete and self.broken is None:
            self.broken = reason
        return ValueError(reason)

    def _resume(self) -> None:
        if self._size < LOW_WATER:
            self._paused = False
            if self._transport is not None and not self.closed:
                self._transport.resume_reading()
