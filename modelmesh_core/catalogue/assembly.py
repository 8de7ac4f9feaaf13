"""Model definitions put together: configuration first, then the connector's catalogue, then defaults."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar, cast

import attrs

from ..capabilities import CapabilityTree
from ..errors import ConfigurationError, Problem
from ..limits import BudgetSettings
from .definitions import (
    FEATURES,
    UNCONSTRAINED,
    BatchSettings,
    Constraints,
    DeliverySupport,
    Limits,
    ModelDefinition,
    Pricing,
    upstream_name,
)

DEFAULT_CAPABILITY = "generation.text-generation.chat-completion"
"""Of a model that neither the configuration nor a catalogue describes."""

CONFIGURED, CATALOGUE, DEFAULT = "configuration", "connector catalogue", "default"

P = TypeVar("P")

_DEFAULTS: dict[type, object] = {
    DeliverySupport: DeliverySupport(),
    Constraints: UNCONSTRAINED,
    Pricing: Pricing(),
    Limits: Limits(),
}
_FIELDS: dict[type, tuple[tuple[str, str], ...]] = {
    kind: tuple((field, f"{name}.{field}") for field in attrs.fields_dict(kind))
    for name, kind in (
        ("delivery", DeliverySupport),
        ("constraints", Constraints),
        ("pricing", Pricing),
        ("limits", Limits),
    )
}
"""Part → (field, its name in ``sources``)."""


class ConfiguredModel(Protocol):
    """One entry of ``models``. Empty or None is left out."""

    @property
    def id(self) -> str: ...
    @property
    def provider(self) -> str | None: ...
    @property
    def upstream_model(self) -> str | None: ...
    @property
    def capabilities(self) -> tuple[str, ...] | None: ...
    @property
    def delivery(self) -> Mapping[str, Any]: ...
    @property
    def batch(self) -> Mapping[str, Any]: ...
    @property
    def features(self) -> Mapping[str, bool]: ...
    @property
    def constraints(self) -> Mapping[str, Any]: ...
    @property
    def pricing(self) -> Mapping[str, Any]: ...
    @property
    def limits(self) -> Mapping[str, Any]: ...
    @property
    def budget(self) -> BudgetSettings | None: ...


class ListedModel(Protocol):
    """A model in a connector's catalogue."""

    @property
    def id(self) -> str: ...
    @property
    def upstream_model(self) -> str | None: ...
    @property
    def capabilities(self) -> tuple[str, ...]: ...
    @property
    def delivery(self) -> DeliverySupport: ...
    @property
    def features(self) -> frozenset[str]: ...
    @property
    def constraints(self) -> Constraints: ...
    @property
    def pricing(self) -> Pricing: ...
    @property
    def limits(self) -> Limits: ...
    @property
    def batch(self) -> BatchSettings | None: ...
    @property
    def source(self) -> str: ...
    @property
    def as_of(self) -> str: ...


@attrs.frozen
class ListedProvider:
    """A configured provider with what its connector's catalogue lists."""

    name: str
    vendor: str
    """Name that the connector's entry has by default: catalogue ids keep their vendor under it."""
    models: Sequence[ListedModel]

    def own_id(self, model: ListedModel) -> str:
        """The id of a catalogue model under this entry.

        A second entry for the same connector gives its models its own name, so that both can be told apart.
        """
        return model.id if self.name == self.vendor else f"{self.name}.{model.id.partition('.')[2]}"


def assemble_models(
    configured: Iterable[ConfiguredModel],
    providers: Mapping[str, ListedProvider],
    tree: CapabilityTree,
    known_providers: Collection[str],
) -> list[ModelDefinition]:
    """Every model definition: the configured ones, and the whole catalogue of providers that ``models`` leaves out.

    ``providers``: those that are enabled; ``known_providers``: the names of all.

    Raises ConfigurationError for a model whose provider cannot be told.
    """
    listed = {p.own_id(model): (p, model) for p in providers.values() for model in p.models}
    named: set[str] = set()
    found: list[ModelDefinition] = []
    problems: list[Problem] = []
    for entry in configured:
        provider = entry.provider or (listed[entry.id][0].name if entry.id in listed else None)
        if provider is None and entry.id.partition(".")[0] in known_providers:
            provider = entry.id.partition(".")[0]
        if provider is None:
            problems.append(Problem("names no provider, and no catalogue lists it", ("models", entry.id)))
        elif provider in providers:  # a disabled provider takes its models along
            named.add(provider)
            found.append(_define(entry, providers[provider], _listing(entry, providers[provider]), tree))
    if problems:
        raise ConfigurationError(problems)
    for own_id, (provider, model) in listed.items():
        if provider.name not in named:
            found.append(_define(_Listed(own_id), provider, model, tree))
    return found


def define_listed(provider: ListedProvider, tree: CapabilityTree) -> list[ModelDefinition]:
    """Every model that ``provider`` lists, as if no configuration mentioned it."""
    return [_define(_Listed(provider.own_id(model)), provider, model, tree) for model in provider.models]


@attrs.frozen
class _Listed:
    """A catalogue model that the configuration does not mention."""

    id: str
    provider: str | None = None
    upstream_model: str | None = None
    capabilities: tuple[str, ...] | None = None
    delivery: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    batch: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    features: Mapping[str, bool] = attrs.field(factory=dict[str, bool])
    constraints: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    pricing: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    limits: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    budget: BudgetSettings | None = None


def _listing(entry: ConfiguredModel, provider: ListedProvider) -> ListedModel | None:
    upstream = entry.upstream_model or upstream_name(entry.id)
    for model in provider.models:
        if provider.own_id(model) == entry.id or (model.upstream_model or upstream_name(model.id)) == upstream:
            return model
    return None


def _define(
    entry: ConfiguredModel, provider: ListedProvider, listed: ListedModel | None, tree: CapabilityTree
) -> ModelDefinition:
    sources: dict[str, str] = {"provider": CONFIGURED if entry.provider else CATALOGUE if listed else DEFAULT}
    where = CATALOGUE
    if listed is not None and listed.source:
        where = f"{CATALOGUE} ({listed.source}, {listed.as_of})" if listed.as_of else f"{CATALOGUE} ({listed.source})"

    def part(name: str, kind: type[P], own: Mapping[str, Any]) -> P:
        base = cast(P, getattr(listed, name) if listed is not None else _DEFAULTS[kind])
        base_source = where if listed is not None else DEFAULT
        for field, full_name in _FIELDS[kind]:
            sources[full_name] = CONFIGURED if field in own else base_source
        return attrs.evolve(cast(Any, base), **own) if own else base

    if entry.capabilities is not None:
        capabilities, sources["capabilities"] = entry.capabilities, CONFIGURED
    elif listed is not None:
        capabilities, sources["capabilities"] = listed.capabilities, where
    else:
        capabilities, sources["capabilities"] = (DEFAULT_CAPABILITY,), DEFAULT
    catalogue_features = listed.features if listed is not None else frozenset[str]()
    switched_off = {feature for feature, has in entry.features.items() if not has}
    features = (catalogue_features | {feature for feature, has in entry.features.items() if has}) - switched_off
    sources["features"] = CONFIGURED if entry.features else where if listed is not None else DEFAULT
    upstream = entry.upstream_model or (listed.upstream_model if listed is not None else None)
    sources["upstream_model"] = CONFIGURED if entry.upstream_model else where if upstream else DEFAULT
    batch = listed.batch if listed is not None else None
    if entry.batch:
        batch = attrs.evolve(batch or BatchSettings(), **entry.batch)
    default_upstream = upstream_name(listed.id) if listed is not None else upstream_name(entry.id)
    return ModelDefinition(
        entry.id,
        provider.name,
        upstream or default_upstream,
        tuple(tree.resolve(name) for name in capabilities),
        part("delivery", DeliverySupport, entry.delivery),
        frozenset(features),
        frozenset(FEATURES - features) if listed is not None else frozenset(switched_off),
        part("constraints", Constraints, entry.constraints),
        part("pricing", Pricing, entry.pricing),
        part("limits", Limits, entry.limits),
        batch,
        entry.budget,
        _shared(sources),
    )


_known_sources: dict[tuple[tuple[str, str], ...], Mapping[str, str]] = {}


def _shared(sources: dict[str, str]) -> Mapping[str, str]:
    """One dict for all models whose values came from the same places: a catalogue of thousands has a handful."""
    if len(_known_sources) > 1000:
        _known_sources.clear()
    return _known_sources.setdefault(tuple(sources.items()), sources)
