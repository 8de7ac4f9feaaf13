"""One wheel, downloaded by pip in a process of its own, with its progress on a terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

_POLL = 0.2


class DownloadError(Exception):
    """pip could not be run, or could not download. The text says why."""


def download_wheel(distribution: str, version: str, size: int, room: Path) -> Path:
    """The wheel of ``distribution``, downloaded into the folder ``room``. Raises DownloadError."""
    target, scratch = room / "wheel", room / "scratch"
    target.mkdir()
    scratch.mkdir()
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input"]
    command += ["--disable-pip-version-check", "-d", str(target), f"{distribution}=={version}"]
    # pip writes what has arrived into its temporary folder, where it can be watched.
    environment = {**os.environ, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(scratch))}
    with (room / "errors").open("w+b") as errors, _progress(f"{distribution} {version}", size) as show:
        try:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors, env=environment)
        except OSError as error:
            raise DownloadError(f"pip could not be started by {sys.executable or 'this Python'}: {error}") from error
        try:
            while process.poll() is None:
                show(_arrived(room))
                try:
                    process.wait(_POLL)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            process.kill()  # without effect once it has ended
            process.wait()
        if process.returncode != 0:
            errors.seek(0)
            raise DownloadError(_reason(errors.read().decode("utf-8", "replace")))
    wheels = list(target.glob("*.whl"))
    if len(wheels) != 1:
        raise DownloadError(f"pip reported success, but left {len(wheels)} wheels")
    return wheels[0]


def _arrived(room: Path) -> int:
    sizes = [0]
    for path in room.rglob("*.whl"):
        try:
            sizes.append(path.stat().st_size)
        except OSError:  # moved by pip between the listing and now
            continue
    return max(sizes)


def _reason(errors: str) -> str:
    """pip's last words: its errors, after the warning that led to them."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    return "pip said: " + " / ".join(lines[-3:])


@contextmanager
def _progress(title: str, size: int) -> Generator[Callable[[int], None]]:
    if not sys.stderr.isatty():
        print(f"Fetching {title} ({size // 1_000_000} MB, once) ...", file=sys.stderr)
        yield lambda arrived: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("Fetching {task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=size)
        yield lambda arrived: bar.update(task, completed=min(arrived, size))
