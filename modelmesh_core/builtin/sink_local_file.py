"""``modelmesh.local-file.v1``: entries as JSON lines in a file that is rotated by size."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import attrs
from modelmesh_core import ObservabilityConnector, ObservabilitySink, Size, StorageError, hookimpl

from ._files import chosen_path, file_lock, make_private_folder


@attrs.frozen
class LocalFileSinkOptions:
    """Options of the observability connector ``modelmesh.local-file.v1``."""

    path: str | None = None
    """The file; default ``events.jsonl`` in the user's state folder. Readable by its owner only."""
    max_size: Size = 10 * 1024 * 1024
    """A file that would grow beyond this becomes ``path.1``, and a new one begins."""
    keep: int = attrs.field(default=5, validator=attrs.validators.ge(0))
    """How many rotated files stay, ``path.1`` the newest."""


class LocalFileSink(ObservabilitySink):
    """Appends whole lines under a lock: several processes and sections can share one file.

    Raises StorageError when the file cannot be written; then nothing of the batch is in it.
    """

    takes_lines = True

    def __init__(self, options: LocalFileSinkOptions | None = None) -> None:
        self._options = options or LocalFileSinkOptions()
        self._path = chosen_path(self._options.path, "events.jsonl")

    async def write(self, entries: Sequence[bytes]) -> None:
        await asyncio.to_thread(self._append_all, entries)

    def _append_all(self, lines: Sequence[bytes]) -> None:
        try:
            make_private_folder(self._path.parent)
            with file_lock(self._path.with_name(self._path.name + ".lock")):
                # A batch goes into one file, so that it can be taken back as a whole; it may be larger than max_size.
                batch = b"".join(lines)
                if self._size() and self._size() + len(batch) > self._options.max_size:
                    self._rotate()
                _append(self._path, batch)
        except OSError as error:
            raise StorageError(
                f"entries could not be written to {self._path}: {error.strerror}.",
                hint="Check the permissions of its folder and the free space of its disk.",
            ) from error

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0

    def _rotate(self) -> None:
        files = [self._path, *(self._numbered(number) for number in range(1, self._options.keep + 1))]
        files[-1].unlink(missing_ok=True)
        for older, newer in zip(reversed(files), reversed(files[:-1]), strict=False):
            with contextlib.suppress(FileNotFoundError):
                newer.replace(older)

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


def _append(path: Path, data: bytes) -> None:
    """All of ``data`` at the end of ``path`` (0600), or, when that fails, none of it."""
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b", buffering=0) as file:
        end = file.seek(0, os.SEEK_END)
        if end:
            file.seek(end - 1)
            if file.read(1) != b"\n":  # a process was killed in the middle of its line
                data = b"\n" + data
        try:
            written = 0
            while written < len(data):
                written += file.write(data[written:])
        except OSError:
            file.truncate(end)
            raise


@hookimpl
def observability_connectors() -> Iterable[ObservabilityConnector]:
    yield ObservabilityConnector(
        id="modelmesh.local-file.v1",
        create=LocalFileSink,
        options=LocalFileSinkOptions,
        description="JSON lines in a file that is rotated by size.",
    )
