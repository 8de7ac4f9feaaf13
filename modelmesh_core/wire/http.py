"""HTTP as values: what a connector asks for and what came back. No sockets here; transport/ owns them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any, Protocol, TypeVar, overload

import attrs
import orjson

from ..errors import Failure, FailureKind, provider_error
from ..values import new_dict, quick_frozen
from .stored import Content

T = TypeVar("T")
SLACK = 0.1
"""Seconds by which a limit may be passed. So the same limits serve all exchanges that have just begun."""


@attrs.frozen(slots=False)
class HttpTimeouts:
    """Limits on one HTTP exchange, in seconds; None is no limit. The router narrows them to the request's deadline."""

    connect: float | None = 10.0
    """Until the connection stands, TLS included."""
    first_byte: float | None = 120.0
    """From sending the request to the response's status line."""
    idle: float | None = 120.0
    """Between two pieces of the body."""
    total: float | None = 600.0
    """For the whole exchange."""

    def within(self, remaining: float | None) -> HttpTimeouts:
        """These limits, none longer than ``remaining`` seconds."""
        if remaining is None or remaining + SLACK >= self.longest:
            return self

        def least(limit: float | None) -> float:
            return remaining if limit is None else min(limit, remaining)

        return HttpTimeouts(least(self.connect), least(self.first_byte), least(self.idle), least(self.total))

    @cached_property
    def longest(self) -> float:
        """The longest of the four; infinite where one is no limit."""
        limits = (self.connect, self.first_byte, self.idle, self.total)
        return max(float("inf") if limit is None else limit for limit in limits)


class Headers(Mapping[str, str]):
    """Response headers: case-insensitive, several values of one name joined by a comma."""

    __slots__ = ("lower",)

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        values: dict[str, str] = {}
        for name, value in items:
            name = name.lower()
            values[name] = f"{values[name]}, {value}" if name in values else value
        self.lower = values
        """By their names in lower case, for who asks with each response. Not to be changed."""

    @classmethod
    def received(cls, lines: Iterable[str]) -> Headers:
        """As they came, each in a line that a parser has let through."""
        values: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            name, value = name.lower(), value.strip(" \t")
            values[name] = value if name not in values else f"{values[name]}, {value}"
        headers = cls.__new__(cls)
        headers.lower = values
        return headers

    def __getitem__(self, name: str) -> str:
        return self.lower[name.lower()]

    # A Mapping asks ``__getitem__`` for these, and catches its KeyError: too slow for what most responses lack.

    @overload
    def get(self, key: str, default: None = None, /) -> str | None: ...
    @overload
    def get(self, key: str, default: str, /) -> str: ...
    @overload
    def get(self, key: str, default: T, /) -> str | T: ...
    def get(self, key: str, default: Any = None, /) -> Any:
        return self.lower.get(key.lower(), default)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self.lower

    def __iter__(self) -> Any:
        return iter(self.lower)

    def __len__(self) -> int:
        return len(self.lower)

    def __repr__(self) -> str:
        return f"Headers({list(self.lower)})"  # values can hold cookies and account ids: names only


class HeaderSet(dict[str, str]):
    """Request headers that many requests are sent with, and that never change: what was made of them is kept."""

    __slots__ = ("heads",)

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__(headers)
        self.heads: dict[tuple[str, str], Any] = {}
        """Method and URL → what an engine has made of the requests that are sent there with them."""


@quick_frozen
class HttpRequest:
    """One HTTP call that a connector wants made."""

    method: str
    url: str
    """Absolute; built by the connector from its configured base URL, never from the caller's words."""
    headers: Mapping[str, str] = attrs.field(factory=new_dict, repr=lambda headers: str(list(headers)))
    """Sent as they are. Names are lower case. The value of a secret stands here in clear: never log this."""
    body: Content | None = attrs.field(default=None, repr=False)
    stream: bool = False
    """Hand the response over when its head has come, if it is a success; the body goes to the decoder."""
    delay: float = 0.0
    """Seconds to wait before sending, for flows that poll. The router counts them against the deadline."""


@quick_frozen
class HttpResponse:
    """What came back. For a streamed success ``body`` is empty and the bytes go to the StreamDecoder."""

    status: int
    headers: Headers = attrs.field(factory=Headers)
    body: bytes = attrs.field(default=b"", repr=False)
    received_at: float = 0.0
    """UTC epoch seconds, for headers that name a moment."""

    def json(self) -> Any:
        """The decoded body. Raises the ProviderError of kind UNDECODABLE, naming what came instead."""
        try:
            return orjson.loads(self.body)
        except ValueError as error:
            media_type = self.headers.get("content-type", "no content type")
            raise provider_error(
                Failure(
                    FailureKind.UNDECODABLE,
                    f"HTTP {self.status} with a body that is not JSON ({media_type}, {len(self.body)} bytes, "
                    f"beginning {self.body[:80]!r}): {error}",
                    status=self.status,
                )
            ) from error


def retry_after_seconds(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds to wait by ``retry-after-ms`` or ``retry-after`` (seconds, or an HTTP date against ``now``)."""
    milliseconds = headers.get("retry-after-ms")
    if milliseconds is not None:
        try:
            return max(0.0, float(milliseconds) / 1000)
        except ValueError:
            pass  # fall through to the other header: a malformed hint is no hint
    text = headers.get("retry-after")
    if text is None:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass  # not a number of seconds, so it should be a date
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except ValueError:
        return None


class ByteStream(Protocol):
    """A response whose body is still arriving. The transport gives it; the router closes it."""

    status: int
    headers: Headers

    async def read_chunk(self) -> bytes:
        """The next piece as it arrives; ``b""`` at the end. Raises ProviderError on reset, cut or idle time-out."""
        ...

    async def read_all(self, limit: int) -> bytes:
        """The rest of the body. Raises ProviderError when it passes ``limit`` bytes."""
        ...

    async def aclose(self) -> None:
        """Close the socket if the body has not ended, else return the connection for reuse. Idempotent."""
        ...
