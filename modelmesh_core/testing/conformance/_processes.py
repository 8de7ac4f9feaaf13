"""Runs a part of a suite in several processes at once."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path

WON, LOST = 0, 3
"""How a process ends: with the lease, or without."""


def run_in_processes(suite: type, folder: Path, count: int, method: str) -> int:
    """Run ``suite.<method>(folder)`` in ``count`` processes; how many of them answered True.

    Raises AssertionError with the output of one that failed.
    """
    module = f"{__package__}._one_process"
    command = [sys.executable, "-m", module, inspect.getfile(suite), suite.__qualname__, str(folder), method]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    processes = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for _ in range(count)
    ]
    outputs = [process.communicate()[0].decode(errors="replace") for process in processes]
    for process, output in zip(processes, outputs, strict=True):
        assert process.returncode in (WON, LOST), f"a process ended with {process.returncode}:\n{output}"
    return sum(process.returncode == WON for process in processes)
