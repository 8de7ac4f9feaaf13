"""A process that saves and counts until it is killed: ``python storage_writer.py CONNECTOR PATH``.

After each write that has returned it says so on standard output: ``saved N``, ``added N``.
"""

import asyncio
import itertools
import os
import sys
from pathlib import Path

from modelmesh_core import Storage
from modelmesh_core.builtin.storage_local_file import LocalFileOptions, LocalFileStorage
from modelmesh_core.builtin.storage_sqlite import SqliteOptions, SqliteStorage


def storage_at(connector: str, path: Path) -> Storage:
    if connector == "sqlite":
        return SqliteStorage(SqliteOptions(path=str(path / "state.db")))
    return LocalFileStorage(LocalFileOptions(path=str(path)))


def value(number: int) -> bytes:
    return b"%08d" % number * 16_384


def say(text: str) -> None:
    os.write(1, text.encode() + b"\n")


async def write_until_killed(connector: str, path: Path) -> None:
    storage = storage_at(connector, path)
    await storage.open()
    last = await storage.load("state")
    say("ready")
    for number in itertools.count(int(last[:8]) + 1 if last else 1):
        await storage.save("state", value(number))
        say(f"saved {number}")
        await storage.add("acme", {"requests": 1}, "day:1")
        say(f"added {number}")


if __name__ == "__main__":
    asyncio.run(write_until_killed(sys.argv[1], Path(sys.argv[2])))
