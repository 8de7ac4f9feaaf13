"""Processes that share a storage: who they are, and who of the models they put on standby.

Each process keeps one document of its own, and reads those of the others. Nobody writes another's, so nothing is
overwritten; a document that is not renewed counts for nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, cast

import orjson

from ..errors import ModelMeshError
from ..interfaces.storage import Storage

logger = logging.getLogger("modelmesh.replicas")

PREFIX = "replicas/"
_FORGOTTEN_AFTER = 10
"""Lifetimes after which the document of a process that died is deleted."""

Take = Callable[[Mapping[str, Any]], None]


class Replicas:
    """This process among the others."""

    def __init__(self, storage: Storage, owner: str, export: Callable[[], Mapping[str, Any]], take: Take) -> None:
        """``export`` gives what the others should know (JSON-able); ``take`` is given what each of them tells anew."""
        self._storage = storage
        self._key = PREFIX + owner
        self._export = export
        self._take = take
        self._told = b""
        self._told_at = 0.0
        self._heard: dict[str, float] = {}
        self.living = 1
        """Processes that share the storage, this one included."""

    async def round(self, lifetime: float) -> None:
        """Tell, and hear. Called several times within ``lifetime`` seconds. A storage out of reach is waited for."""
        try:
            await self._tell(lifetime)
            await self._hear(lifetime)
        except ModelMeshError as error:
            logger.debug("other processes cannot be heard: %s", error)

    async def _tell(self, lifetime: float) -> None:
        document, now = orjson.dumps(self._export()), self._storage.now()
        if document != self._told or now - self._told_at >= lifetime / 3:
            await self._storage.save(self._key, document)
            self._told, self._told_at = document, now

    async def _hear(self, lifetime: float) -> None:
        living, now = 1, self._storage.now()
        for key in await self._storage.list(PREFIX):
            info = await self._storage.stat(key) if key != self._key else None
            if info is None:
                continue
            if now - info.modified_at > lifetime:
                if now - info.modified_at > _FORGOTTEN_AFTER * lifetime:
                    await self._storage.delete(key)
                continue
            living += 1
            if self._heard.get(key) != info.modified_at:
                self._heard[key] = info.modified_at
                await self._read(key)
        self.living = living

    async def _read(self, key: str) -> None:
        data = await self._storage.load(key)
        try:
            told = orjson.loads(data or b"{}")
        except ValueError:
            return
        if isinstance(told, dict):
            self._take(cast("Mapping[str, Any]", told))

    async def leave(self) -> None:
        """This process ends."""
        try:
            await self._storage.delete(self._key)
        except ModelMeshError as error:
            logger.debug("the others still count this process for a while: %s", error)
