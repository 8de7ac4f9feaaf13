"""How PostgreSQL is asked: bounded in time and number, and every failure a StorageError."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import socket
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from modelmesh_core import ConnectorError, StorageError

from .options import PostgresOptions

_SETTINGS = """
SELECT set_config('statement_timeout', %s, false),
    set_config('idle_in_transaction_session_timeout', %s, false),
    set_config('default_transaction_isolation', 'read committed', false)
"""
"""The server gives up when nobody waits any more, and takes the ledger's lock from a process that stalls. Each
statement of a function has to see what was committed while the function waited for its lock."""
R = TypeVar("R")
Rows = list[tuple[Any, ...]]


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

    async def run(self, statement: str, values: Any = ()) -> Rows:
        """Run one statement, which is a transaction of its own, and give its rows."""
        return await self.work(lambda connection: _execute(connection, statement, values))

    async def work(self, work: Callable[[Any], Coroutine[Any, Any, R]]) -> R:
        """Do ``work`` with a connection of its own. A transaction that it leaves open is undone."""
        from psycopg import Error

        limit = self._options.connect_timeout + self._options.timeout
        try:
            async with asyncio.timeout(limit), self._turns:
                return await self._work(work)
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

    async def _work(self, work: Callable[[Any], Coroutine[Any, Any, R]]) -> R:
        connection = self._live() or await self._connect()
        # A cancelled psycopg would first wait for the server to obey. So the work has a task of its own, which is
        # never cancelled: an abandoned one ends with its socket.
        task = asyncio.ensure_future(work(connection))
        try:
            result = await asyncio.shield(task)
        except asyncio.CancelledError:
            self._abandon(connection, task)
            raise
        except BaseException:
            self._keep(connection)
            raise
        self._idle.append(connection)
        return result

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
        limit = f"{round(self._options.timeout * 1000)}ms"
        task = asyncio.ensure_future(_execute(connection, _SETTINGS, (limit, limit)))
        try:
            await asyncio.shield(task)
        except BaseException:
            self._abandon(connection, task)
            raise
        return connection

    def _keep(self, connection: Any) -> None:
        """After a failure: the connection may be whole. If it is not, neither are the others."""
        from psycopg.pq import ConnStatus, TransactionStatus

        server = connection.pgconn
        if server.status == ConnStatus.OK and server.transaction_status == TransactionStatus.IDLE:
            self._idle.append(connection)
            return
        if server.status != ConnStatus.OK:
            while self._idle:
                self._idle.pop().pgconn.finish()
        server.finish()

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


async def transaction(connection: Any, first: tuple[str, Any], then: Callable[[Any], tuple[R, tuple[str, Any]]]) -> R:
    """Run ``first``, which begins a transaction and ends with a query of one value, and what ``then`` makes of that.

    Two round trips: the values are put into the statements here, so that several go together.
    """
    from psycopg import AsyncClientCursor

    async with AsyncClientCursor[Any](connection) as cursor:
        await cursor.execute(first[0].encode(), first[1])
        while cursor.nextset():
            pass
        ((value,),) = await cursor.fetchall()
        result, last = then(value)
        await cursor.execute(last[0].encode(), last[1])
        return result


async def _execute(connection: Any, statement: str, values: Any) -> Rows:
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
