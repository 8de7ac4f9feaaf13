"""How Redis is asked: bounded in time and number, and every failure a StorageError."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from modelmesh_core import ConnectorError, StorageError

from .options import RedisOptions

R = TypeVar("R")


class Connection:
    """A client of one server or cluster. It connects when it is first used, and anew after a failure.

    Raises ConnectorError for a URL that is none.
    """

    def __init__(self, options: RedisOptions) -> None:
        self._options = options
        self.place, self._password = _place_of(options.url.reveal())
        self._turns = asyncio.Semaphore(options.connections)
        self._client: Any = None

    async def command(self, *arguments: bytes | str | float) -> Any:
        """Run one command."""
        return await self._guarded(lambda: self._opened.execute_command(*arguments))

    async def script(self, source: str, keys: Sequence[str], *arguments: bytes | str | float) -> Any:
        """Run a script by its digest; by its source where the server does not know it (any more)."""
        return await self._guarded(lambda: self._run(source, (*keys, *arguments), len(keys)))

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            async with asyncio.timeout(self._options.timeout):
                await client.aclose()

    async def _run(self, source: str, values: Sequence[bytes | str | float], keys: int) -> Any:
        from redis.exceptions import NoScriptError

        client = self._opened
        try:
            return await client.evalsha(_digest(source), keys, *values)
        except NoScriptError:
            return await client.eval(source, keys, *values)

    async def _guarded(self, work: Callable[[], Awaitable[R]]) -> R:
        from redis.exceptions import RedisClusterException, RedisError

        limit = self._options.connect_timeout + self._options.timeout
        try:
            async with asyncio.timeout(limit), self._turns:
                return await work()
        except TimeoutError:
            raise StorageError(f"{self.place} did not answer in time.", hint="Is the server overloaded?") from None
        except RedisClusterException as error:
            # A client that has lost every node may have forgotten all their addresses, too.
            with contextlib.suppress(Exception):
                await self.close()
            raise self._failure(error) from None
        except (RedisError, OSError, ValueError) as error:
            raise self._failure(error) from None  # what the library's own errors hold is not ours to vouch for

    def _failure(self, error: Exception) -> StorageError:
        text = str(error) or type(error).__name__
        if self._password:
            text = text.replace(self._password, "***")
        return StorageError(f"{self.place} could not be used: {text.rstrip('.')}.", hint=_hint(text))

    @property
    def _opened(self) -> Any:
        if self._client is None:
            self._client = self._new_client()
        return self._client

    def _new_client(self) -> Any:
        from redis.asyncio import Redis, RedisCluster
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        options, url = self._options, self._options.url.reveal()
        settings: dict[str, Any] = {
            "socket_connect_timeout": options.connect_timeout,
            "socket_timeout": options.timeout,
            # What was perhaps done already is not done again: a counter would count it twice.
            "retry": Retry(NoBackoff(), 0),
            "protocol": 2,
        }
        if options.tls_ca_file is not None:
            settings["ssl_ca_certs"] = options.tls_ca_file
        kind: Any = RedisCluster if options.cluster else Redis
        return kind.from_url(url, **settings)


def _digest(source: str) -> str:
    return hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()


def _hint(text: str) -> str:
    if any(word in text for word in ("WRONGPASS", "NOAUTH", "NOPERM", "AUTH")):
        return "Check the user and the password in storage.url, and what they may do."
    if any(word in text for word in ("READONLY", "MISCONF", "OOM")):
        return "Is it the primary, and is there room in its memory and on its disk?"
    return "Is the server running, and is storage.url its address?"


def _place_of(url: str) -> tuple[str, str]:
    """The server's name in messages, and the password that stands in none."""
    parts, place, is_known = urlsplit(""), "", False
    with contextlib.suppress(ValueError):
        parts = urlsplit(url)
        place = f"{parts.hostname or 'localhost'}:{parts.port or 6379}"
        is_known = parts.scheme in ("redis", "rediss", "unix")
    if not is_known:
        raise ConnectorError("redis.redis.v1 needs a URL such as redis://host:6379/0.", hint="Check storage.url.")
    password = unquote(parts.password or "")
    if parts.scheme == "unix":
        return f"Redis at {unquote(parts.path)}", password
    return f"Redis at {place}", password
