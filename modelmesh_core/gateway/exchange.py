"""One HTTP request and its answer, over the three values that ASGI hands in."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from random import Random
from time import perf_counter
from typing import Any, Protocol
from urllib.parse import parse_qsl

from ..dialects import CallerDialect, ChatCompletions
from ..limits import KeyLimits
from ..wire.stored import Content, Spool
from .limits import GatewayLimits
from .refusals import Refusal

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Task = asyncio.Task[Any]
HeaderList = list[tuple[bytes, bytes]]

JSON = b"application/json"
_CHAT = ChatCompletions()
CONNECTION = "modelmesh.connection"
"""Where a server's scope may hold a Connection."""
_ids = Random()
"""Seeded by the system. Request ids have to be unique, not secret."""
IN_MEMORY = 1024 * 1024
"""Bytes of an upload that are held in memory. What is longer goes to the disk."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


class ClientGoneError(Exception):
    """The caller closed the connection: there is nobody to answer."""


class Connection(Protocol):
    """What a server tells of the connection that a request came on, beside ASGI: its loss, without being asked."""

    when_lost: Callable[[], object] | None
    """Called once, if the caller goes away."""

    @property
    def is_lost(self) -> bool: ...
    @property
    def has_whole_body(self) -> bool:
        """Whether all of the request has come, so that reading it waits for nobody."""
        ...


class Exchange:
    """What came in, and the way to answer it. Answers once: whole, or as a stream."""

    __slots__ = (
        "_body_left",
        "_connection",
        "_limits",
        "_receive",
        "_send",
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

    def __init__(self, scope: Scope, receive: Receive, send: Send, limits: GatewayLimits, task: Task) -> None:
        """``task``: the one that serves it."""
        self.task = task
        self.started = perf_counter()
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: bytes = scope.get("query_string", b"")
        self.route: str = self.path
        """The path as the table of routes writes it, with ``{names}``."""
        self.arguments: Mapping[str, str] = {}
        """What stands in the path for them."""
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
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
        self._connection: Connection | None = scope.get(CONNECTION)
        self._receive = receive
        self._send = send
        self._limits = limits
        self._spool: Spool | None = None
        self._body_left = b"transfer-encoding" in self.headers or self._declared_length() > 0

    def header(self, name: bytes) -> str:
        """A request header's text, empty if it is not there."""
        return self.headers.get(name, b"").decode("latin-1")

    def query_value(self, name: str) -> str | None:
        """What the query says of ``name``, if anything."""
        return next((value for own, value in parse_qsl(self.query.decode("latin-1")) if own == name), None)

    def _request_id(self) -> str:
        own = self.header(b"x-request-id")
        return own if own and _REQUEST_ID.fullmatch(own) else f"req_{_ids.getrandbits(128):032x}"

    def _declared_length(self) -> int:
        text = self.headers.get(b"content-length", b"0")
        return int(text) if text.isdigit() else 0

    # --- reading -----------------------------------------------------------------------------------------------------

    async def read_body(self, limit: int) -> bytes:
        """The whole body, of at most ``limit`` bytes.

        Raises Refusal when it is larger, encoded or too slow, ClientGoneError when it never ends.
        """
        self._check_body(limit)
        body = await self._read_until(limit + 1)
        if len(body) > limit:
            raise _too_large(limit)
        return body

    async def read_upload(self, limit: int) -> Content:
        """The whole body, as ``read_body`` gives it. Where it is larger than IN_MEMORY it is kept on disk until
        ``release``, and the time for a body is for each IN_MEMORY bytes of it."""
        self._check_body(limit)
        piece = await self._read_until(IN_MEMORY)
        if not self._body_left and len(piece) <= limit:
            return piece
        spool = self._spool = await asyncio.to_thread(Spool)
        while piece:
            if spool.size + len(piece) > limit:
                raise _too_large(limit)
            await asyncio.to_thread(spool.append, piece)
            piece = await self._read_until(IN_MEMORY)
        return spool.content()

    def release(self) -> None:
        """Forget what is kept on disk."""
        if self._spool is not None:
            self._spool.close()

    def _check_body(self, limit: int) -> None:
        if self.headers.get(b"content-encoding", b"identity").strip().lower() not in (b"", b"identity"):
            raise Refusal(415, f"content-encoding {self.header(b'content-encoding')!r} is not supported; send it plain")
        if self._declared_length() > limit:
            raise _too_large(limit)

    async def _read_until(self, enough: int) -> bytes:
        """What comes of the body until it is ``enough`` bytes, or all; empty at the end. Raises Refusal if that takes
        too long."""
        pieces: list[bytes] = []
        size = 0
        is_here = self._connection is not None and self._connection.has_whole_body
        deadline = None if is_here else Deadline(self._limits.body, self.task)
        try:
            while self._body_left and size < enough:
                piece = await self._read_piece()
                size += len(piece)
                pieces.append(piece)
        except asyncio.CancelledError:
            if deadline is None or not deadline.has_passed:
                raise
            raise Refusal(408, f"the request body did not arrive within {self._limits.body:g} s") from None
        finally:
            if deadline is not None:
                deadline.end()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _read_piece(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.client_gone = True
            raise ClientGoneError
        self._body_left = message.get("more_body", False)
        return message.get("body", b"")

    async def _skip_body(self) -> None:
        """Read on for a while: a connection closed under a caller who still sends would swallow the answer."""
        if self.headers.get(b"expect"):
            return  # the body comes only when it is asked for
        try:
            async with asyncio.timeout(self._limits.linger):
                while self._body_left:
                    await self._read_piece()
        except (TimeoutError, ClientGoneError):
            return

    def until_gone(self) -> UntilGone:
        """A context that is cancelled, and raises ClientGoneError, as soon as the caller closes the connection.

        The body must have been read.
        """
        return UntilGone(self, self._receive, self._connection, self.task)

    # --- answering ---------------------------------------------------------------------------------------------------

    async def answer(
        self, status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]] = (), media_type: bytes = JSON
    ) -> None:
        """A whole answer."""
        unread = self._body_left
        length = (b"content-length", b"%d" % len(body))
        await self._start(status, [(b"content-type", media_type), length, *headers], close=unread)
        if unread:
            await self._send({"type": "http.response.body", "body": body, "more_body": True})
            await self._skip_body()
            body = b""
        await self._send({"type": "http.response.body", "body": body})

    async def start_stream(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """The head of a stream of server-sent events."""
        head = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]
        await self._start(200, [*head, (b"x-accel-buffering", b"no"), *headers])

    async def send_piece(self, data: bytes) -> None:
        """A piece of a stream."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end_stream(self, data: bytes) -> None:
        """The last piece of a stream."""
        await self._send({"type": "http.response.body", "body": data})

    async def _start(self, status: int, headers: HeaderList, *, close: bool = False) -> None:
        headers += self.extra_headers
        headers.append((b"x-request-id", self.request_id.encode()))
        if close or self.is_last:
            headers.append((b"connection", b"close"))
        await self._send({"type": "http.response.start", "status": status, "headers": headers})


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


class UntilGone:
    """Watches for the caller's disconnect while the task inside works, and cancels it then.

    Where the server tells of it by itself nothing has to watch.
    """

    __slots__ = ("_cancelling", "_connection", "_exchange", "_receive", "_task", "_watcher")

    def __init__(self, exchange: Exchange, receive: Receive, connection: Connection | None, task: Task) -> None:
        self._exchange = exchange
        self._task = task
        self._receive = receive
        self._connection = connection
        self._watcher: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        self._cancelling = self._task.cancelling()
        if self._connection is None:
            self._watcher = asyncio.create_task(self._watch())
        elif self._connection.is_lost:
            self._lost()
        else:
            self._connection.when_lost = self._lost

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._lost()

    def _lost(self) -> None:
        self._exchange.client_gone = True
        self._task.cancel()

    async def __aexit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if self._watcher is not None:
            self._watcher.cancel()
        elif self._connection is not None:
            self._connection.when_lost = None
        if self._exchange.client_gone and self._task.uncancel() <= self._cancelling:
            raise ClientGoneError
