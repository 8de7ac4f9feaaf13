"""``modelmesh.memory.v1``: state in this process only, gone when it ends."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence

import attrs
from modelmesh_core import (
    Clock,
    Duration,
    LedgerAnswer,
    LedgerBatch,
    LedgerBook,
    Storage,
    StorageConnector,
    StoredInfo,
    SystemClock,
    hookimpl,
)

_PRUNE_INTERVAL = 3600.0


@attrs.frozen
class MemoryOptions:
    """Options of ``modelmesh.memory.v1``."""

    counter_retention: Duration = 40 * 86400.0
    """Counters of a window that nobody added to for this long are forgotten; longer than the longest window."""


@attrs.define
class _Counters:
    totals: dict[str, int]
    modified_at: float


@attrs.frozen
class _Lease:
    owner: str
    expires_at: float


class MemoryStorage(Storage):
    """A dict, safe to use from several threads and event loops of one process."""

    outlives_process = False

    def __init__(self, options: MemoryOptions | None = None, clock: Clock | None = None) -> None:
        self._options = options or MemoryOptions()
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._items: dict[str, tuple[bytes, float]] = {}
        self._counters: dict[tuple[str, str], _Counters] = {}
        self._leases: dict[str, _Lease] = {}
        self._book = LedgerBook()
        self._pruned_at = self._clock.now()

    async def close(self) -> None:
        with self._lock:
            self._leases.clear()

    async def load(self, key: str) -> bytes | None:
        with self._lock:
            item = self._items.get(key)
        return item[0] if item else None

    async def save(self, key: str, data: bytes) -> None:
        with self._lock:
            self._items[key] = bytes(data), self._clock.now()

    async def list(self, prefix: str = "") -> Sequence[str]:
        with self._lock:
            return sorted(key for key in self._items if key.startswith(prefix))

    async def delete(self, key: str) -> bool:
        with self._lock:
            return self._items.pop(key, None) is not None

    async def stat(self, key: str) -> StoredInfo | None:
        with self._lock:
            item = self._items.get(key)
        return StoredInfo(len(item[0]), item[1]) if item else None

    def _holder(self, name: str) -> str | None:
        lease = self._leases.get(name)
        return lease.owner if lease and lease.expires_at > self._clock.now() else None

    async def acquire(self, name: str, owner: str, lease: float) -> bool:
        with self._lock:
            if self._holder(name) not in (None, owner):
                return False
            self._leases[name] = _Lease(owner, self._clock.now() + lease)
            return True

    async def release(self, name: str, owner: str) -> bool:
        with self._lock:
            if self._holder(name) != owner:
                return False
            del self._leases[name]
            return True

    async def renew(self, name: str, owner: str, lease: float) -> bool:
        with self._lock:
            if self._holder(name) != owner:
                return False
            self._leases[name] = _Lease(owner, self._clock.now() + lease)
            return True

    async def is_locked(self, name: str) -> bool:
        with self._lock:
            return self._holder(name) is not None

    async def add(self, key: str, amounts: Mapping[str, int], window: str) -> Mapping[str, int]:
        now = self._clock.now()
        with self._lock:
            if not amounts:
                known = self._counters.get((key, window))
                return dict(known.totals) if known else {}
            if now - self._pruned_at >= _PRUNE_INTERVAL:
                self._prune(now)
            counters = self._counters.setdefault((key, window), _Counters({}, now))
            counters.modified_at = now
            for name, amount in amounts.items():
                counters.totals[name] = counters.totals.get(name, 0) + amount
            return dict(counters.totals)

    async def transact(self, batch: LedgerBatch) -> Sequence[LedgerAnswer]:
        with self._lock:
            return self._book.apply(batch, self._clock.now())

    def now(self) -> float:
        return self._clock.now()

    def _prune(self, now: float) -> None:
        self._pruned_at = now
        oldest = now - self._options.counter_retention
        self._book.prune(oldest)
        self._counters = {place: kept for place, kept in self._counters.items() if kept.modified_at >= oldest}


@hookimpl
def storage_connectors() -> Iterable[StorageConnector]:
    yield StorageConnector(
        id="modelmesh.memory.v1",
        create=MemoryStorage,
        options=MemoryOptions,
        description="State in this process only, gone when it ends.",
    )
