"""DocumentStorage: leases, counters and the ledger over a service that can do one thing atomically.

That thing is to replace a document if nobody has replaced it since it was read. What a process wants to change at the
same time goes into one replacement. Each document names the last replacement of every process that writes it: so a
process whose answer was lost finds out from the document whether it was the one.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from random import Random
from typing import Any, TypeVar

import attrs

from ..errors import StorageError
from ..values import Clock
from .ledger import LedgerAnswer, LedgerBatch, LedgerBook
from .storage import Storage

R = TypeVar("R")
Content = dict[str, Any]
_FORMAT = 1
_LEDGER = "ledger"
_FORGET_WRITERS = 900.0
"""Seconds. A replacement whose answer was lost is looked for at once, or not at all."""
_PRUNE_INTERVAL = 3600.0
_FIRST_PAUSE = 0.01


@attrs.define
class _Wish:
    """A change that somebody waits for."""

    work: Callable[[Any], Any]
    done: asyncio.Future[Any]


@attrs.define
class _Document:
    """What ``read_document`` gave, opened."""

    content: Content
    writers: dict[str, tuple[int, float]]
    """Writer → the number of its last replacement, and when that was (UTC epoch seconds)."""

    @classmethod
    def opened(cls, name: str, data: bytes | None) -> _Document:
        if data is None:
            return cls({}, {})
        try:
            saved: Any = json.loads(data)
            document = cls(saved["content"], {name: (number, at) for name, (number, at) in saved["writers"].items()})
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise _damaged(name, f"it cannot be read ({type(error).__name__})") from None
        if saved["format"] != _FORMAT:
            raise StorageError(
                f"the state {name!r} was written by another version of ModelMesh.", hint="Upgrade every process."
            )
        return document

    def written(self) -> bytes:
        return _dumped({"format": _FORMAT, "writers": self.writers, "content": self.content})


class DocumentStorage(Storage):
    """Needs values, and ``read_document`` and ``swap_document``. For one event loop.

    ``lock_timeout`` is how long to go on while other processes are always faster.
    """

    shared = True
    longest_pause = 1.0
    """Seconds between two tries of a replacement that came too late."""

    def __init__(self, clock: Clock, *, lock_timeout: float, counter_retention: float) -> None:
        self._clock = clock
        self._lock_timeout = lock_timeout
        self._retention = counter_retention
        self._random = Random()
        self._writer = secrets.token_hex(6)
        self._sequence = 0
        self._held: set[tuple[str, str]] = set()
        self._wishes: dict[str, list[_Wish]] = {}
        self._writing: dict[str, asyncio.Task[None]] = {}
        self._pruned_at = clock.monotonic()

    @abstractmethod
    async def read_document(self, name: str) -> tuple[bytes | None, str]:
        """The document, or None, and what tells this state of it from every later one."""

    @abstractmethod
    async def swap_document(self, name: str, data: bytes, tag: str) -> bool:
        """Replace the document if it still is as ``read_document`` found it with ``tag``; whether it was.

        False also where nobody knows: the document is then read again.
        """

    def place(self, kind: str, label: str) -> str:
        """The document for ``label`` of ``leases`` or ``counters``. Overridden where documents are better few."""
        return f"{kind}/{label}"

    async def close(self) -> None:
        for name, owner in tuple(self._held):
            await self.release(name, owner)
        while self._writing:
            await asyncio.gather(*self._writing.values(), return_exceptions=True)

    # --- leases ------------------------------------------------------------------------------------------------------

    async def acquire(self, name: str, owner: str, lease: float) -> bool:
        taken = await self._take(name, owner, lease, (None, owner))
        if taken:
            self._held.add((name, owner))
        return taken

    async def release(self, name: str, owner: str) -> bool:
        self._held.discard((name, owner))

        def give_back(leases: Content) -> bool:
            if self._holder(leases, name) != owner:
                return False
            del leases[name]
            return True

        return await self.change(self.place("leases", name), give_back)

    async def renew(self, name: str, owner: str, lease: float) -> bool:
        return await self._take(name, owner, lease, (owner,))

    async def is_locked(self, name: str) -> bool:
        leases = await self.content(self.place("leases", name))
        return self._holder(leases, name) is not None

    async def _take(self, name: str, owner: str, lease: float, expected: tuple[str | None, ...]) -> bool:
        def take(leases: Content) -> bool:
            if self._holder(leases, name) not in expected:
                return False
            leases[name] = [owner, self.now() + lease]
            return True

        return await self.change(self.place("leases", name), take)

    def _holder(self, leases: Content, name: str) -> str | None:
        owner, until = leases.get(name, (None, 0.0))
        return owner if until > self.now() else None

    # --- counters and the ledger -------------------------------------------------------------------------------------

    async def add(self, key: str, amounts: Mapping[str, int], window: str) -> Mapping[str, int]:
        label = f"{len(key)}:{key}:{window}"
        document = self.place("counters", label)
        if not amounts:
            return (await self.content(document)).get(label, (0.0, {}))[1]

        def count_up(counters: Content) -> dict[str, int]:
            _, totals = counters.get(label, (0.0, {}))
            for name, amount in amounts.items():
                totals[name] = totals.get(name, 0) + amount
            counters[label] = [self.now(), totals]
            for old in [old for old, (at, _) in counters.items() if at < self.now() - self._retention]:
                del counters[old]
            return dict(totals)

        return await self.change(document, count_up)

    async def transact(self, batch: LedgerBatch) -> Sequence[LedgerAnswer]:
        def keep_books(book: LedgerBook) -> Sequence[LedgerAnswer]:
            now = self.now()
            answers = book.apply(batch, now)
            if self._clock.monotonic() - self._pruned_at >= _PRUNE_INTERVAL:
                book.prune(now - self._retention)
                self._pruned_at = self._clock.monotonic()
            return answers

        return await self.change(_LEDGER, keep_books)

    # --- documents ---------------------------------------------------------------------------------------------------

    async def content(self, name: str) -> Content:
        """What stands in a document; empty if there is none."""
        data, _ = await self.read_document(name)
        return _Document.opened(name, data).content

    async def change(self, name: str, work: Callable[[Any], R]) -> R:
        """Let ``work`` change the content of a document in place, atomically; its result.

        ``work`` may be called several times, each time with another content. A LedgerBook is the ledger's content.
        Raises StorageError where the service cannot be asked; the change may then have been made.
        """
        wish = _Wish(work, asyncio.get_running_loop().create_future())
        self._wishes.setdefault(name, []).append(wish)
        if name not in self._writing:
            self._writing[name] = asyncio.create_task(self._write(name))
        return await wish.done

    async def _write(self, name: str) -> None:
        try:
            while wishes := self._wishes.pop(name, None):
                await self._fulfil(name, wishes)
        finally:
            del self._writing[name]

    async def _fulfil(self, name: str, wishes: Sequence[_Wish]) -> None:
        try:
            results = await self._commit(name, [wish.work for wish in wishes])
        except BaseException as error:
            for wish in wishes:
                if not wish.done.done():
                    wish.done.set_exception(error) if isinstance(error, Exception) else wish.done.cancel()
            if not isinstance(error, Exception):
                raise
        else:
            for wish, result in zip(wishes, results, strict=True):
                if not wish.done.done():
                    wish.done.set_result(result)

    async def _commit(self, name: str, works: Sequence[Callable[[Any], Any]]) -> list[Any]:
        self._sequence += 1
        own, results, end = self._sequence, list[Any](), self._clock.monotonic() + self._lock_timeout
        for attempt in count():
            began = self._clock.monotonic()
            data, tag = await self.read_document(name)
            document = _Document.opened(name, data)
            if attempt and document.writers.get(self._writer, (0, 0.0))[0] == own:
                return results  # the replacement whose answer was lost
            before = _dumped(document.content)
            results = _applied(name, document, works)
            if _dumped(document.content) == before:
                return results
            now = self.now()
            document.writers = {who: (n, at) for who, (n, at) in document.writers.items() if at > now - _FORGET_WRITERS}
            document.writers[self._writer] = own, now
            if await self.swap_document(name, document.written(), tag):
                return results
            if self._clock.monotonic() >= end:
                break
            # As long as a try takes, and longer with each: so many processes get out of each other's way.
            first, longest = max(_FIRST_PAUSE, self._clock.monotonic() - began), self.longest_pause
            await self._clock.sleep(self._random.uniform(0, min(longest, first * 2 ** min(attempt, 10))))
        raise StorageError(
            f"the state {name!r} could not be changed: other processes always were faster.",
            hint="Use a storage for many processes, such as Redis or PostgreSQL, or set storage.lock_timeout higher.",
        )


def _applied(name: str, document: _Document, works: Sequence[Callable[[Any], Any]]) -> list[Any]:
    """The results of ``works``, whose changes then stand in ``document``."""
    if name != _LEDGER:
        return [work(document.content) for work in works]
    try:
        book = LedgerBook.restored(document.content)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _damaged(name, f"it is no ledger ({type(error).__name__})") from None
    results = [work(book) for work in works]
    document.content = book.export()
    return results


def _damaged(name: str, story: str) -> StorageError:
    return StorageError(
        f"the state {name!r} is damaged: {story}.",
        hint="Restore it from a backup, or delete it to begin afresh; what it counted is then forgotten.",
    )


def _dumped(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


EMPTY_DOCUMENT = _Document({}, {}).written()
"""A document in which nothing stands."""
