"""Sharing: what this process has in common with others through the storage: the ledger, standby, keys."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, cast

import orjson

from .config import MeshConfig
from .config.export import export
from .engine import Engine
from .errors import ConfigurationError, Problem
from .keys import KeyRing, KeyStore
from .state.accounts import Account
from .state.ledger import Alert
from .state.manager import StateManager
from .state.models import LiveStates
from .state.replicas import Replicas
from .state.shared_ledger import HOLD_SECONDS, SharedLedger
from .values import Clock

logger = logging.getLogger("modelmesh.replicas")

KEYS_SECONDS = 1.0
"""How often it is looked whether a key was made, revoked or rotated."""


class Sharing:
    """Made once for a mesh. A storage that ends with the process shares nothing."""

    def __init__(
        self,
        state: StateManager,
        states: LiveStates,
        clock: Clock,
        engine: Callable[[], Engine | None],
        on_alert: Callable[[Alert], None],
        *,
        read_only: bool,
    ) -> None:
        """``engine`` gives the running one, if any; ``on_alert`` is told when a share of a budget is spent."""
        self._state = state
        self._ledger = states.ledger
        self._states = states
        self._clock = clock
        self._engine = engine
        self._read_only = read_only
        self._ledger.on_alert = on_alert
        self._replicas: Replicas | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._warned_of: set[str] = set()
        self._version: tuple[MeshConfig, str] | None = None
        self.keys: KeyRing | None = None
        """The keys that callers prove themselves with, where ``proxy.auth.keys`` asks for them."""

    def share(self, config: MeshConfig) -> None:
        """Where state outlives the process, usage is counted together with every other process that uses it."""
        storage = self._state.storage
        if self._state.keeps_anything and storage.outlives_process:
            policy = config.storage.on_storage_failure
            shared = self._ledger.shared = SharedLedger(self._ledger, storage, self._clock, policy=policy)
            if storage.shared and not self._read_only:
                self._replicas = Replicas(storage, shared.owner, self._tell, self._hear)

    async def load_keys(self, config: MeshConfig) -> None:
        """Read the keys, if the configuration asks for them. Raises ConfigurationError or StorageError."""
        auth = config.proxy.auth
        if not auth.keys:
            self.keys = None
            return
        if not (self._state.keeps_anything and self._state.storage.outlives_process):
            raise ConfigurationError(
                [Problem("keys are kept in the storage, and this one keeps nothing", ("proxy", "auth", "keys"))],
                hint="Set storage.connector to modelmesh.sqlite.v1, for example.",
            )
        keys = KeyRing(KeyStore(self._state.storage, self._clock, auth.hash_key), self._clock)
        await keys.load()
        self.keys = keys
        self._open_accounts(keys)

    def _open_accounts(self, keys: KeyRing) -> None:
        """So that what a key has used is known, and told, before it is used in this process."""
        for key in keys.keys:
            self._ledger.allowances_of_key(key.name, key.limits)

    async def start(self, engine: Engine) -> None:
        """Learn what the others used, and begin to work in the background. Raises StorageError."""
        shared = self._ledger.shared
        if shared is not None:
            await shared.start(read_only=self._read_only)
            definitions = {f"model:{model.id}": model for model in engine.models.list_models()}
            unknown = [
                Account(name, model.limits.window_timezone)
                for name, model in definitions.items()
                if name not in self._ledger.accounts
            ]
            await shared.restore(unknown, lambda account: self._states.adopt(definitions[account.name], account))
        if self._read_only:
            return
        self._tasks = [asyncio.create_task(self._watch_keys(), name="modelmesh keys")]
        if self._replicas is not None:
            self._tasks.append(asyncio.create_task(self._keep_company(self._replicas), name="modelmesh replicas"))

    async def _watch_keys(self) -> None:
        while True:
            await asyncio.sleep(KEYS_SECONDS)
            if self.keys is not None:
                try:
                    if await self.keys.refresh():
                        self._open_accounts(self.keys)
                except Exception:
                    logger.exception("the keys could not be read again, and are tried later")

    async def _keep_company(self, replicas: Replicas) -> None:
        """Tell other processes of this storage who is on standby, and hear it from them."""
        interval = min(self._state.interval, HOLD_SECONDS / 3)
        while True:
            await replicas.round(HOLD_SECONDS)
            if self._ledger.shared is not None:
                self._ledger.shared.replicas = replicas.living
            await asyncio.sleep(interval)

    def _tell(self) -> Mapping[str, Any]:
        engine = self._engine()
        if engine is None:
            return {}
        standby = {pool.id: pool.export()["standby"] for pool in engine.pools.values()}
        return {"standby": standby, "configuration": self._version_of(engine.config)}

    def _hear(self, told: Mapping[str, Any]) -> None:
        engine, standby = self._engine(), told.get("standby")
        if engine is None:
            return
        self._compare(told.get("configuration"), self._version_of(engine.config))
        if not isinstance(standby, dict):
            return
        for pool_id, models in cast("dict[str, Any]", standby).items():
            if pool_id in engine.pools:
                engine.pools[pool_id].hear(models, self._clock.now())

    def _version_of(self, config: MeshConfig) -> str:
        """What differs wherever two configurations differ, but for their secrets."""
        if self._version is None or self._version[0] is not config:
            told = orjson.dumps(export(config), option=orjson.OPT_SORT_KEYS)
            self._version = (config, blake2b(told, digest_size=6).hexdigest())
        return self._version[1]

    def _compare(self, theirs: object, own: str) -> None:
        if isinstance(theirs, str) and theirs != own and theirs not in self._warned_of:
            self._warned_of.add(theirs)
            logger.warning(
                "another process that shares this storage runs another configuration (version %s, here %s): "
                "each keeps its own limits until all of them have the same",
                theirs,
                own,
            )

    async def close(self) -> None:
        """Tell the last of what was used, and leave."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._replicas is not None:
            await self._replicas.leave()
        if self._ledger.shared is not None:
            await self._ledger.shared.close()
