"""Storage connectors: where state and counters outlive the process."""

from __future__ import annotations

import asyncio
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from ..errors import StorageError
from .ledger import LedgerAnswer, LedgerBatch, LedgerBook

LEDGER_KEY = "ledger/book.json"
_LEDGER_LEASE = 10.0
_LEDGER_WAIT = 30.0


@attrs.frozen
class StoredInfo:
    """``stat`` of a stored key."""

    size: int
    """Bytes."""
    modified_at: float
    """UTC epoch seconds."""


class Storage(ABC):
    """One configured store of named byte strings, leases and counters. Raises StorageError when it cannot work.

    Keys match ``[a-z0-9][a-z0-9._/-]*``. Methods may wait on a disk or a socket and are never called on a request's
    path, apart from ``transact``, once before and once after an attempt that a limit or a budget binds.
    """

    shared: bool = False
    """Whether several processes can use it at once."""
    outlives_process: bool = True
    """Whether anything in it is there for the next process. Otherwise the ledger stays in memory."""

    async def open(self) -> None:  # noqa: B027  (nothing to open is the common case)
        """Connect. Called once before anything else."""

    async def close(self) -> None:  # noqa: B027
        """Release everything. Leases that this process holds are released."""

    @abstractmethod
    async def load(self, key: str) -> bytes | None:
        """The stored bytes, or None. Never a half-written value."""

    @abstractmethod
    async def save(self, key: str, data: bytes) -> None:
        """Store atomically: after a crash at any moment the old or the new value is there, whole."""

    @abstractmethod
    async def list(self, prefix: str = "") -> Sequence[str]:
        """Keys that begin with ``prefix``, sorted."""

    @abstractmethod
    async def delete(self, key: str) -> bool:
        """Remove; False if there was none."""

    @abstractmethod
    async def stat(self, key: str) -> StoredInfo | None:
        """Size and age, or None."""

    async def exists(self, key: str) -> bool:
        return await self.stat(key) is not None

    @abstractmethod
    async def acquire(self, name: str, owner: str, lease: float) -> bool:
        """Take the lease ``name`` for ``lease`` seconds. True if it was free, expired, or already the owner's."""

    @abstractmethod
    async def release(self, name: str, owner: str) -> bool:
        """Give it back. False if ``owner`` does not hold it."""

    @abstractmethod
    async def renew(self, name: str, owner: str, lease: float) -> bool:
        """Extend it to ``lease`` seconds from now. False if ``owner`` no longer holds it."""

    @abstractmethod
    async def is_locked(self, name: str) -> bool:
        """Whether anybody holds it."""

    @abstractmethod
    async def add(self, key: str, amounts: Mapping[str, int], window: str) -> Mapping[str, int]:
        """Add to the counters of ``key`` in ``window`` (an opaque label such as ``day:2026-11-23``), atomically.

        Returns the new totals. Amounts may be negative (a release). Money is counted in integers by the caller.
        Adding nothing (``{}``) reads. Counters of several processes add up; they never overwrite each other.
        """

    async def transact(self, batch: LedgerBatch) -> Sequence[LedgerAnswer]:
        """Apply a batch of the ledger's operations in one atomic step, as ``LedgerBook.apply`` does; its answers.

        Raises StorageError when the store cannot be asked: the batch may then have been applied or not, and is sent
        again with its sequence. This one keeps a book as a value, under a lease, which any store can do, slowly:
        override it where the store has something better.
        """
        owner, deadline = f"{batch.owner}/{batch.sequence}", time.monotonic() + _LEDGER_WAIT
        while not await self.acquire("ledger", owner, _LEDGER_LEASE):
            if time.monotonic() >= deadline:
                raise StorageError("the ledger stayed locked by another process.", hint="Look for one that hangs.")
            await asyncio.sleep(0.02)
        try:
            book = read_book(await self.load(LEDGER_KEY))
            answers = book.apply(batch, self.now())
            await self.save(LEDGER_KEY, written_book(book))
            return answers
        finally:
            await self.release("ledger", owner)

    def now(self) -> float:
        """UTC epoch seconds, by the clock that the store's leases follow."""
        return time.time()


def read_book(data: bytes | None) -> LedgerBook:
    """The book that a storage keeps as one document. Raises StorageError if it is none."""
    if data is None:
        return LedgerBook()
    try:
        return LedgerBook.restored(json.loads(data))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StorageError(
            f"the ledger {LEDGER_KEY!r} cannot be read: {error}.",
            hint="Restore it from a backup, or delete it to begin afresh; usage counts are then forgotten.",
        ) from error


def written_book(book: LedgerBook) -> bytes:
    """A book as ``read_book`` takes it."""
    return json.dumps(book.export(), separators=(",", ":")).encode()


@attrs.frozen
class StorageConnector:
    """A storage connector, as a plugin's ``storage_connectors`` hook yields it."""

    id: str
    create: Callable[[Any], Storage]
    """Takes an instance of ``options`` (None if there is no options class)."""
    options: type | None = None
    description: str = ""
