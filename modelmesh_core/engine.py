"""The engine: everything that one configuration makes, built beside the running one and swapped in whole."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from decimal import Decimal
from random import Random
from typing import Any

import attrs

from .capabilities import CapabilityTree
from .catalogue import Limits, ModelDefinition, ModelRegistry, Pricing
from .catalogue.assembly import CONFIGURED, ListedProvider, assemble_models, define_listed
from .config import MeshConfig
from .config.schema import ProviderConfig
from .errors import ConfigurationError, Problem
from .execution import ProviderService, RetryPolicy, Router
from .execution.accounting import Accounting, Observe
from .execution.prober import Prober
from .interfaces.provider import CatalogueModel, Provider, ProviderConnector, ProviderSettings
from .limits import BudgetSettings, OnExceeded, QuotaSettings
from .pools import CapabilityPool, Emit
from .registry import ConnectorRegistry, HookRelay
from .rotation import RotationPolicy
from .routing import CapabilityResolver, DeliveryFilter, RequirementFilter, RoutingPipeline, StateFilter
from .routing.stages import FirstCandidate, PoolSelection, SelectorStage
from .routing.unlisted import UNLISTED, UnlistedModels, UnlistedPool
from .secrets import SecretRenewal
from .settings import PoolSettings
from .state.allowances import Allowance
from .state.models import LiveStates
from .transport import Transport, TransportOptions, create_transport
from .values import Clock, Secret
from .wire.http import HttpTimeouts
from .wire.messages import Operation

_FREE = Pricing(input=Decimal(0), output=Decimal(0))
PREDEFINED_POOLS = (
    "text-generation",
    "structured-generation",
    "image-generation",
    "embeddings",
    "speech-to-text",
    "text-to-speech",
    "vision-understanding",
)
"""Present whenever some model fits, and no pool of that name is configured."""

Step = Callable[[str], AbstractContextManager[None]]
"""Times a named step of initialization, and names it in an error."""
MakeTransport = Callable[[str, TransportOptions, Clock], Transport]


@attrs.frozen
class Surroundings:
    """What an engine is built with and does not own: it outlives a reload."""

    registry: ConnectorRegistry
    states: LiveStates
    clock: Clock
    random: Random
    emit: Emit
    observe: Observe
    environ: Mapping[str, str] = os.environ
    make_transport: MakeTransport = create_transport
    secrets: SecretRenewal | None = None
    """Of the engine's own configuration."""


@attrs.frozen
class Engine:
    """One configuration, running."""

    config: MeshConfig
    tree: CapabilityTree
    models: ModelRegistry
    providers: Mapping[str, ProviderService]
    pools: Mapping[str, CapabilityPool]
    router: Router
    prober: Prober
    unlisted: UnlistedModels | None
    """Takes names that no model has, if a provider does."""
    life_cycle: HookRelay
    """Every rotation plugin that is in use, for the hooks of the life cycle."""

    def export(self) -> dict[str, Any]:
        return {pool.id: pool.export() for pool in self.pools.values()}

    def restore(self, saved: Mapping[str, Any]) -> None:
        for pool_id, state in saved.items():
            if pool_id in self.pools:
                self.pools[pool_id].restore(state)

    def take_up(self, provider: str, models: Iterable[CatalogueModel]) -> None:
        """Register models that the configured ``provider`` was found to have. Pools follow; ``id`` is the full id."""
        service = self.providers[provider]
        listed = ListedProvider(provider, provider, list(models))
        definitions = define_listed(listed, self.tree)
        self.models.register_all(_askable(definition, service) for definition in definitions)

    def reprice(self, model_id: str, pricing: Pricing) -> None:
        """A model costs this from now on, unless the configuration says what it costs."""
        known = self.models.get_model(model_id)
        if CONFIGURED not in (known.sources.get("pricing.input"), known.sources.get("pricing.output")):
            self.models.register(attrs.evolve(known, pricing=pricing))

    def last_request(self, provider: str) -> float | None:
        """When a model of ``provider`` was last asked (UTC epoch seconds), as far as is known."""
        states = (self.router.states.peek(model.id) for model in self.models.find_by_provider(provider))
        asked = [state.account.last_request for state in states if state is not None]
        return max((moment for moment in asked if moment is not None), default=None)

    async def aclose(self) -> None:
        """Close every provider. The router must have nothing in flight."""
        for service in self.providers.values():
            await service.aclose()

    async def renew_secrets(self) -> None:
        """Ask the secret stores again; a provider that was refused is back if it has new ones."""
        for service in self.providers.values():
            if await service.renew() and not service.state.auth_valid:
                with self.router.states.lock:
                    self.router.accounting.provider_recovered(service)


def build_engine(config: MeshConfig, around: Surroundings, step: Step) -> Engine:
    """Steps 5 to 9: capability tree, models and providers, pools, pipeline, router. Opens no socket."""
    with step("build the capability tree"):
        tree = CapabilityTree()
        for path in config.capabilities:
            tree.add_node(path)
    with step("register models and providers"):
        connectors = {
            name: around.registry.connector(ProviderConnector, entry.connector)
            for name, entry in config.providers.items()
            if entry.enabled
        }
        providers = {
            name: _provider_service(config.providers[name], connector, config.http_engine, around)
            for name, connector in connectors.items()
        }
        listed = {
            name: ListedProvider(name, _vendor(c), _catalogue(config.providers[name], c))
            for name, c in connectors.items()
        }
        models = ModelRegistry(tree)
        assembled = assemble_models(config.models.values(), listed, tree, set(config.providers))
        models.register_all(_askable(model, providers.get(model.provider)) for model in assembled)
    with step("build the pools"):
        relays = _Relays(around.registry, config)
        guards = _Guards(around.states, config, connectors)
        pools = {
            settings.id: _pool(settings, tree, relays, guards, around) for settings in _pool_settings(config, models)
        }
        for pool in pools.values():
            pool.follow(models.list_models())
        for name in PREDEFINED_POOLS:
            if name not in pools and models.find_by_capability(name):
                pools[name] = _pool(PoolSettings(name), tree, relays, guards, around, is_predefined=True)
                pools[name].follow(models.list_models())
        for pool in pools.values():
            models.subscribe(_following(pool, models))
        unlisted = None
        if passing := _passing(config, providers):
            pool = _pool(PoolSettings(UNLISTED), tree, relays, guards, around, is_predefined=True, kind=UnlistedPool)
            unlisted, pools[UNLISTED] = UnlistedModels(pool, passing), pool
    with step("wire the pipeline"):
        resolver = CapabilityResolver(
            tree, pools, models, allow_pinned_models=config.allow_pinned_models, unlisted=unlisted
        )
        core: list[tuple[str, Any]] = [("the core", resolver), ("the core: pool selection", PoolSelection())]
        pipeline = RoutingPipeline(HookRelay([*relays.everywhere, *core]), pools)
    with step("create the router"):
        accounting = Accounting(around.states, pools, providers, around.emit, around.observe, around.clock)
        router = Router(pipeline, pools, providers, around.states, accounting, around.clock, around.random)
        prober = Prober(pools, providers, accounting, around.clock)
    return Engine(config, tree, models, providers, pools, router, prober, unlisted, relays.of_all())


def _passing(config: MeshConfig, providers: Mapping[str, ProviderService]) -> dict[str, frozenset[Operation]]:
    """The providers that take any model's name → what they can be asked for."""
    return {
        name: service.provider.operations
        for name, service in providers.items()
        if config.providers[name].pass_unlisted_models
    }


def _following(pool: CapabilityPool, models: ModelRegistry) -> Callable[[], None]:
    return lambda: pool.follow(models.list_models())


def _catalogue(entry: ProviderConfig, connector: ProviderConnector) -> list[CatalogueModel]:
    """The connector's models; with the limits and the price of its free tier where the entry is on it.

    Raises ConfigurationError where no limits of a free tier are known.
    """
    models = list(connector.models())
    if not entry.free_tier:
        return models
    tier = connector.free_tier()
    if tier is None and all(model.free_tier_limits is None for model in models):
        raise ConfigurationError(
            [Problem(f"no limits of a free tier of {connector.id} are known", ("providers", entry.name, "free_tier"))],
            hint="Write them under quota (the whole account) or models.<id>.limits instead.",
        )
    is_free = tier is not None and tier.all_models
    return [_on_free_tier(model, model.free_tier_limits, is_free=is_free) for model in models]


def _on_free_tier(model: CatalogueModel, limits: Limits | None, *, is_free: bool) -> CatalogueModel:
    if limits is None and not is_free:
        return model  # it is no part of the free tier, and costs what it costs
    return attrs.evolve(model, limits=limits or model.limits, pricing=_FREE)


def _vendor(connector: ProviderConnector) -> str:
    return connector.default_name or connector.id.partition(".")[0]


def _askable(model: ModelDefinition, service: ProviderService | None) -> ModelDefinition:
    """``model`` with the operations that its provider's connector has."""
    if service is None or model.operations <= service.provider.operations:
        return model
    return attrs.evolve(model, operations=model.operations & service.provider.operations)


# --- providers -------------------------------------------------------------------------------------------------------


def _provider_service(
    entry: ProviderConfig, connector: ProviderConnector, engine: str, around: Surroundings
) -> ProviderService:
    provider = _provider(entry, connector, around.environ)
    options = TransportOptions(
        max_connections=entry.max_connections, proxy_url=entry.proxy_url.reveal() if entry.proxy_url else None
    )
    transport = around.make_transport(engine, options, around.clock)
    timeouts: HttpTimeouts = entry.timeout
    service = ProviderService(entry.name, connector.id, provider, transport, timeouts, around.clock)
    if around.secrets is not None:
        service.secrets = around.secrets.of(
            entry.name,
            lambda renewed: service.replace(_provider(renewed, connector, around.environ), renewed.secrets()),
        )
    return service


def _provider(entry: ProviderConfig, connector: ProviderConnector, environ: Mapping[str, str]) -> Provider:
    api_key = entry.api_key
    environment = connector.environment
    if api_key is None and environment is not None:
        found = next((environ[name] for name in environment.api_key if environ.get(name)), None)
        api_key = Secret(found) if found else None
    if api_key is None and connector.requires_api_key:
        names = " or ".join(environment.api_key) if environment is not None else "its variable"
        raise ConfigurationError(
            [Problem(f"{connector.id} needs an api_key", ("providers", entry.name))],
            hint=f"Set {names}, or write api_key: ${{env:NAME}} or ${{secrets:NAME}}.",
        )
    base_url = entry.base_url
    if base_url is None and environment is not None:
        base_url = next((environ[name] for name in environment.base_url if environ.get(name)), None)
    settings = ProviderSettings(
        entry.name, api_key, base_url or connector.default_base_url, dict(entry.headers), entry.options
    )
    try:
        return connector.create(settings)
    except ValueError as error:
        raise ConfigurationError([Problem(str(error), ("providers", entry.name))]) from error


# --- pools -----------------------------------------------------------------------------------------------------------


def _pool_settings(config: MeshConfig, models: ModelRegistry) -> Iterator[PoolSettings]:
    """The configured pools, every model in them by its full id."""

    def full(names: tuple[str, ...], pool: str, key: str) -> tuple[str, ...]:
        return tuple(one(name, pool, key) for name in names)

    def one(name: str, pool: str, key: str) -> str:
        model: ModelDefinition | None = models.find(name)
        if model is None:
            disabled = [p.name for p in config.providers.values() if not p.enabled]
            if disabled:
                return name  # its provider is switched off for now
            raise ConfigurationError([Problem(f"no model is named {name!r}", ("pools", pool, key))])
        return model.id

    for settings in config.pools.values():
        yield attrs.evolve(
            settings,
            models=full(settings.models, settings.id, "models"),
            model_priority=full(settings.model_priority, settings.id, "model_priority"),
            model_weights={
                one(name, settings.id, "model_weights"): weight for name, weight in settings.model_weights.items()
            },
        )


def _pool(
    settings: PoolSettings,
    tree: CapabilityTree,
    relays: _Relays,
    guards: _Guards,
    around: Surroundings,
    *,
    is_predefined: bool = False,
    kind: type[CapabilityPool] = CapabilityPool,
) -> CapabilityPool:
    node = tree.find(settings.capability or settings.id)
    if node is None and settings.capability is not None:
        node = tree.get_node(settings.capability)  # raises, with a suggestion
    return kind(
        settings,
        node=node.path if node is not None else None,
        relay=relays.of(settings),
        states=around.states,
        clock=around.clock,
        emit=around.emit,
        guards=guards.of(settings),
        is_predefined=is_predefined,
    )


class _Guards:
    """What providers and pools may use in all: one account each, shared by every model that it binds."""

    def __init__(self, states: LiveStates, config: MeshConfig, connectors: Mapping[str, ProviderConnector]) -> None:
        self._ledger = states.ledger
        self._of_providers = {
            name: tuple(self._of_provider(config.providers[name], connector)) for name, connector in connectors.items()
        }

    def _of_provider(self, entry: ProviderConfig, connector: ProviderConnector) -> Iterator[Allowance]:
        tier = connector.free_tier() if entry.free_tier and entry.quota is None else None
        if tier is not None and not tier.quota.limits().is_empty:
            yield self._ledger.allowance(f"provider:{entry.name}", tier.quota.limits())
        yield from self._of(f"provider:{entry.name}", entry.quota, entry.budget, "rotate")

    def of(self, settings: PoolSettings) -> Mapping[str, tuple[Allowance, ...]]:
        """Provider → what binds its models in that pool; under "" what binds the others."""
        own = tuple(self._of(f"pool:{settings.id}", None, settings.budget, settings.on_budget_exceeded))
        guards = {name: (*theirs, *own) for name, theirs in self._of_providers.items() if theirs}
        return {**guards, "": own} if guards or own else {}

    def _of(
        self, name: str, quota: QuotaSettings | None, budget: BudgetSettings | None, on_exceeded: OnExceeded
    ) -> Iterator[Allowance]:
        if quota is not None:
            yield self._ledger.allowance(name, quota.limits())
        if budget is not None:
            yield self._ledger.allowance(f"{name}/budget", budget.limits(on_exceeded))


class _Relays:
    """One relay for each distinct set of plugins and retry settings: built once, shared by the pools alike."""

    def __init__(self, registry: ConnectorRegistry, config: MeshConfig) -> None:
        self._registry = registry
        self.everywhere = [(name, registry.make_plugin("rotation", name)) for name in config.connectors.plugins]
        self._built: dict[Any, HookRelay] = {}
        self._used: dict[int, tuple[str, Any]] = {id(plugin): (name, plugin) for name, plugin in self.everywhere}
        self._core: list[tuple[str, Any]] = [
            ("the core: delivery", DeliveryFilter()),
            ("the core: requirements", RequirementFilter()),
            ("the core: state", StateFilter()),
        ]
        self._first_candidate = ("the core: selection", FirstCandidate())

    def of(self, settings: PoolSettings) -> HookRelay:
        plugins = list(self.everywhere)
        if settings.selector is not None:
            plugins.extend(self._scoring(settings.selector, self._plugin(settings.selector)))
        strategy = self._plugin(settings.strategy)
        relay = HookRelay([(settings.strategy, strategy)])
        if relay.implements("select_model"):
            plugins.append((settings.strategy, strategy))
        else:
            plugins.extend(self._scoring(settings.strategy, strategy))
        if settings.fallback_strategy not in (None, "error"):
            plugins.append((str(settings.fallback_strategy), self._plugin(str(settings.fallback_strategy))))
        key = (
            tuple(id(plugin) for _, plugin in plugins if not isinstance(plugin, SelectorStage)),
            settings.fallback_strategy == "error",
            settings.retry,
            settings.rotate_on_content_filter,
            settings.selector,
        )
        if key not in self._built:
            retry = RetryPolicy(settings.retry, rotate_on_content_filter=settings.rotate_on_content_filter)
            rotation = RotationPolicy(settings.strategy)
            core = [*self._core, ("the core: rotation", rotation), ("the core: retry", retry)]
            if settings.fallback_strategy != "error":
                core.append(self._first_candidate)
            self._built[key] = HookRelay([*_once(plugins), *core])
        return self._built[key]

    def _plugin(self, name: str) -> Any:
        plugin = self._registry.make_plugin("rotation", name)
        self._used[id(plugin)] = (name, plugin)
        return plugin

    def _scoring(self, name: str, plugin: Any) -> list[tuple[str, Any]]:
        scores = HookRelay([(name, plugin)])
        if not scores.implements("score_model"):
            raise ConfigurationError(f"rotation connector {name} has neither select_model nor score_model.")
        return [(f"{name} as selector", SelectorStage(scores.call.score_model)), (name, plugin)]

    def of_all(self) -> HookRelay:
        return HookRelay(list(self._used.values()))


def _once(plugins: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Each plugin object once, at its first place: pluggy refuses to register one twice."""
    return list({id(plugin): (name, plugin) for name, plugin in reversed(plugins)}.values())[::-1]
