"""StateManager: restores state at start and keeps it, by the sync policy."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from typing import Any, cast
from uuid import uuid4

import attrs
import orjson

from ..errors import ModelMeshError, StorageError
from ..interfaces.storage import Storage
from ..values import Clock
from .documents import Documents

logger = logging.getLogger("modelmesh.state")

KEY = "mesh/state.json"
FORMAT = 1
POLICIES = ("in-memory", "sync-on-boundary", "periodic", "immediate")


@attrs.define(slots=True)
class SyncStatus:
    """How persistence is doing. Times are UTC epoch seconds."""

    policy: str
    last_saved: float | None = None
    last_loaded: float | None = None
    saves: int = 0
    failures: int = 0
    last_error: str | None = None


class StateManager:
    """Moves the mesh's state between memory and a Storage.

    ``in-memory`` keeps nothing; ``sync-on-boundary`` loads at start and saves at shutdown; ``periodic`` also saves
    every ``interval`` seconds; ``immediate`` also saves after each change that ``sync`` is told of. With ``read_only``
    it loads, and never saves.
    """

    def __init__(
        self,
        storage: Storage,
        export: Callable[[], Mapping[str, Any]],
        clock: Clock,
        *,
        policy: str = "in-memory",
        interval: float = 300.0,
        read_only: bool = False,
        documents: Documents | None = None,
        locks: bool = False,
        lease: float = 30.0,
        lock_timeout: float = 30.0,
        retry_interval: float = 1.0,
    ) -> None:
        """``documents``: how they are written. ``locks``: whether each save takes a lease first."""
        self._storage = storage
        self._export = export
        self._clock = clock
        self.interval = interval
        """Seconds between two saves."""
        self._read_only = read_only
        self._documents = documents or Documents()
        self._locks = locks
        self._lease = lease
        self._lock_timeout = lock_timeout
        self._retry_interval = retry_interval
        self._owner = uuid4().hex
        self._task: asyncio.Task[None] | None = None
        self._dirty = asyncio.Event()
        self._saved: bytes | None = None
        self.status = SyncStatus(policy)

    @property
    def storage(self) -> Storage:
        return self._storage

    @property
    def keeps_anything(self) -> bool:
        return self.status.policy != "in-memory"

    @property
    def saves_at_once(self) -> bool:
        """Whether every request is worth a save."""
        return self.status.policy == "immediate"

    async def load(self) -> Mapping[str, Any] | None:
        """What was saved last, or None. Raises StorageError for a state that cannot be read."""
        await self._storage.open()
        if not self.keeps_anything:
            return None
        data = await self._storage.load(KEY)
        if data is None:
            return None
        saved = self._documents.decode(data, KEY)
        try:
            if saved["format"] != FORMAT:
                raise ValueError(f"format {saved['format']}")
        except (ValueError, KeyError, TypeError) as error:
            raise StorageError(
                f"the saved state {KEY!r} cannot be read: {error}.",
                hint="Delete it to begin afresh; usage counts and standby are then forgotten.",
            ) from error
        self.status.last_loaded = self._clock.now()
        return cast(Mapping[str, Any], saved["state"])

    async def save(self) -> None:
        """Write the present state, if it differs from what was written last."""
        if not self.keeps_anything or self._read_only:
            return
        state = {"format": FORMAT, "state": self._export()}
        plain = orjson.dumps(state)
        if plain == self._saved:
            return
        try:
            await self._write(self._documents.encode(state))
        except ModelMeshError as error:
            self.status.failures += 1
            self.status.last_error = str(error)
            raise
        self._saved = plain
        self.status.saves += 1
        self.status.last_saved = self._clock.now()

    async def _write(self, document: bytes) -> None:
        if not self._locks:
            await self._storage.save(KEY, document)
            return
        if not await self.acquire_lock():
            raise StorageError(
                f"the state stayed locked by another process for {self._lock_timeout:g} s.",
                hint="Look for one that hangs; its lease ends by itself.",
            )
        try:
            await self._storage.save(KEY, document)
        finally:
            await self.release_lock()

    async def sync(self) -> None:
        """Tell that something changed: ``immediate`` saves now, the others in their time."""
        if self.status.policy == "immediate":
            await self.save()

    def changed(self) -> None:
        """``sync`` for those who cannot wait: the background task saves at once."""
        if self.status.policy == "immediate":
            self._dirty.set()

    def get_sync_status(self) -> SyncStatus:
        return self.status

    def start(self) -> None:
        """Begin to save in the background, where the policy asks for it."""
        if self.status.policy in ("periodic", "immediate"):
            self._task = asyncio.create_task(self._work(), name="modelmesh state")

    async def _work(self) -> None:
        while True:
            wait = self.interval if self.status.policy == "periodic" else None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._dirty.wait()
            self._dirty.clear()
            try:
                await self.save()
            except ModelMeshError as error:
                logger.warning("state could not be saved: %s", error)
                await asyncio.sleep(self._retry_interval)

    async def acquire_lock(self, name: str = "mesh") -> bool:
        """Take the lease ``name``, waiting up to ``lock_timeout`` seconds for it."""
        deadline = self._clock.monotonic() + self._lock_timeout
        while not await self._storage.acquire(name, self._owner, self._lease):
            if self._clock.monotonic() >= deadline:
                return False
            await self._clock.sleep(self._retry_interval)
        return True

    async def release_lock(self, name: str = "mesh") -> bool:
        return await self._storage.release(name, self._owner)

    async def close(self) -> None:
        """Save once more and let go of the storage."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        try:
            await self.save()
        except ModelMeshError as error:
            logger.warning("state could not be saved at shutdown: %s", error)
        await self._storage.close()
