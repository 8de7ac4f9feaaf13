"""What the connectors that keep files share: where files go, who may write, and how a write survives a crash.

Everything here blocks; connectors call it from a worker thread.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Generator
from pathlib import Path

from modelmesh_core import StorageError

_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.02


def user_state_folder() -> Path:
    """Where this user's state belongs on this platform. It may not exist yet.

    Raises StorageError when the user has no home folder.
    """
    stated = Path(os.environ.get("XDG_STATE_HOME", ""))
    if stated.is_absolute():
        return stated / "modelmesh"
    try:
        home = Path.home()
    except RuntimeError as error:
        raise StorageError("this user has no home folder to keep state in.", hint="Set XDG_STATE_HOME.") from error
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "modelmesh"
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "modelmesh"
    return home / ".local" / "state" / "modelmesh"


def chosen_path(path: str | os.PathLike[str] | None, default_name: str) -> Path:
    """``path`` with ``~`` expanded, or ``default_name`` in the user's state folder."""
    return Path(path).expanduser() if path is not None else user_state_folder() / default_name


def make_private_folder(folder: Path) -> None:
    """Create ``folder``, for its owner only; one that exists keeps its mode. Raises OSError."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)


def replace_file(path: Path, data: bytes, *, modified_at: float | None = None) -> None:
    """Put ``data`` (0600) in the place of ``path``: after a crash at any moment the old or the new content is there.

    The caller holds the lock that all writers of ``path`` share, so a leftover ``.tmp`` is nobody's. A symbolic link
    stays one. ``modified_at`` (UTC epoch seconds) becomes the file's time. Raises OSError, with the old file intact.
    """
    path = path.resolve()
    temporary = path.with_name(path.name + ".tmp")
    temporary.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if modified_at is not None:
            os.utime(temporary, (modified_at, modified_at))
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def remove_file(path: Path) -> bool:
    """Remove ``path`` for good; False if there was none. Raises OSError."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    _sync_folder(path.parent)
    return True


def _sync_folder(folder: Path) -> None:
    if sys.platform == "win32":  # folders cannot be opened there; NTFS journals the rename itself
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def file_lock(path: Path, timeout: float = 30.0, *, remove: bool = False) -> Generator[None]:
    """Hold ``path`` as a lock against every other thread and process; the system frees it when a process dies.

    ``remove`` takes the file away afterwards, for places that are not ours to litter. Raises StorageError after
    ``timeout`` seconds, OSError when the file cannot be made.
    """
    deadline = time.monotonic() + timeout
    descriptor = _open_locked(path, deadline)
    try:
        yield
    finally:
        if remove:
            with contextlib.suppress(OSError):
                path.unlink()
        os.close(descriptor)


def _open_locked(path: Path, deadline: float) -> int:
    pause = _FIRST_PAUSE
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        # A lock on a file that its last holder has removed excludes nobody: only the one still at its path counts.
        if _try_lock(descriptor) and _is_at(descriptor, path):
            return descriptor
        os.close(descriptor)
        if time.monotonic() > deadline:
            raise StorageError(
                f"the lock {path} has been held by another process for too long.",
                hint="Look for a process that hangs while it uses these files.",
            )
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
