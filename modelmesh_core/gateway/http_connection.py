"""HTTP/1.1 for callers: one connection as an asyncio protocol, its requests as channels. httptools takes them apart.

One request is served at a time. Those that a caller sends ahead wait, and meanwhile nothing more is read. What is no
HTTP, or could be read in two ways, ends the connection; so does a caller who sends no whole head, sends nothing between
two requests for long, or stops reading its answer. A caller who ends its side of the connection has gone away.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import cast
from urllib.parse import unquote

import httptools
import orjson

from ..transport.moving_limit import MovingLimit
from ..transport.outbox import Outbox
from .channel import Channel
from .incoming import FRAMING, IncomingRequest
from .limits import GatewayLimits
from .refusals import Refusal

logger = logging.getLogger("modelmesh.gateway")

MAX_HEAD = 64 * 1024
"""Bytes of a request's line and headers."""
ONE_ROUND = 64 * 1024
"""Bytes that may gather before they are written: only the socket says when the caller does not keep up."""
_HEAD_TOO_LARGE = Refusal(431, f"the request's headers are larger than {MAX_HEAD} bytes")


class HttpConnection(asyncio.Protocol):
    """A caller's connection."""

    __slots__ = (
        "_came", "_deaf", "_fields", "_head_size", "_is_declining", "_is_paused", "_limit", "_limits", "_open",
        "_outbox", "_outgoing", "_parser", "_reading", "_serve", "_served", "_stall", "_transport", "_waiting",
        "_writable", "loop", "on_header",
    )  # fmt: skip

    def __init__(
        self,
        serve: Callable[[Channel], Awaitable[None]],
        loop: asyncio.AbstractEventLoop,
        limits: GatewayLimits,
        open_connections: set[HttpConnection],
        outbox: Outbox,
    ) -> None:
        """``serve`` answers a request. ``open_connections``: this one is in it as long as it stands.

        ``outbox``: that of the loop.
        """
        self.loop = loop
        self._serve = serve
        self._limits = limits
        self._open = open_connections
        self._outbox = outbox
        self._outgoing = b""
        """What was not given to the socket yet."""
        self._limit = MovingLimit(loop, self._close)
        """On the time between requests, and for a head; none while a request is served."""
        self._stall: asyncio.TimerHandle | None = None
        """Ends the connection of a caller who does not read."""
        self._writable: asyncio.Future[None] | None = None
        self._fields: dict[bytes, bytes] = {}
        """Headers of the head that is coming in, or trailers, which nobody reads."""
        self.on_header: Callable[[bytes, bytes], object] = self._fields.__setitem__
        """For httptools, which calls it for each: nothing in Python is as fast."""
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        self._transport = cast(asyncio.Transport, None)
        self._came = 0
        """Bytes of the pieces in which the head that is coming in may stand."""
        self._head_size = 0
        """Of them, those after the first piece."""
        self._deaf = False
        """Whether what comes from now on is of no interest."""
        self._is_declining = False
        self._is_paused = False
        self._reading: IncomingRequest | None = None
        """The one that is coming in."""
        self._served: IncomingRequest | None = None
        """The one that is being served."""
        self._waiting: deque[IncomingRequest] = deque()
        """Those that came ahead."""

    # --- for asyncio -------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._open.add(self)
        self._limit.set(self.loop.time() + self._limits.head)

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.discard(self)
        self._deaf = True
        self._limit.close()
        self._stop_stall()
        self._waiting.clear()
        self._outgoing = b""
        if self._served is not None:
            self._served.lose()
        self._parser = None  # a circle, which would wait for the collector

    def data_received(self, data: bytes) -> None:
        if self._deaf or self._parser is None:
            return
        size, before = len(data), self._reading
        came = before.size if before is not None else 0
        self._came += size
        try:
            while data and not self._deaf:
                try:
                    self._parser.feed_data(data)
                    break
                except httptools.HttpParserUpgrade as asked:
                    data = data[asked.args[0] :]
                    self._decline()
        except httptools.HttpParserError:
            if self._is_head_too_large():
                self._refuse(_HEAD_TOO_LARGE)
            elif not self._deaf:  # else it follows what was the last request anyhow
                self._refuse(Refusal(400, "this is not a valid HTTP request", code="invalid_http"))
            return
        request = self._reading
        if self._served is not None and (request is None or request.is_head_known):
            self._came = self._head_size = 0
            if request is not None:
                self._count_bodiless(request, size if request is before and request.size == came else 0)
            return
        if self._came > MAX_HEAD and self._is_head_too_large():
            self._refuse(_HEAD_TOO_LARGE)
            return
        if not self._head_size:
            # Where a head begins in this piece is not known; but the parser has taken its whole headers.
            self._head_size = 1
            if self._served is None:
                self._limit.set(self.loop.time() + self._limits.head)
            return
        self._head_size += size
        if self._head_size > MAX_HEAD:
            self._refuse(_HEAD_TOO_LARGE)

    def _count_bodiless(self, request: IncomingRequest, size: int) -> None:
        """``size`` bytes came without any of the body: trailers, which nobody reads, or what stands before a chunk."""
        request.bodiless = request.bodiless + size if size else 0
        if request.bodiless > MAX_HEAD:
            self._refuse(_HEAD_TOO_LARGE)

    def pause_writing(self) -> None:
        self._writable = self.loop.create_future()
        self._stall = self.loop.call_later(self._limits.stalled_write, self._transport.abort)

    def resume_writing(self) -> None:
        self._stop_stall()

    def _stop_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
        if self._writable is not None:
            self._writable.set_result(None)
            self._writable = None

    # --- for httptools -----------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if not self._is_declining:
            self._reading = IncomingRequest(self)

    def on_url(self, url: bytes) -> None:
        request = self._reading
        if request is None or self._is_declining:
            return
        request.url += url
        if len(request.url) > MAX_HEAD:
            raise ValueError("its target is too long")

    def on_headers_complete(self) -> None:
        request, parser = self._reading, self._parser
        if request is None or parser is None or self._is_declining:
            return
        if self._came > MAX_HEAD and self._is_head_too_large():
            raise ValueError("its head is too large")
        request.headers = dict(zip(map(bytes.lower, self._fields), self._fields.values(), strict=True))
        self._fields.clear()
        request.is_head_known = True
        request.path, request.query = _target_of(request.url)
        request.method = parser.get_method().decode("ascii")
        request.keep = parser.should_keep_alive() and parser.get_http_version() == "1.1"
        request.expects = b"expect" in request.headers and request.headers[b"expect"].lower() == b"100-continue"
        if self._served is None:
            self._begin(request)
        else:
            self._waiting.append(request)
            self._pause()

    def on_body(self, body: bytes) -> None:
        request = self._reading
        if request is not None and not request.done and request.feed(body):
            self._pause()

    def on_message_complete(self) -> None:
        request, parser = self._reading, self._parser
        if request is None or parser is None or (parser.should_upgrade() and request.declares_a_body):
            return  # the body is yet to come: see ``_decline``
        self._reading = None
        if self._fields:
            self._fields.clear()
        request.ended()
        self._deaf = not request.keep

    def _is_head_too_large(self) -> bool:
        """Whether what is known of the head that is coming in is more than it may be."""
        request = self._reading
        if request is None or request.is_head_known:
            return False
        return len(request.url) + sum(len(name) + len(value) for name, value in self._fields.items()) > MAX_HEAD

    def _decline(self) -> None:
        """Another protocol was asked for, which is not spoken here: the request and what follows are HTTP/1.1.

        To the parser the head was the end of it. A new one is told only how long the body is.
        """
        parser = self._parser = httptools.HttpRequestParser(self)
        if self._reading is not None:
            framing = [
                b"%b: %b\r\n" % (name, self._reading.headers[name]) for name in FRAMING if name in self._reading.headers
            ]
            self._is_declining = True
            parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n" % b"".join(framing))
            self._is_declining = False

    # --- one request after the other ---------------------------------------------------------------------------------

    def _begin(self, request: IncomingRequest) -> None:
        self._limit.lift()
        self._served = request
        request.task = self.loop.create_task(self._run(request))

    async def _run(self, request: IncomingRequest) -> None:
        try:
            await self._serve(request)
        except BaseException as error:
            if not isinstance(error, asyncio.CancelledError):
                logger.exception("a request broke down")
        finally:
            if not request.done:  # nobody is there, or it has no whole answer and must not seem to have one
                self._close()

    def answered(self, request: IncomingRequest) -> None:
        """The answer was written."""
        self._served = None
        if self._transport.is_closing():
            return
        if not (request.keep and request.complete):
            self._close()
        elif self._waiting:
            self._begin(self._waiting.popleft())
        else:
            self._limit.set(self.loop.time() + self._limits.keep_alive)
            self.resume()

    def finish(self) -> None:
        """Close, after the answer that is under way."""
        if self._served is None:
            self._close()
        else:
            self._served.keep = False

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def _close(self) -> None:
        self._deaf = True
        self._leave()
        self._transport.close()

    def _refuse(self, refusal: Refusal) -> None:
        if not self._transport.is_closing() and (self._served is None or not self._served.started):
            body = orjson.dumps(refusal.body)
            head = f"HTTP/1.1 {refusal.status} Refused\r\ncontent-type: application/json\r\nconnection: close\r\n"
            self.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        self._close()

    # --- the socket --------------------------------------------------------------------------------------------------

    @property
    def is_stalled(self) -> bool:
        """Whether the caller does not read what was written."""
        return self._writable is not None

    async def drained(self) -> None:
        """Until the caller reads again, or has gone."""
        while self._writable is not None:
            await asyncio.shield(self._writable)

    def write(self, data: bytes) -> None:
        """Nothing happens once the caller has gone."""
        if self._outgoing:
            self._outgoing += data
            if len(self._outgoing) > ONE_ROUND:
                self._leave()
        elif not self._transport.is_closing():
            self._outgoing = data
            self._outbox.put(self._leave)

    def _leave(self) -> None:
        data, self._outgoing = self._outgoing, b""
        if data and not self._transport.is_closing():
            self._transport.write(data)

    def _pause(self) -> None:
        if not self._is_paused and not self._transport.is_closing():
            self._is_paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on, unless requests wait that were sent ahead."""
        if self._is_paused and not self._waiting and not self._transport.is_closing():
            self._is_paused = False
            self._transport.resume_reading()


def _target_of(url: bytes) -> tuple[str, bytes]:
    """Path and query. Raises ValueError or HttpParserError for what is no target."""
    return _known_target(url) if len(url) <= 128 else _parsed_target(url)


def _parsed_target(url: bytes) -> tuple[str, bytes]:
    parsed = httptools.parse_url(url)
    if not parsed.path:
        raise ValueError("no path")
    path = parsed.path.decode("ascii")
    return (unquote(path) if "%" in path else path), parsed.query or b""


_known_target = lru_cache(maxsize=512)(_parsed_target)
