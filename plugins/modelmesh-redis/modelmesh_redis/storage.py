"""``redis.redis.v1``: values, leases, counters and the ledger in Redis, shared by every process that reaches it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from modelmesh_core import LedgerAnswer, LedgerBatch, Storage, StorageError, StoredInfo

from . import scripts
from .connection import Connection
from .ledger import read_answers, written_operations
from .options import RedisOptions

_VERSION = 1
_LARGEST = 2**63


class RedisStorage(Storage):
    """One prefix in Redis, used from one event loop. Leases and signs of life follow Redis' own clock."""

    shared = True

    def __init__(self, options: RedisOptions | None = None) -> None:
        self._options = options or RedisOptions()
        self._connection = Connection(self._options)
        self._held: set[tuple[str, str]] = set()

    async def open(self) -> None:
        version = int(await self._connection.script(scripts.VERSION, [self._key("version")], _VERSION))
        if version != _VERSION:
            raise StorageError(
                f"{self._connection.place} holds the state of another version of ModelMesh ({version}).",
                hint="Upgrade every process, or choose another storage.prefix.",
            )

    async def close(self) -> None:
        try:
            for name, owner in tuple(self._held):
                await self.release(name, owner)
        finally:
            await self._connection.close()

    # --- values ------------------------------------------------------------------------------------------------------

    async def load(self, key: str) -> bytes | None:
        data, digest = await self._connection.command("HMGET", self._key("item", key), "data", "sha256")
        if data is None:
            return None
        if digest is None or hashlib.sha256(data).hexdigest() != digest.decode():
            raise StorageError(
                f"{self._connection.place}: the value of {key!r} does not match its checksum.",
                hint="Restore it from a backup, or delete it to begin afresh.",
            )
        return data

    async def save(self, key: str, data: bytes) -> None:
        keys = self._key("item", key), self._key("items")
        await self._connection.script(scripts.SAVE, keys, key, data, hashlib.sha256(data).hexdigest())

    async def list(self, prefix: str = "") -> Sequence[str]:
        start, end = (f"[{prefix}", f"[{prefix}\x7f") if prefix else ("-", "+")
        found = await self._connection.command("ZRANGEBYLEX", self._key("items"), start, end)
        return sorted(key.decode() for key in found)

    async def delete(self, key: str) -> bool:
        keys = self._key("item", key), self._key("items")
        return bool(await self._connection.script(scripts.DELETE, keys, key))

    async def stat(self, key: str) -> StoredInfo | None:
        size, modified_at = await self._connection.command("HMGET", self._key("item", key), "size", "modified_at")
        return None if size is None else StoredInfo(int(size), float(modified_at))

    # --- leases ------------------------------------------------------------------------------------------------------

    async def acquire(self, name: str, owner: str, lease: float) -> bool:
        taken = await self._lease(scripts.ACQUIRE, name, owner, _milliseconds(lease))
        if taken:
            self._held.add((name, owner))
        return taken

    async def release(self, name: str, owner: str) -> bool:
        self._held.discard((name, owner))
        return await self._lease(scripts.RELEASE, name, owner)

    async def renew(self, name: str, owner: str, lease: float) -> bool:
        return await self._lease(scripts.RENEW, name, owner, _milliseconds(lease))

    async def is_locked(self, name: str) -> bool:
        return bool(await self._connection.command("EXISTS", self._key("lease", name)))

    async def _lease(self, script: str, name: str, *arguments: str | int) -> bool:
        return bool(await self._connection.script(script, [self._key("lease", name)], *arguments))

    # --- counters ----------------------------------------------------------------------------------------------------

    async def add(self, key: str, amounts: Mapping[str, int], window: str) -> Mapping[str, int]:
        counter = self._key("counter", f"{len(key)}:{key}:{window}")
        if not amounts:
            return _totals(await self._connection.command("HGETALL", counter))
        for amount in amounts.values():
            if not -_LARGEST <= amount < _LARGEST:
                raise StorageError(f"redis.redis.v1 cannot count {amount}: more than 63 bits.")
        pairs = [value for pair in amounts.items() for value in pair]
        fields = await self._connection.script(scripts.ADD, [counter], self._retention, *pairs)
        return _totals(dict(zip(fields[::2], fields[1::2], strict=True)))

    async def transact(self, batch: LedgerBatch) -> Sequence[LedgerAnswer]:
        keys = [self._key("ledger", name) for name in ("owners", "sequences", "held", "counter:")]
        return read_answers(
            batch,
            await self._connection.script(
                scripts.TRANSACT,
                keys,
                batch.owner,
                batch.sequence,
                batch.hold,
                self._retention,
                written_operations(batch),
            ),
        )

    @property
    def _retention(self) -> int:
        return _milliseconds(self._options.counter_retention)

    def _key(self, *parts: str) -> str:
        return ":".join((f"{{{self._options.prefix}}}", *parts))


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _totals(fields: Mapping[bytes, bytes]) -> dict[str, int]:
    return {name.decode(): int(total) for name, total in fields.items()}
