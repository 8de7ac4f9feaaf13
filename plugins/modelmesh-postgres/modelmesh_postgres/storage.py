"""``postgres.postgres.v1``: values, leases, counters and the ledger in PostgreSQL, shared by all that reach it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from modelmesh_core import Clock, LedgerAnswer, LedgerBatch, Storage, StorageError, StoredInfo, SystemClock

from .connections import Connections, transaction
from .ledger import LOAD, SAVE, applied, load_values
from .options import PostgresOptions
from .schema import VERSION, making

_PRUNE_INTERVAL = 3600.0
_SAVE = """
INSERT INTO "$".items VALUES (%s, %s, %s, "$".epoch()) ON CONFLICT (key)
DO UPDATE SET data = excluded.data, sha256 = excluded.sha256, modified_at = excluded.modified_at
"""
_ACQUIRE = """
INSERT INTO "$".leases AS held VALUES (%s, %s, "$".epoch() + %s::float8) ON CONFLICT (name)
DO UPDATE SET owner = excluded.owner, expires_at = excluded.expires_at
WHERE held.owner = excluded.owner OR held.expires_at <= "$".epoch() RETURNING 1
"""
_RENEW = """
UPDATE "$".leases SET expires_at = "$".epoch() + %s::float8
WHERE name = %s AND owner = %s AND expires_at > "$".epoch() RETURNING 1
"""
# In the order of their names, so that two processes never wait for each other.
_ADD = """
WITH added AS (
    INSERT INTO "$".counters AS c
    SELECT %(key)s::text, %(period)s::text, name, amount, "$".epoch()
    FROM unnest(%(names)s::text[], %(amounts)s::bigint[]) AS more (name, amount) ORDER BY name
    ON CONFLICT (key, period, name) DO UPDATE SET total = c.total + excluded.total, modified_at = excluded.modified_at
    RETURNING name, total)
SELECT name, total FROM added UNION ALL
SELECT name, total FROM "$".counters WHERE key = %(key)s AND period = %(period)s AND name <> ALL (%(names)s::text[])
"""


class PostgresStorage(Storage):
    """One schema of a database, used from one event loop. Leases and signs of life follow the server's own clock."""

    shared = True

    def __init__(self, options: PostgresOptions | None = None, clock: Clock | None = None) -> None:
        self._options = options or PostgresOptions()
        self._clock = clock or SystemClock()
        self._connections = Connections(self._options)
        self._held: set[tuple[str, str]] = set()
        self._pruned_at = self._clock.monotonic()

    async def open(self) -> None:
        if await self._version() is None:
            await self._connections.run(making(self._options.schema))
        version = await self._version()
        if version != VERSION:
            raise StorageError(
                f"the schema {self._options.schema!r} of {self._connections.place} was made by another version of "
                f"ModelMesh ({version}).",
                hint="Upgrade every process, or choose another storage.schema.",
            )

    async def close(self) -> None:
        try:
            for name, owner in tuple(self._held):
                await self.release(name, owner)
        finally:
            await self._connections.close()

    # --- values ------------------------------------------------------------------------------------------------------

    async def load(self, key: str) -> bytes | None:
        rows = await self._run('SELECT data, sha256 FROM "$".items WHERE key = %s', key)
        if not rows:
            return None
        data, digest = rows[0]
        if hashlib.sha256(data).hexdigest() != digest:
            raise StorageError(
                f"{self._connections.place}: the value of {key!r} does not match its checksum.",
                hint="Restore it from a backup, or delete it to begin afresh.",
            )
        return data

    async def save(self, key: str, data: bytes) -> None:
        await self._run(_SAVE, key, data, hashlib.sha256(data).hexdigest())

    async def list(self, prefix: str = "") -> Sequence[str]:
        rows = await self._run('SELECT key FROM "$".items WHERE starts_with(key, %s)', prefix)
        return sorted(key for (key,) in rows)

    async def delete(self, key: str) -> bool:
        return bool(await self._run('DELETE FROM "$".items WHERE key = %s RETURNING 1', key))

    async def stat(self, key: str) -> StoredInfo | None:
        rows = await self._run('SELECT length(data), modified_at FROM "$".items WHERE key = %s', key)
        return StoredInfo(*rows[0]) if rows else None

    # --- leases ------------------------------------------------------------------------------------------------------

    async def acquire(self, name: str, owner: str, lease: float) -> bool:
        taken = bool(await self._run(_ACQUIRE, name, owner, lease))
        if taken:
            self._held.add((name, owner))
        return taken

    async def release(self, name: str, owner: str) -> bool:
        self._held.discard((name, owner))
        statement = 'DELETE FROM "$".leases WHERE name = %s AND owner = %s AND expires_at > "$".epoch() RETURNING 1'
        return bool(await self._run(statement, name, owner))

    async def renew(self, name: str, owner: str, lease: float) -> bool:
        return bool(await self._run(_RENEW, lease, name, owner))

    async def is_locked(self, name: str) -> bool:
        return bool(await self._run('SELECT 1 FROM "$".leases WHERE name = %s AND expires_at > "$".epoch()', name))

    # --- counters ----------------------------------------------------------------------------------------------------

    async def add(self, key: str, amounts: Mapping[str, int], window: str) -> Mapping[str, int]:
        if not amounts:
            statement = 'SELECT name, total FROM "$".counters WHERE key = %s AND period = %s'
            return dict(await self._run(statement, key, window))
        await self._prune_now_and_then()
        values = {"key": key, "period": window, "names": [*amounts], "amounts": [*amounts.values()]}
        return dict(await self._connections.run(self._named(_ADD), values))

    async def transact(self, batch: LedgerBatch) -> Sequence[LedgerAnswer]:
        await self._prune_now_and_then()

        def change(loaded: str) -> tuple[Sequence[LedgerAnswer], tuple[str, Any]]:
            answers, values = applied(batch, loaded)
            return answers, (self._named(SAVE), values)

        first = self._named(LOAD), load_values(batch)
        try:
            return await self._connections.work(lambda connection: transaction(connection, first, change))
        except TypeError as error:
            raise StorageError(f"the ledger of postgres.postgres.v1 cannot hold that: {error}.") from error

    async def _prune_now_and_then(self) -> None:
        if self._clock.monotonic() - self._pruned_at >= _PRUNE_INTERVAL:
            self._pruned_at = self._clock.monotonic()
            await self._run('SELECT "$".prune(%s::float8)', self._options.counter_retention)

    # --- statements --------------------------------------------------------------------------------------------------

    async def _run(self, statement: str, *values: Any) -> Sequence[tuple[Any, ...]]:
        return await self._connections.run(self._named(statement), values)

    def _named(self, statement: str) -> str:
        return statement.replace('"$"', f'"{self._options.schema}"')

    async def _version(self) -> int | None:
        """The version of the tables; None if there are none."""
        ((table,),) = await self._run("SELECT to_regclass(%s)::text", f'"{self._options.schema}".about')
        if table is None:
            return None
        rows = await self._run('SELECT version FROM "$".about')
        return rows[0][0] if rows else None
