"""How PostgreSQL is asked: bounded in time and number, and every failure a StorageError."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import socket
from collections.abc import Sequence
from typing import Any

from modelmesh_core import ConnectorError, StorageError

from .options import PostgresOptions


class Connections:
    """A few connections to one database, made when they are first needed, and anew after a failure.

    Raises ConnectorError for a URL that is none.
    """

    def __init__(self, options: PostgresOptions) -> None:
        self._options = options
        self.place, self._password = _place_of(options.url.reveal())
        self._turns = asyncio.Semaphore(options.connections)
        self._idle: list[Any] = []
        self._abandoned: set[asyncio.Task[Any]] = set()

    async def run(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement, which is a transaction of its own, and give its rows."""
        from psycopg import Error

        limit = self._options.connect_timeout + self._options.timeout
        try:
            async with asyncio.timeout(limit), self._turns:
                return await self._run(statement, values)
        except TimeoutError:
            raise StorageError(f"{self.place} did not answer in time.", hint="Is the server overloaded?") from None
        except (Error, OSError, ValueError) as error:
            raise self._failure(error) from None  # what the library's own errors hold is not ours to vouch for

    async def close(self) -> None:
        """Close all of them."""
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.close()
        if self._abandoned:
            await asyncio.wait(self._abandoned, timeout=self._options.timeout)

    async def _run(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        connection = self._live() or await self._connect()
        # A cancelled psycopg would first wait for the server to obey. So the work has a task of its own, which is
        # never cancelled: an abandoned one ends with its socket.
        task = asyncio.ensure_future(_execute(connection, statement, values))
        try:
            rows = await asyncio.shield(task)
        except asyncio.CancelledError:
            self._abandon(connection, task)
            raise
        except BaseException:
            await self._keep(connection)
            raise
        self._idle.append(connection)
        return rows

    def _live(self) -> Any:
        """A connection that is open still, as far as can be seen without asking."""
        while self._idle:
            connection = self._idle.pop()
            if not _has_something_to_say(connection):
                return connection
            connection.pgconn.finish()
        return None

    async def _connect(self) -> Any:
        from psycopg import AsyncConnection

        async with asyncio.timeout(self._options.connect_timeout):
            connection = await AsyncConnection.connect(
                self._options.url.reveal(), autocommit=True, application_name="modelmesh"
            )
        settings = (
            # The server gives up when nobody waits any more; and each statement of a function has to see what was
            # committed while the function waited for its lock.
            "SELECT set_config('statement_timeout', %s, false),"
            " set_config('default_transaction_isolation', 'read committed', false)"
        )
        task = asyncio.ensure_future(_execute(connection, settings, (f"{round(self._options.timeout * 1000)}ms",)))
        try:
            await asyncio.shield(task)
        except BaseException:
            self._abandon(connection, task)
            raise
        return connection

    async def _keep(self, connection: Any) -> None:
        """After a failed statement: the connection may be whole. If it is not, neither are the others."""
        from psycopg.pq import ConnStatus

        if connection.pgconn.status == ConnStatus.OK:
            self._idle.append(connection)
            return
        broken, self._idle = [connection, *self._idle], []
        for one in broken:
            await one.close()

    def _abandon(self, connection: Any, task: asyncio.Task[Any]) -> None:
        async def end() -> None:
            with contextlib.suppress(Exception):
                await task
            connection.pgconn.finish()

        with contextlib.suppress(OSError, Exception):
            own = socket.socket(fileno=os.dup(connection.fileno()))
            with own:
                own.shutdown(socket.SHUT_RDWR)
        ending = asyncio.ensure_future(end())
        self._abandoned.add(ending)
        ending.add_done_callback(self._abandoned.discard)

    def _failure(self, error: Exception) -> StorageError:
        told = getattr(getattr(error, "diag", None), "message_primary", None) or str(error)
        text = " ".join(told.split()) or type(error).__name__
        if self._password:
            text = text.replace(self._password, "***")
        return StorageError(f"{self.place} could not be used: {text.rstrip('.')}.", hint=_hint(error))


async def _execute(connection: Any, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    async with connection.cursor(binary=bool(values)) as cursor:
        await cursor.execute(statement, values or None)
        return await cursor.fetchall() if cursor.description else []


def _has_something_to_say(connection: Any) -> bool:
    """An idle connection is silent until the server ends it."""
    try:
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        return bool(poll.poll(0))
    except Exception:  # it is closed already
        return True


def _hint(error: Exception) -> str:
    code, text = str(getattr(error, "sqlstate", "") or ""), str(error)
    if code.startswith("28") or "authentication failed" in text:
        return "Check the user and the password in storage.url."
    if code == "42501":
        return "Grant the role what it needs on storage.schema, or let it make that."
    if code == "57014":
        return "Is the server overloaded, or its disk slow?"
    if code.startswith("53"):
        return "Is there room for a connection, and on its disk?"
    return "Is the server running, and is storage.url its address?"


def _place_of(url: str) -> tuple[str, str]:
    """The server's name in messages, and the password that stands in none."""
    from psycopg import Error
    from psycopg.conninfo import conninfo_to_dict

    try:
        parts = conninfo_to_dict(url)
    except Error:
        parts = None
    if parts is None:
        raise ConnectorError(
            "postgres.postgres.v1 needs a URL such as postgresql://host:5432/database.", hint="Check storage.url."
        )
    host = parts.get("host") or parts.get("hostaddr") or os.environ.get("PGHOST") or "localhost"
    port = parts.get("port") or os.environ.get("PGPORT") or 5432
    return f"PostgreSQL at {host}:{port}", str(parts.get("password") or os.environ.get("PGPASSWORD") or "")
