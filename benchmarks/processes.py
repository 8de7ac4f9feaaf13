"""Processes of a benchmark: each on one core, its output in a file, ended by its id."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")


def free_port() -> int:
    """A port of 127.0.0.1 that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cores() -> tuple[int, int]:
    """The core of the gateways, and that of load and upstream."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


class Process:
    """A running program and its children, on ``core``."""

    def __init__(self, name: str, command: Sequence[str | Path], core: int, folder: Path, **env: str) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        own = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {core})  # inherited by every thread that it will start
        try:
            with self.log.open("wb") as log:
                self._popen = subprocess.Popen(
                    [str(part) for part in command],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=folder,
                    env={**_plain(os.environ), **env},
                )
        finally:
            os.sched_setaffinity(0, own)
        self.pid = self._popen.pid

    def check(self) -> None:
        """Raises RuntimeError, with the end of its log, if it has ended."""
        if self._popen.poll() is not None:
            raise RuntimeError(f"{self.name} ended with {self._popen.returncode}: {self.tail()}")

    def tail(self) -> str:
        """The end of what it printed."""
        return self.log.read_text(errors="replace")[-1500:]

    def memory(self) -> int:
        """Resident bytes, children included."""
        return sum(_resident(pid) for pid in _family(self.pid))

    def stop(self) -> None:
        """End it, by force after ten seconds."""
        family = _family(self.pid)
        self._popen.terminate()
        try:
            self._popen.wait(10)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        for pid in family[1:]:
            if Path(f"/proc/{pid}").exists() and _parent(pid) in (1, self.pid):
                os.kill(pid, 9)


def _plain(environ: Mapping[str, str]) -> dict[str, str]:
    """Without what would send loopback calls through a proxy."""
    return {name: value for name, value in environ.items() if not name.lower().endswith("_proxy")}


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _family(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            children.setdefault(_parent(int(entry.name)), []).append(int(entry.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except OSError:
        return 0


def wait_for_line(process: Process, seconds: float = 10) -> str:
    """The first line that ``process`` prints."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        text = process.log.read_text()
        if "\n" in text:
            return text.partition("\n")[0]
        process.check()
        time.sleep(0.01)
    raise RuntimeError(f"{process.name} said nothing within {seconds} s")
