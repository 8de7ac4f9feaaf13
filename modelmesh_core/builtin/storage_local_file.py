"""``modelmesh.local-file.v1``: a folder of small files, shared by the processes of one machine.

Every file opens with a line that holds the SHA-256 of the rest. Values, counters and leases have a folder each, and
in it one lock that every access holds: files are replaced whole, and what a killed process leaves behind is at worst
a ``.tmp`` that the next writer takes over.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, unquote

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
    read_book,
    written_book,
)

from ._files import chosen_path, file_lock, make_private_folder, remove_file, replace_file
from ._worker import WorkerThread

R = TypeVar("R")
_MARK = b"modelmesh 1 sha256="
_LONGEST_NAME = 200
_PRUNE_INTERVAL = 3600.0


@attrs.frozen
class LocalFileOptions:
    """Options of the storage connector ``modelmesh.local-file.v1``."""

    path: str | None = None
    """The folder; default ``state`` in the user's state folder. Created for its owner only."""
    lock_timeout: Duration = 30.0
    """How long to wait for another process that is writing."""
    counter_retention: Duration = 40 * 86400.0
    """Counters of a window that nobody added to for this long are forgotten; longer than the longest window."""


class LocalFileStorage(Storage):
    """Files in a folder. Raises StorageError naming the file when one is damaged; a damaged file is left as it is."""

    shared = True

    def __init__(self, options: LocalFileOptions | None = None, clock: Clock | None = None) -> None:
        self._options = options or LocalFileOptions()
        self._clock = clock or SystemClock()
        self._folder = chosen_path(self._options.path, "state")
        self._values = self._folder / "values"
        self._counters = self._folder / "counters"
        self._leases = self._folder / "leases"
        self._thread = WorkerThread("modelmesh.local-file.v1")
        self._held: set[tuple[str, str]] = set()
        self._pruned_at = self._clock.now()

    async def open(self) -> None:
        self._thread.start()
        try:
            await self._thread.run(self._guarded, self._prepare)
        except BaseException:
            self._thread.stop()
            raise

    async def close(self) -> None:
        try:
            for name, owner in tuple(self._held):
                await self.release(name, owner)
        finally:
            self._thread.stop()

    async def load(self, key: str) -> bytes | None:
        return await self._locked(self._values, lambda: _read(_file(self._values, key)))

    async def save(self, key: str, data: bytes) -> None:
        await self._locked(self._values, lambda: self._write(_file(self._values, key), data))

    async def list(self, prefix: str = "") -> Sequence[str]:
        return await self._locked(self._values, lambda: self._keys(prefix))

    async def delete(self, key: str) -> bool:
        return await self._locked(self._values, lambda: remove_file(_file(self._values, key)))

    async def stat(self, key: str) -> StoredInfo | None:
        return await self._locked(self._values, lambda: _stat(_file(self._values, key)))

    async def acquire(self, name: str, owner: str, lease: float) -> bool:
        taken = await self._locked(self._leases, lambda: self._take(name, owner, lease, (None, owner)))
        if taken:
            self._held.add((name, owner))
        return taken

    async def release(self, name: str, owner: str) -> bool:
        self._held.discard((name, owner))
        return await self._locked(self._leases, lambda: self._give_back(name, owner))

    async def renew(self, name: str, owner: str, lease: float) -> bool:
        return await self._locked(self._leases, lambda: self._take(name, owner, lease, (owner,)))

    async def is_locked(self, name: str) -> bool:
        return await self._locked(self._leases, lambda: self._holder(name) is not None)

    async def add(self, key: str, amounts: Mapping[str, int], window: str) -> Mapping[str, int]:
        return await self._locked(self._counters, lambda: self._count(key, amounts, window))

    async def transact(self, batch: LedgerBatch) -> Sequence[LedgerAnswer]:
        return await self._locked(self._counters, lambda: self._keep_books(batch))

    def now(self) -> float:
        return self._clock.now()

    # --- in the worker thread ----------------------------------------------------------------------------------------

    async def _locked(self, folder: Path, work: Callable[[], R]) -> R:
        def with_lock() -> R:
            with file_lock(folder / ".lock", self._options.lock_timeout):
                return work()

        return await self._thread.run(self._guarded, with_lock)

    def _guarded(self, work: Callable[[], R]) -> R:
        try:
            return work()
        except OSError as error:
            raise StorageError(
                f"state in {error.filename or self._folder} could not be read or written: {error.strerror}.",
                hint="Check the folder's permissions and the free space of its disk.",
            ) from error

    def _prepare(self) -> None:
        for folder in (self._folder, self._values, self._counters, self._leases):
            make_private_folder(folder)
        with file_lock(self._counters / ".lock", self._options.lock_timeout):
            self._prune()

    def _write(self, file: Path, data: bytes) -> None:
        _read(file)  # raises when it is damaged: then it may be all that is left of somebody's state
        mark = _MARK + hashlib.sha256(data).hexdigest().encode() + b"\n"
        replace_file(file, mark + data, modified_at=self._clock.now())

    def _keys(self, prefix: str) -> Sequence[str]:
        keys = (unquote(file.stem) for file in self._values.glob("*.value"))
        return sorted(key for key in keys if key.startswith(prefix))

    def _holder(self, name: str) -> str | None:
        lease = _read_json(_file(self._leases, name))
        return lease["owner"] if lease and lease["expires_at"] > self._clock.now() else None

    def _take(self, name: str, owner: str, lease: float, expected: tuple[str | None, ...]) -> bool:
        if self._holder(name) not in expected:
            return False
        entry = {"owner": owner, "expires_at": self._clock.now() + lease}
        self._write(_file(self._leases, name), json.dumps(entry).encode())
        return True

    def _give_back(self, name: str, owner: str) -> bool:
        return self._holder(name) == owner and remove_file(_file(self._leases, name))

    def _count(self, key: str, amounts: Mapping[str, int], window: str) -> Mapping[str, int]:
        file = _file(self._counters, f"{key}@{window}")
        totals: dict[str, int] = _read_json(file) or {}
        if amounts:
            for name, amount in amounts.items():
                totals[name] = totals.get(name, 0) + amount
            self._write(file, json.dumps(totals).encode())
            if self._clock.now() - self._pruned_at >= _PRUNE_INTERVAL:
                self._prune()
        return totals

    def _keep_books(self, batch: LedgerBatch) -> Sequence[LedgerAnswer]:
        file, now = self._counters / "book", self._clock.now()
        book = read_book(_read(file))
        answers = book.apply(batch, now)
        if now - self._pruned_at >= _PRUNE_INTERVAL:
            book.prune(now - self._options.counter_retention)
            self._prune()
        self._write(file, written_book(book))
        return answers

    def _prune(self) -> None:
        self._pruned_at = self._clock.now()
        oldest = self._pruned_at - self._options.counter_retention
        for file in self._counters.glob("*.value"):
            if file.stat().st_mtime < oldest:
                file.unlink()


def _file(folder: Path, key: str) -> Path:
    name = quote(key, safe="")
    if not key or len(name) > _LONGEST_NAME:
        raise StorageError(
            f"{key!r} cannot name a file in {folder}.", hint=f"Use 1 to {_LONGEST_NAME} characters, '/' counting 3."
        )
    return folder / f"{name}.value"


def _stat(file: Path) -> StoredInfo | None:
    content = _read(file)
    return None if content is None else StoredInfo(len(content), file.stat().st_mtime)


def _read(file: Path) -> bytes | None:
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return None
    head, line_end, data = content.partition(b"\n")
    if not line_end or head != _MARK + hashlib.sha256(data).hexdigest().encode():
        raise StorageError(
            f"{file} is damaged: its content does not match its checksum.",
            hint="Restore it from a backup, or move it away to begin afresh.",
        )
    return data


def _read_json(file: Path) -> Any:
    data = _read(file)
    return None if data is None else json.loads(data)


@hookimpl
def storage_connectors() -> Iterable[StorageConnector]:
    yield StorageConnector(
        id="modelmesh.local-file.v1",
        create=LocalFileStorage,
        options=LocalFileOptions,
        description="A folder of checksummed files, shared by the processes of one machine.",
    )
