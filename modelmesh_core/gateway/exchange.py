"""One HTTP request and its answer, as the gateway's endpoints see them."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Iterable, Mapping
from random import Random
from time import perf_counter
from typing import Any
from urllib.parse import parse_qsl

from ..dialects import CallerDialect, ChatCompletions
from ..limits import KeyLimits
from ..wire.stored import Content, Spool
from .channel import Channel, ClientGoneError, HeaderList
from .limits import GatewayLimits
from .refusals import Refusal

Task = asyncio.Task[Any]
JSON = b"application/json"
_CHAT = ChatCompletions()
logger = logging.getLogger("modelmesh.gateway")
_ids = Random()
"""Seeded by the system. Request ids have to be unique, not secret."""
IN_MEMORY = 1024 * 1024
"""Bytes of an upload that are held in memory. What is longer goes to the disk."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


class Exchange:
    """What came in, and the way to answer it. Answers once: whole, or as a stream."""

    __slots__ = (
        "_cancelling",
        "_channel",
        "_limits",
        "_spool",
        "arguments",
        "client_gone",
        "dialect",
        "extra_headers",
        "headers",
        "is_last",
        "key",
        "key_limits",
        "method",
        "path",
        "query",
        "request_id",
        "route",
        "started",
        "task",
    )

    def __init__(self, channel: Channel, limits: GatewayLimits) -> None:
        self.task = channel.task
        self.started = perf_counter()
        self.method = channel.method
        self.path = channel.path
        self.query = channel.query
        self.headers = channel.headers
        self.route: str = self.path
        """The path as the table of routes writes it, with ``{names}``."""
        self.arguments: Mapping[str, str] = {}
        """What stands in the path for them."""
        self.request_id = self._request_id()
        self.key: str | None = None
        """Name of the key or token that let the caller in."""
        self.key_limits: KeyLimits | None = None
        self.dialect: CallerDialect = _CHAT
        """In which errors are told, too."""
        self.extra_headers: HeaderList = []
        """Sent with every answer."""
        self.is_last = False
        """Whether the connection ends with this answer."""
        self.client_gone = False
        self._channel = channel
        self._limits = limits
        self._spool: Spool | None = None

    def header(self, name: bytes) -> str:
        """A request header's text, empty if it is not there."""
        return self.headers.get(name, b"").decode("latin-1")

    def query_value(self, name: str) -> str | None:
        """What the query says of ``name``, if anything."""
        return next((value for own, value in parse_qsl(self.query.decode("latin-1")) if own == name), None)

    def _request_id(self) -> str:
        if b"x-request-id" in self.headers:
            own = self.header(b"x-request-id")
            if _REQUEST_ID.fullmatch(own):
                return own
        return f"req_{_ids.getrandbits(128):032x}"

    # --- reading -----------------------------------------------------------------------------------------------------

    async def read_body(self, limit: int) -> bytes:
        """The whole body, of at most ``limit`` bytes.

        Raises Refusal when it is larger, encoded or too slow, ClientGoneError when it never ends.
        """
        if b"content-encoding" in self.headers:
            self._check_encoding()
        body = self._channel.take_whole()
        if body is None:
            self._check_length(limit)
            body = await self._read_until(limit + 1)
        if len(body) > limit:
            raise _too_large(limit)
        return body

    async def read_upload(self, limit: int) -> Content:
        """The whole body, as ``read_body`` gives it. Where it is larger than IN_MEMORY it is kept on disk until
        ``release``, and the time for a body is for each IN_MEMORY bytes of it."""
        self._check_encoding()
        self._check_length(limit)
        piece = await self._read_until(IN_MEMORY)
        if not self._channel.body_left and len(piece) <= limit:
            return piece
        try:
            spool = self._spool = await asyncio.to_thread(Spool)
            while piece:
                if spool.size + len(piece) > limit:
                    raise _too_large(limit)
                await asyncio.to_thread(spool.append, piece)
                piece = await self._read_until(IN_MEMORY)
        except OSError as error:
            logger.error("an upload could not be kept: %s", error)
            raise Refusal(503, "the gateway has no room for so large an upload now", code="no_room") from error
        return spool.content()

    def release(self) -> None:
        """Forget what is kept on disk."""
        if self._spool is not None:
            self._spool.close()

    def _check_encoding(self) -> None:
        encoding = self.headers.get(b"content-encoding")
        if encoding is not None and encoding.strip().lower() not in (b"", b"identity"):
            raise Refusal(415, f"content-encoding {self.header(b'content-encoding')!r} is not supported; send it plain")

    def _check_length(self, limit: int) -> None:
        text = self.headers.get(b"content-length", b"0")
        if text.isdigit() and int(text) > limit:
            raise _too_large(limit)

    async def _read_until(self, enough: int) -> bytes:
        """What comes of the body until it is ``enough`` bytes, or all; empty at the end. Raises Refusal if that takes
        too long."""
        channel = self._channel
        pieces: list[bytes] = []
        size = 0
        deadline = None if channel.has_whole_body else Deadline(self._limits.body, self.task)
        try:
            while channel.body_left and size < enough:
                piece = await channel.read()
                size += len(piece)
                pieces.append(piece)
        except ClientGoneError:
            self.client_gone = True
            raise
        except asyncio.CancelledError:
            if deadline is None or not deadline.has_passed:
                raise
            raise Refusal(408, f"the request body did not arrive within {self._limits.body:g} s") from None
        finally:
            if deadline is not None:
                deadline.end()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _skip_body(self) -> None:
        """Read on for a while: a connection closed under a caller who still sends would swallow the answer."""
        if self.headers.get(b"expect"):
            return  # the body comes only when it is asked for
        try:
            async with asyncio.timeout(self._limits.linger):
                while self._channel.body_left:
                    await self._channel.read()
        except (TimeoutError, ClientGoneError):
            return

    def until_gone(self) -> Exchange:
        """A context that is cancelled, and raises ClientGoneError, as soon as the caller closes the connection.

        The body must have been read.
        """
        return self  # one object less for every request

    def __enter__(self) -> None:
        self._cancelling = self.task.cancelling()
        self._channel.watch(self._lost)

    def _lost(self) -> None:
        self.client_gone = True
        self.task.cancel()

    def __exit__(self, *raised: object) -> None:
        self._channel.unwatch()
        if self.client_gone and self.task.uncancel() <= self._cancelling:
            raise ClientGoneError

    # --- answering ---------------------------------------------------------------------------------------------------

    def answer(
        self, status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]] = (), media_type: bytes = JSON
    ) -> Awaitable[None]:
        """A whole answer."""
        length = (b"content-length", b"%d" % len(body))
        head = self._head([(b"content-type", media_type), length, *headers])
        if self._channel.body_left:
            return self._answer_early(status, head, body)
        return self._channel.answer(status, head, body, close=self.is_last)

    async def _answer_early(self, status: int, head: HeaderList, body: bytes) -> None:
        """Before all of the request has come."""
        channel = self._channel
        await channel.start(status, head, close=True)
        await channel.send(body)
        await self._skip_body()
        await channel.send(b"", is_last=True)

    async def start_stream(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """The head of a stream of server-sent events."""
        head = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]
        head = self._head([*head, (b"x-accel-buffering", b"no"), *headers])
        await self._channel.start(200, head, close=self.is_last)

    async def send_piece(self, data: bytes) -> None:
        """A piece of a stream."""
        await self._channel.send(data)

    async def end_stream(self, data: bytes) -> None:
        """The last piece of a stream."""
        await self._channel.send(data, is_last=True)

    def _head(self, headers: HeaderList) -> HeaderList:
        headers += self.extra_headers
        headers.append((b"x-request-id", self.request_id.encode()))
        return headers


def _too_large(limit: int) -> Refusal:
    return Refusal(413, f"the request body is larger than {limit} bytes (proxy.max_body)", code="request_too_large")


class Deadline:
    """Cancels the running task after some seconds, unless it is ended before: a leaner ``asyncio.timeout``."""

    __slots__ = ("_handle", "_task", "has_passed")

    def __init__(self, seconds: float, task: Task) -> None:
        loop = asyncio.get_running_loop()
        self._task = task
        self._handle = loop.call_later(seconds, self._pass)
        self.has_passed = False

    def _pass(self) -> None:
        self.has_passed = True
        self._task.cancel()

    def end(self) -> None:
        """What is cancelled from now on is cancelled by somebody else."""
        self._handle.cancel()
        if self.has_passed:
            self._task.uncancel()
