"""Bytes that are too many to be held in memory: they lie in a file without a name, and are read a piece at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from threading import Lock

import attrs

BLOCK = 256 * 1024
"""Bytes that are read at once."""


class Spool:
    """A temporary file that is written once, from its beginning on, and read from any thread. No other process sees it,
    and nothing is left of it after ``close``, or once nobody has it any more."""

    def __init__(self) -> None:
        """Raises OSError if there is no place for it: the folder is the system's, or that of ``TMPDIR``."""
        import tempfile

        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  (`close` ends it)
        self._lock = Lock()
        self.size = 0

    def append(self, data: bytes) -> None:
        """Raises OSError if the disk is full."""
        with self._lock:
            self._file.seek(self.size)
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) or 0 :]
            self.size += len(data)

    def read(self, start: int, size: int) -> bytes:
        """What lies there. Raises ValueError after ``close``."""
        pieces: list[bytes] = []
        with self._lock:
            self._file.seek(start)
            while size > 0 and (piece := self._file.read(size)):  # the system reads 2 GB at a time
                pieces.append(piece)
                size -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def close(self) -> None:
        """Idempotent."""
        with self._lock:
            self._file.close()

    def content(self) -> StoredBytes:
        """All that was written so far."""
        return StoredBytes([_Stretch(self, 0, self.size)])


@attrs.frozen
class _Stretch:
    """A part of a spool."""

    spool: Spool
    start: int
    size: int

    def __len__(self) -> int:
        return self.size

    def part(self, start: int, stop: int) -> _Stretch:
        return _Stretch(self.spool, self.start + start, stop - start)

    def read(self) -> bytes:
        return self.spool.read(self.start, self.size)


class StoredBytes:
    """Bytes one after the other, in memory and in spools. They can be read any number of times, as long as the spools
    are open. ``len``, ``async for``: blocks of them."""

    __slots__ = ("_pieces", "_size")

    def __init__(self, pieces: Iterable[bytes | StoredBytes | _Stretch]) -> None:
        self._pieces: list[bytes | _Stretch] = []
        for piece in pieces:
            if isinstance(piece, StoredBytes):
                self._pieces.extend(piece._pieces)
            else:
                self._pieces.append(piece)
        self._size = sum(map(len, self._pieces))

    def __len__(self) -> int:
        return self._size

    def __repr__(self) -> str:
        return f"<{self._size} bytes>"

    def part(self, start: int, stop: int) -> StoredBytes:
        """Those from ``start`` up to ``stop``, as far as there are so many."""
        found: list[bytes | _Stretch] = []
        for piece in self._pieces:
            first, last = max(start, 0), min(stop, len(piece))
            if first < last:
                found.append(piece.part(first, last) if isinstance(piece, _Stretch) else piece[first:last])
            start, stop = start - len(piece), stop - len(piece)
        return StoredBytes(found)

    def read(self) -> bytes:
        """All of them, in memory."""
        return b"".join([piece.read() if isinstance(piece, _Stretch) else piece for piece in self._pieces])

    def find(self, wanted: bytes, start: int) -> int:
        """Where ``wanted`` stands first, from ``start`` on; -1 if it does not. Only a block is held at a time."""
        place, tail = start, b""
        for block in self._blocks(start):
            window = tail + block.read()
            found = window.find(wanted)
            if found >= 0:
                return place - len(tail) + found
            place += len(block)
            tail = window[max(0, len(window) - len(wanted) + 1) :]
        return -1

    def _blocks(self, start: int = 0) -> Iterator[StoredBytes]:
        for place in range(start, self._size, BLOCK):
            yield self.part(place, place + BLOCK)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for block in self._blocks():
            yield await asyncio.to_thread(block.read)


Content = bytes | StoredBytes


def beginning(content: Content, size: int) -> bytes:
    """The first ``size`` bytes of ``content``."""
    return content.part(0, size).read() if isinstance(content, StoredBytes) else content[:size]
