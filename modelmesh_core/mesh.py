"""ModelMesh: the facade. Builds everything from a configuration and owns its life."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Generator, Iterable, Mapping
from pathlib import Path
from random import Random
from time import perf_counter
from typing import TYPE_CHECKING, Any, cast

import orjson

from .background import BackgroundLoop
from .config import MeshConfig
from .engine import Engine, MakeTransport, Surroundings, build_engine
from .errors import ConfigurationError, ModelMeshError
from .execution import Router
from .execution.router import Explanation
from .interfaces.observability import Entry
from .interfaces.records import DecisionRecord
from .interfaces.routing import ModelSnapshot
from .interfaces.secret_store import SecretStore, SecretStoreConnector
from .interfaces.storage import Storage, StorageConnector
from .keys import KeyRing
from .observability.present import mesh_entries
from .observability.service import Observability
from .registry import ConnectorRegistry
from .secrets import SecretRenewal, SecretResolver, fill_environment
from .services import Services
from .sharing import Sharing
from .state.documents import Documents
from .state.forecast import LimitUsage
from .state.ledger import Alert, EstimateError
from .state.manager import StateManager
from .state.models import LiveStates
from .transport import create_transport
from .values import Clock, SystemClock
from .wire.messages import Delivery, Request

if TYPE_CHECKING:
    from .client import AsyncOpenAIClient, OpenAIClient

logger = logging.getLogger("modelmesh")

STEPS = (
    "parse the configuration",
    "register connectors",
    "resolve secrets",
    "load persisted state",
    "build the capability tree",
    "register models and providers",
    "build the pools",
    "wire the pipeline",
    "create the router",
    "start observability",
    "start background services",
)
DRAIN_SECONDS = 30.0
HOUSEKEEPING_SECONDS = 0.5

Source = MeshConfig | Mapping[str, Any] | str | Path


class ModelMesh:
    """Everything that one program needs to route requests: build it, use it, shut it down.

        with ModelMesh.from_yaml("modelmesh.yaml") as mesh:
            client = mesh.get_client()

    ``initialize``, ``shutdown`` and ``reload_config`` block for as long as they take; inside an event loop use
    ``async with`` or ``asyncio.to_thread``. All other methods return at once.
    """

    def __init__(
        self,
        config: Source | None = None,
        *,
        registry: ConnectorRegistry | None = None,
        clock: Clock | None = None,
        random: Random | None = None,
        environ: Mapping[str, str] | None = None,
        make_transport: MakeTransport | None = None,
        default_storage: tuple[str, str, float] | None = None,
        read_only: bool = False,
    ) -> None:
        """``config``: a MeshConfig, a dict, or a path to a YAML file; without one, providers are detected.

        ``random`` makes weighted choices repeatable. ``default_storage``: connector id, sync policy and interval in
        seconds, used where the configuration names no storage. ``read_only`` loads saved state and never saves it,
        for programs that only look.
        """
        self._source = config
        self._registry = registry or ConnectorRegistry()
        self._clock: Clock = clock or SystemClock()
        self._random = random or Random()
        self._environ = os.environ if environ is None else environ
        self._make_transport = make_transport or create_transport
        self._default_storage = default_storage
        self._read_only = read_only
        self._states = LiveStates()
        self._background = BackgroundLoop()
        self._observability = Observability(self._clock, self._registry, self._present)
        self._engine: Engine | None = None
        self._state: StateManager | None = None
        self._secrets: SecretRenewal | None = None
        self._restored: Mapping[str, Any] = {}
        self._clients: dict[str, Any] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._last_pools: dict[str, Any] = {}
        self._sharing: Sharing | None = None
        self._services = Services(self._registry, self)
        self.startup: list[tuple[str, float]] = []
        """(step, seconds) of the last initialization."""

    # --- making one --------------------------------------------------------------------------------------------------

    @classmethod
    def from_yaml(cls, path: str | Path, **options: Any) -> ModelMesh:
        """From a YAML file. ``options`` as for the constructor. Raises ConfigurationError when initialized."""
        return cls(Path(path), **options)

    @classmethod
    def from_env(cls, **options: Any) -> ModelMesh:
        """From the environment: the providers whose keys or hosts are set, else the local model if it is installed."""
        return cls(None, **options)

    @classmethod
    def from_storage(cls, storage: Storage, key: str = "config/modelmesh.yaml", **options: Any) -> ModelMesh:
        """From a YAML document that is kept in a storage. Raises ConfigurationError if there is none."""
        loop = BackgroundLoop()
        loop.start()
        try:

            async def read() -> bytes | None:
                await storage.open()
                return await storage.load(key)

            data = loop.run(read())
        finally:
            loop.stop()
        if data is None:
            raise ConfigurationError(f"the storage has no configuration {key!r}.")
        return cls(MeshConfig.from_text(data.decode(), key, options.get("registry")), **options)

    # --- life --------------------------------------------------------------------------------------------------------

    def initialize(self, config: Source | None = None) -> ModelMesh:
        """Build and start everything, in eleven steps. Doing it again changes nothing; returns the mesh.

        Raises ConfigurationError with every problem found, SecretNotFoundError, ConnectorError or StorageError, each
        naming the step that failed.
        """
        if self._engine is not None:
            return self
        if config is not None:
            self._source = config
        self.startup = []
        self._background.start()
        try:
            self._start()
        except BaseException:
            self._background.stop()
            raise
        logger.info("ready after %.0f ms", 1000 * sum(seconds for _, seconds in self.startup))
        return self

    def _start(self) -> None:
        config, self._secrets = self._prepare(self._source)
        with self._step("load persisted state"):
            self._state = self._state_manager(config)
            self._restored = self._background.run(self._state.load()) or {}
            self._sharing = self._share(config, self._state)
            self._states.restore(self._restored)
        engine = build_engine(config, self._surroundings(self._secrets), self._step)
        engine.restore(self._restored.get("pools", {}))
        self._engine = engine
        with self._step("start observability"):
            self._observability.configure(config.observability)
            engine.router.propagates = self._observability.propagates
            self._observability.emitter.subscribe(self._tell_plugins)
        with self._step("start background services"):
            self._background.run(self._start_services())
        engine.life_cycle.hook.mesh_initialized(mesh=self)

    @contextlib.contextmanager
    def _step(self, name: str) -> Generator[None]:
        started = perf_counter()
        try:
            yield
        except ModelMeshError as error:
            error.step = f"step {STEPS.index(name) + 1} of {len(STEPS)}, {name}"
            raise
        seconds = perf_counter() - started
        self.startup.append((name, seconds))
        logger.debug("step %d of %d, %s: %.1f ms", STEPS.index(name) + 1, len(STEPS), name, seconds * 1000)

    def _prepare(self, source: Source | None) -> tuple[MeshConfig, SecretRenewal]:
        """Steps 1 to 3: a configuration whose connectors are known and whose references are resolved, and the stores
        that resolved them."""
        with self._step("parse the configuration"):
            config = self._parse(source)
        with self._step("register connectors"):
            for package in config.connectors.packages:
                self._registry.load_package(package.path, package.sha256)
        with self._step("resolve secrets"):
            section = fill_environment(config, self._environ).secrets
            stores: list[tuple[str, SecretStore]] = []
            for store_id in section.store:
                connector = self._registry.connector(SecretStoreConnector, store_id)
                stores.append((connector.id, connector.create(section.options.get(store_id))))
            resolver = SecretResolver(
                stores,
                self._clock,
                cache_ttl=config.secrets.cache_ttl,
                cache_enabled=config.secrets.cache_enabled,
            )
            secrets = SecretRenewal(config, resolver, self._environ, self._clock, self._background.submit)
            try:
                return self._background.run(secrets.fill()), secrets
            except BaseException:
                self._background.run(secrets.close())
                raise

    def _parse(self, source: Source | None) -> MeshConfig:
        if isinstance(source, MeshConfig):
            return source
        if source is None:
            return MeshConfig.from_env(self._environ, self._registry)
        if isinstance(source, Mapping):
            return MeshConfig.from_dict(source, self._registry)
        return MeshConfig.from_yaml(source, self._registry)

    def _state_manager(self, config: MeshConfig) -> StateManager:
        storage = config.storage
        name, policy, interval = storage.connector, storage.sync_policy, storage.sync_interval
        if name is None:
            name, default_policy, interval = self._default_storage or ("modelmesh.memory.v1", "in-memory", interval)
            policy = policy or default_policy
        connector = self._registry.connector(StorageConnector, name)
        return StateManager(
            connector.create(storage.options),
            self.export_state,
            self._clock,
            policy=policy or "periodic",
            interval=interval,
            read_only=self._read_only,
            documents=Documents(storage.format, storage.compression, storage.encryption.passphrase),
            locks=storage.locking.enabled,
            lease=storage.locking.lease,
            lock_timeout=storage.locking.timeout,
            retry_interval=storage.locking.retry_interval,
        )

    def _share(self, config: MeshConfig, state: StateManager) -> Sharing:
        sharing = Sharing(
            state, self._states, self._clock, lambda: self._engine, self._tell_alert, read_only=self._read_only
        )
        sharing.share(config)
        self._background.run(sharing.load_keys(config))
        return sharing

    def _tell_alert(self, alert: Alert) -> None:
        self._emit(
            "budget_alert",
            {
                "account": alert.account,
                "window": alert.window,
                "spent": str(alert.spent),
                "limit": str(alert.limit),
                "resets_at": alert.resets_at,
            },
        )

    def _surroundings(self, secrets: SecretRenewal) -> Surroundings:
        return Surroundings(
            self._registry,
            self._states,
            self._clock,
            self._random,
            self._emit,
            self._observe,
            self._environ,
            self._make_transport,
            secrets,
        )

    def _emit(self, name: str, data: Mapping[str, Any]) -> None:
        self._observability.emitter.emit(name, data)
        if self._state is not None:
            self._background.call(self._state.changed)

    def _observe(self, record: DecisionRecord) -> None:
        self._observability.observe(record)
        if self._state is not None and self._state.saves_at_once:
            self._background.call(self._state.changed)

    def _present(self) -> Iterable[Entry]:
        """What is true now, for connectors that keep gauges."""
        engine, now = self._engine, self._clock.now()
        if engine is None:
            return ()
        limits = self._states.ledger.limits(now)
        return mesh_entries(engine.pools.values(), limits, self._states.ledger.estimates, engine.router.in_flight, now)

    def _tell_plugins(self, event: Any) -> None:
        if self._engine is not None:
            self._engine.life_cycle.hook.on_event(event=event)

    async def _start_services(self) -> None:
        assert self._state is not None
        self._state.start()
        if self._sharing is not None:
            await self._sharing.start(self._running())
        self._observability.start()
        await self._services.start(self._running().config.discovery)
        self._tasks = [
            asyncio.create_task(self._keep_house(), name="modelmesh housekeeping"),
            asyncio.create_task(self._renew_secrets(), name="modelmesh secrets"),
        ]

    async def _keep_house(self) -> None:
        """Let deadlines take effect, and probe, also when no traffic comes."""
        engine: Engine | None = None
        while True:
            try:
                if self._engine is not engine and self._engine is not None:
                    engine = self._engine
                    await engine.prober.start()
                if engine is not None:
                    for pool in engine.pools.values():
                        pool.refresh(self._clock.now())
                    await engine.prober.round()
            except Exception:
                logger.exception("housekeeping failed, and goes on")
            await asyncio.sleep(HOUSEKEEPING_SECONDS)

    async def _renew_secrets(self) -> None:
        """Pick up secrets that have changed. A task of its own: a store may take its time."""
        while True:
            await asyncio.sleep(HOUSEKEEPING_SECONDS)
            engine = self._engine
            if engine is not None and self._secrets is not None and self._secrets.is_due():
                try:
                    await engine.renew_secrets()
                except Exception:
                    logger.exception("renewing secrets failed, and goes on")

    def reload_config(self, config: Source | None = None) -> None:
        """Build the mesh of ``config`` (by default: the same file, read again) and swap it in, in one step.

        Requests in flight finish on the old one. A configuration with mistakes raises ConfigurationError and changes
        nothing. The storage cannot change while the mesh runs.
        """
        old = self._running()
        source = self._source if config is None else config
        resolved, secrets = self._prepare(source)
        try:
            new = self._rebuilt(resolved, secrets, old)
        except BaseException:
            self._background.run(secrets.close())
            raise
        with self._states.lock:
            new.restore(old.export())
            self._engine = new
            self._source = source
            old_secrets, self._secrets = self._secrets, secrets
        if resolved.observability != old.config.observability:
            self._background.run(self._observability.replace(resolved.observability))
        new.router.propagates = self._observability.propagates
        self._background.run(self._services.start(resolved.discovery))
        self._emit("config_reloaded", {"pools": sorted(new.pools), "providers": sorted(new.providers)})
        self._background.submit(_drain(old, old_secrets, self._clock))

    def _rebuilt(self, resolved: MeshConfig, secrets: SecretRenewal, old: Engine) -> Engine:
        if (resolved.storage.connector, resolved.storage.sync_policy) != (
            old.config.storage.connector,
            old.config.storage.sync_policy,
        ):
            raise ConfigurationError("storage cannot change while the mesh runs.", hint="Restart it instead.")
        if self._sharing is not None:
            self._background.run(self._sharing.load_keys(resolved))
        return build_engine(resolved, self._surroundings(secrets), self._step)

    def shutdown(self) -> None:
        """Stop background services, save state, flush observability, close connections. Idempotent."""
        engine, self._engine = self._engine, None
        if engine is None:
            return
        try:
            engine.life_cycle.hook.mesh_shutting_down(mesh=self)
        finally:
            self._background.run(self._stop(engine))
            self._background.stop()

    async def _stop(self, engine: Engine) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._services.stop()
        self._last_pools = engine.export()
        if self._sharing is not None:
            await self._sharing.close()
        if self._state is not None:
            await self._state.close()
        await self._observability.close()
        await engine.aclose()
        if self._secrets is not None:
            await self._secrets.close()

    def __enter__(self) -> ModelMesh:
        return self.initialize()

    def __exit__(self, *exception: object) -> None:
        self.shutdown()

    async def __aenter__(self) -> ModelMesh:
        return await asyncio.to_thread(self.initialize)

    async def __aexit__(self, *exception: object) -> None:
        await asyncio.to_thread(self.shutdown)

    # --- parts -------------------------------------------------------------------------------------------------------

    def _running(self) -> Engine:
        if self._engine is None:
            raise ModelMeshError("the mesh is not initialized.", hint="Call initialize(), or use it in a with block.")
        return self._engine

    @property
    def engine(self) -> Engine:
        """The running engine: the present configuration's models, pools, providers and router."""
        return self._engine or self._running()

    @property
    def keys(self) -> KeyRing | None:
        """The keys of the gateway's callers; None unless ``proxy.auth.keys`` asks for them."""
        return self._sharing.keys if self._sharing is not None else None

    @property
    def background(self) -> BackgroundLoop:
        return self._background

    @property
    def clock(self) -> Clock:
        return self._clock

    @property
    def config(self) -> MeshConfig:
        return self._running().config

    def get_router(self) -> Router:
        """The present router. Do not keep it: a reload makes a new one."""
        return self._running().router

    def get_registry(self) -> ConnectorRegistry:
        return self._registry

    def get_client(self) -> OpenAIClient:
        """The synchronous client; initializes the mesh if need be."""
        from .client import OpenAIClient

        self.initialize()
        return cast(OpenAIClient, self._clients.setdefault("sync", OpenAIClient(self)))

    def get_async_client(self) -> AsyncOpenAIClient:
        """The asynchronous client. The mesh must be initialized (``async with``)."""
        from .client import AsyncOpenAIClient

        self._running()
        return cast(AsyncOpenAIClient, self._clients.setdefault("async", AsyncOpenAIClient(self)))

    def get_observability(self) -> Observability:
        """Events, request log and statistics."""
        return self._observability

    def subscribe(self, subscriber: Callable[[Any], None], name: str | None = None) -> None:
        """Call ``subscriber`` with each Event (of that name), in the background."""
        self._observability.emitter.subscribe(subscriber, name)

    # --- asking it ---------------------------------------------------------------------------------------------------

    def stats(self) -> dict[str, Any]:
        """Scope (model, provider, pool, key) → name → counts, latencies in seconds, cost in USD."""
        return self._observability.totals()

    def pool_status(self) -> dict[str, list[ModelSnapshot]]:
        """Pool id → a snapshot of every member, in pool order."""
        return {pool.id: pool.get_state() for pool in self._running().pools.values()}

    def quota(self) -> list[LimitUsage]:
        """Every limit and budget: what is used, what is left, when it resets, and when it will be gone."""
        self._running()
        return self._states.ledger.limits(self._clock.now())

    def estimate_error(self) -> EstimateError:
        """How far the estimates that reservations are made with were from what was then used, in this process."""
        return self._states.ledger.estimates

    def explain(self, request: Request | str) -> Explanation:
        """What would happen to ``request`` (or to a chat request for that name) now. Calls nobody."""
        if isinstance(request, str):
            operation = self.get_router().operation_for(request)
            request = Request(operation, request, {}, Delivery.SYNCHRONOUS)
        return self.get_router().explain(request)

    def export_state(self) -> dict[str, Any]:
        """Health, usage, standby: JSON-able, for ``import_state``."""
        pools = self._engine.export() if self._engine is not None else self._last_pools
        return {**self._states.export(), "pools": pools}

    def import_state(self, state: Mapping[str, Any]) -> None:
        """Take up an exported state; what belongs to unknown models or pools is passed over."""
        checked = orjson.loads(orjson.dumps(state))
        self._states.restore(checked)
        self._running().restore(checked.get("pools", {}))

    def add_provider(self, name: str, settings: Mapping[str, Any] | None = None, **more: Any) -> None:
        """Add or replace a provider in the running mesh, as an entry of ``providers`` would."""
        entry = {**(settings or {}), **more}
        self.reload_config(self._running().config.merge({"providers": {name: entry}}))

    def save_config(self, path: str | Path) -> None:
        """Write the present configuration as YAML, references kept. Secrets written out in it become ``***``."""
        from .config.export import to_yaml

        Path(path).write_text(to_yaml(self._running().config), encoding="utf-8")


async def _drain(engine: Engine, secrets: SecretRenewal | None, clock: Clock) -> None:
    """Close an old engine once its last request has ended."""
    deadline = clock.monotonic() + max((p.settings.deadline for p in engine.pools.values()), default=DRAIN_SECONDS)
    while engine.router.in_flight and clock.monotonic() < deadline:  # noqa: ASYNC110  (polled once, after a reload)
        await asyncio.sleep(0.05)
    await engine.aclose()
    if secrets is not None:
        await secrets.close()
