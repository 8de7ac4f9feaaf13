"""A lock that two processes, or two threads, cannot hold at once. The system releases it when its holder dies."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def exclusive(path: Path) -> Generator[None]:
    """Hold the lock file ``path``; blocks until it is free. Raises OSError where it cannot be made."""
    with path.open("a+b") as file:
        _lock(file.fileno())
        yield  # closing the file releases the lock


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        while True:
            try:
                return msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            except OSError:
                time.sleep(0.2)  # LK_LOCK itself gives up after ten seconds
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
