"""Runs a part of a suite in several processes at once.

A process of its own loads the test class by its file, because test modules cannot be imported by name everywhere.
"""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .storage import StorageConformance

_WON, _LOST = 0, 3


def run_in_processes(suite: type[StorageConformance], folder: Path, count: int) -> int:
    """Run ``suite.work_of_one_process(folder)`` in ``count`` processes; how many of them answered True.

    Raises AssertionError with the output of one that failed.
    """
    command = [sys.executable, "-m", __name__, inspect.getfile(suite), suite.__qualname__, str(folder)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    processes = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for _ in range(count)
    ]
    outputs = [process.communicate()[0].decode(errors="replace") for process in processes]
    for process, output in zip(processes, outputs, strict=True):
        assert process.returncode in (_WON, _LOST), f"a process ended with {process.returncode}:\n{output}"
    return sum(process.returncode == _WON for process in processes)


def _load(file: str, qualified_name: str) -> type[StorageConformance]:
    spec = importlib.util.spec_from_file_location("modelmesh_conformance_subject", file)
    assert spec is not None and spec.loader is not None, f"{file} is no Python file"
    found = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = found
    spec.loader.exec_module(found)
    for part in qualified_name.split("."):
        found = getattr(found, part)
    return found  # pyright: ignore[reportReturnType]


if __name__ == "__main__":
    subject = _load(sys.argv[1], sys.argv[2])
    won = asyncio.run(subject.work_of_one_process(Path(sys.argv[3])))
    sys.exit(_WON if won else _LOST)
