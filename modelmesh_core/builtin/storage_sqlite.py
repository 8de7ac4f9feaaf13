"""``modelmesh.sqlite.v1``: one SQLite database, shared by the processes of one machine.

Write-ahead logging, so that readers never wait for a writer and a killed process loses nothing that was committed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeVar

import attrs
from modelmesh_core import (
    Clock,
    Duration,
    LedgerAnswer,
    LedgerBatch,
    Storage,
    StorageConnector,
    StorageError,
    StoredInfo,
    SystemClock,
    hookimpl,
)

from . import _ledger_rows
from ._files import chosen_path, file_lock, make_private_folder
from ._worker import WorkerThread

R = TypeVar("R")
_APPLICATION = 0x4D4D5348
_VERSION = 2
_PRUNE_INTERVAL = 3600.0
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS items (
    key TEXT PRIMARY KEY, data BLOB NOT NULL, sha256 TEXT NOT NULL, modified_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS counters (
    key TEXT NOT NULL, period TEXT NOT NULL, name TEXT NOT NULL, total INTEGER NOT NULL, modified_at REAL NOT NULL,
    PRIMARY KEY (key, period, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS leases (
    name TEXT PRIMARY KEY, owner TEXT NOT NULL, expires_at REAL NOT NULL) WITHOUT ROWID;
{_ledger_rows.SCHEMA}
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {_VERSION};
COMMIT;
"""
_SAVE = """
INSERT INTO items (key, data, sha256, modified_at) VALUES (?, ?, ?, ?) ON CONFLICT (key)
DO UPDATE SET data = excluded.data, sha256 = excluded.sha256, modified_at = excluded.modified_at
"""
_ADD = """
INSERT INTO counters (key, period, name, total, modified_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT (key, period, name)
DO UPDATE SET total = total + excluded.total, modified_at = excluded.modified_at
"""
_ACQUIRE = """
INSERT INTO leases (name, owner, expires_at) VALUES (?, ?, ?) ON CONFLICT (name)
DO UPDATE SET owner = excluded.owner, expires_at = excluded.expires_at
WHERE leases.owner = excluded.owner OR leases.expires_at <= ?
"""


@attrs.frozen
class SqliteOptions:
    """Options of ``modelmesh.sqlite.v1``."""

    path: str | None = None
    """The database file; default ``state.db`` in the user's state folder. Not on a network drive."""
    busy_timeout: Duration = 30.0
    """How long to wait for another process that is writing."""
    synchronous: Literal["normal", "full"] = "normal"
    """``full`` also keeps the last moments before a power failure, at the price of a disk flush for each write."""
    counter_retention: Duration = 40 * 86400.0
    """Counters of a window that nobody added to for this long are forgotten; longer than the longest window."""


class SqliteStorage(Storage):
    """A SQLite database, used from one thread. Raises StorageError naming the file when it is damaged."""

    shared = True

    def __init__(self, options: SqliteOptions | None = None, clock: Clock | None = None) -> None:
        self._options = options or SqliteOptions()
        self._clock = clock or SystemClock()
        self._path = chosen_path(self._options.path, "state.db")
        self._thread = WorkerThread("modelmesh.sqlite.v1")
        self._database: sqlite3.Connection | None = None
        self._held: set[tuple[str, str]] = set()
        self._pruned_at = self._clock.now()

    async def open(self) -> None:
        self._thread.start()
        try:
            await self._thread.run(self._guarded, self._connect)
        except BaseException:
            self._thread.stop()
            raise

    async def close(self) -> None:
        if self._database is None:
            return
        try:
            for name, owner in tuple(self._held):
                await self.release(name, owner)
        finally:
            await self._thread.run(self._disconnect)
            self._thread.stop()

    async def load(self, key: str) -> bytes | None:
        rows = await self._run("SELECT data, sha256 FROM items WHERE key = ?", key)
        if not rows:
            return None
        data, digest = rows[0]
        if hashlib.sha256(data).hexdigest() != digest:
            raise self._damaged(f"the value of {key!r} does not match its checksum")
        return data

    async def save(self, key: str, data: bytes) -> None:
        await self._run(_SAVE, key, data, hashlib.sha256(data).hexdigest(), self._clock.now())

    async def list(self, prefix: str = "") -> Sequence[str]:
        rows = await self._run("SELECT key FROM items WHERE substr(key, 1, ?) = ?", len(prefix), prefix)
        return sorted(key for (key,) in rows)

    async def delete(self, key: str) -> bool:
        return await self._change("DELETE FROM items WHERE key = ?", key)

    async def stat(self, key: str) -> StoredInfo | None:
        rows = await self._run("SELECT length(data), modified_at FROM items WHERE key = ?", key)
        return StoredInfo(*rows[0]) if rows else None

    async def acquire(self, name: str, owner: str, lease: float) -> bool:
        now = self._clock.now()
        taken = await self._change(_ACQUIRE, name, owner, now + lease, now)
        if taken:
            self._held.add((name, owner))
        return taken

    async def release(self, name: str, owner: str) -> bool:
        self._held.discard((name, owner))
        statement = "DELETE FROM leases WHERE name = ? AND owner = ? AND expires_at > ?"
        return await self._change(statement, name, owner, self._clock.now())

    async def renew(self, name: str, owner: str, lease: float) -> bool:
        now = self._clock.now()
        statement = "UPDATE leases SET expires_at = ? WHERE name = ? AND owner = ? AND expires_at > ?"
        return await self._change(statement, now + lease, name, owner, now)

    async def is_locked(self, name: str) -> bool:
        statement = "SELECT 1 FROM leases WHERE name = ? AND expires_at > ?"
        return bool(await self._run(statement, name, self._clock.now()))

    async def add(self, key: str, amounts: Mapping[str, int], window: str) -> Mapping[str, int]:
        return await self._thread.run(self._guarded, lambda: self._count(key, amounts, window))

    async def transact(self, batch: LedgerBatch) -> Sequence[LedgerAnswer]:
        return await self._thread.run(self._guarded, lambda: self._keep_books(batch))

    def now(self) -> float:
        return self._clock.now()

    # --- in the worker thread ----------------------------------------------------------------------------------------

    async def _run(self, statement: str, *values: Any) -> Sequence[tuple[Any, ...]]:
        return await self._thread.run(self._guarded, lambda: self._open_database.execute(statement, values).fetchall())

    async def _change(self, statement: str, *values: Any) -> bool:
        """Whether the statement changed a row."""
        return await self._thread.run(
            self._guarded, lambda: self._open_database.execute(statement, values).rowcount > 0
        )

    def _guarded(self, work: Callable[[], R]) -> R:
        try:
            return work()
        except (sqlite3.Error, OSError, OverflowError) as error:
            text = str(error)
            if "malformed" in text or "not a database" in text:
                raise self._damaged(text) from error
            hint = "Check the permissions of its folder and the free space of its disk."
            if "locked" in text:
                hint = "Look for a process that holds the database open in a transaction."
            raise StorageError(f"the database {self._path} could not be used: {text}.", hint=hint) from error

    def _damaged(self, detail: str) -> StorageError:
        return StorageError(
            f"the database {self._path} is damaged: {detail}.",
            hint="Restore it from a backup, or move it away, with its -wal and -shm files, to begin afresh.",
        )

    @property
    def _open_database(self) -> sqlite3.Connection:
        if self._database is None:
            raise StorageError(f"the database {self._path} is not open.")
        return self._database

    def _connect(self) -> None:
        if self._database is not None:
            return
        make_private_folder(self._path.parent)
        # SQLite gives its -wal and -shm files the mode of the database, and two processes that turn a new database
        # to write-ahead logging at once fail without waiting: hence our own file and our own lock.
        with file_lock(self._path.with_name(self._path.name + ".lock"), self._options.busy_timeout):
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            database = sqlite3.connect(
                self._path, timeout=self._options.busy_timeout, isolation_level=None, check_same_thread=False
            )
            try:
                self._prepare(database)
            except BaseException:
                database.close()
                raise
        self._database = database
        self._prune()

    def _prepare(self, database: sqlite3.Connection) -> None:
        (owner,), (version,) = (
            database.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version")
        )
        empty = not database.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
        if not empty and owner != _APPLICATION:
            raise StorageError(f"{self._path} is another program's database.", hint="Choose another path.")
        if version > _VERSION:
            raise StorageError(
                f"the database {self._path} was written by a newer ModelMesh.", hint="Upgrade, or choose another path."
            )
        (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise self._damaged(found)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(f"PRAGMA synchronous = {self._options.synchronous}")
        if empty or version < _VERSION:
            database.executescript(_SCHEMA)

    def _disconnect(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            database.close()

    @contextlib.contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        database = self._open_database
        database.execute("BEGIN IMMEDIATE")
        try:
            yield database
            database.execute("COMMIT")
        except BaseException:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise

    def _count(self, key: str, amounts: Mapping[str, int], window: str) -> Mapping[str, int]:
        statement = "SELECT name, total FROM counters WHERE key = ? AND period = ?"
        if not amounts:
            return dict(self._open_database.execute(statement, (key, window)).fetchall())
        now = self._clock.now()
        if now - self._pruned_at >= _PRUNE_INTERVAL:
            self._prune()
        with self._transaction() as database:
            database.executemany(_ADD, [(key, window, name, amount, now) for name, amount in amounts.items()])
            return dict(database.execute(statement, (key, window)).fetchall())

    def _keep_books(self, batch: LedgerBatch) -> Sequence[LedgerAnswer]:
        now = self._clock.now()
        if now - self._pruned_at >= _PRUNE_INTERVAL:
            self._prune()
        with self._transaction() as database:
            return _ledger_rows.apply_batch(database, batch, now)

    def _prune(self) -> None:
        self._pruned_at = self._clock.now()
        oldest = self._pruned_at - self._options.counter_retention
        for table in ("counters", "ledger_counters"):
            self._open_database.execute(f"DELETE FROM {table} WHERE modified_at < ?", (oldest,))


@hookimpl
def storage_connectors() -> Iterable[StorageConnector]:
    yield StorageConnector(
        id="modelmesh.sqlite.v1",
        create=SqliteStorage,
        options=SqliteOptions,
        description="One SQLite database, shared by the processes of one machine.",
    )
