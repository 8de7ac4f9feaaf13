"""Peers: the workers of one gateway tell each other what they counted, so that any of them can give the sum."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from ..observability.service import Observability

logger = logging.getLogger("modelmesh.workers")

Snapshot = Mapping[str, Any]

KEEP_SECONDS = 2.0
"""How often a worker leaves its counts on the disk, for the case that it dies."""
_ANSWER_SECONDS = 0.5


class Peers:
    """This worker among the others of its gateway, who are found in ``folder``.

    What a worker counted stays there when it ends, however it ends: a sum never falls.
    """

    def __init__(self, folder: Path, observability: Callable[[], Observability]) -> None:
        self._folder = folder
        self._observability = observability
        self._name = str(os.getpid())
        self._task: asyncio.Task[None] | None = None
        self._server: asyncio.AbstractServer | None = None

    async def start(self) -> None:
        """Answer the others from now on."""
        self._server = await asyncio.start_unix_server(self._answer, self._folder / f"{self._name}.socket")
        self._task = asyncio.create_task(self._keep(), name="modelmesh peers")

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            writer.write(self._counted())
            await writer.drain()
        writer.close()

    def _counted(self) -> bytes:
        return orjson.dumps(self._observability().metrics_snapshot())

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(KEEP_SECONDS)
            self._write()

    def _write(self) -> None:
        written = self._folder / f".{self._name}"
        try:
            written.write_bytes(self._counted())
            written.replace(self._folder / f"{self._name}.json")
        except OSError as error:
            logger.warning("what this worker counted could not be kept: %s", error)

    async def snapshots(self) -> Sequence[Snapshot]:
        """What each of the others counted so far, and in one what those did who have ended."""
        names = {path.stem for path in self._folder.iterdir() if path.suffix in (".json", ".socket")} - {self._name}
        living: list[Snapshot] = []
        ended: list[Snapshot] = []
        for name, found in zip(names, await asyncio.gather(*map(self._ask, names)), strict=True):
            if found is not None:
                living.append(found)
            elif (last := self._left_by(name)) is not None:
                ended.append(last)
        sink = self._observability().metrics
        return [*living, sink.retired(ended)] if ended and sink is not None else living

    async def _ask(self, name: str) -> Snapshot | None:
        with contextlib.suppress(OSError, TimeoutError, ValueError):
            async with asyncio.timeout(_ANSWER_SECONDS):
                reader, writer = await asyncio.open_unix_connection(self._folder / f"{name}.socket")
                try:
                    return orjson.loads(await reader.read())
                finally:
                    writer.close()
        return None

    def _left_by(self, name: str) -> Snapshot | None:
        with contextlib.suppress(OSError, ValueError):
            return orjson.loads((self._folder / f"{name}.json").read_bytes())
        return None

    async def close(self) -> None:
        """Leave the last counts to the others."""
        if self._task is not None:
            self._task.cancel()
        if self._server is not None:
            self._server.close()
            with contextlib.suppress(OSError):
                (self._folder / f"{self._name}.socket").unlink()
        self._write()
