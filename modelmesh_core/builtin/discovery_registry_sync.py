"""``modelmesh.registry-sync.v1``: compares what the providers list with the models that are known."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
from modelmesh_core import (
    CatalogueModel,
    DiscoveryConnector,
    DiscoveryService,
    ModelDefinition,
    ModelMeshError,
    Pricing,
    Reason,
    hookimpl,
)

if TYPE_CHECKING:
    from modelmesh_core import ModelMesh

logger = logging.getLogger("modelmesh.discovery")

LISTING_SECONDS = 30.0
"""For one provider's list."""
_AT_ONCE = 4
_KINDS: Sequence[tuple[re.Pattern[str], str | None]] = tuple(
    (re.compile(pattern), capability)
    for pattern, capability in (
        (r"realtime|davinci|babbage|computer-use|deep-research", None),
        (r"moderation|guard\b|shield", "content-moderation"),
        (r"embed|\bbge\b|\be5\b|gte-", "text-embeddings"),
        (r"rerank", "reranking"),
        (r"whisper|transcribe|nova-\d|scribe", "speech-to-text"),
        (r"\btts|-tts\b|speech", "text-to-speech"),
        (r"dall-e|image|imagen|flux|stable-diffusion|sdxl", "text-to-image"),
        (r"instruct$", None),
    )
)
"""What a name gives away of a model that neither the list nor the catalogue describes; None: not to be guessed."""


@attrs.frozen
class Changes:
    """What one provider's list says that was not known. Ids are full ones."""

    provider: str
    new: tuple[str, ...] = ()
    unclear: tuple[str, ...] = ()
    """New, and nothing tells what they can do: they are not registered."""
    deprecated: tuple[str, ...] = ()
    """Listed before, and not any more."""
    returned: tuple[str, ...] = ()
    repriced: Mapping[str, Mapping[str, str | None]] = attrs.field(factory=dict[str, Mapping[str, "str | None"]])
    """Id → ``input`` and ``output`` as listed now, and ``input_before`` and ``output_before``: USD per 1M tokens."""

    def __bool__(self) -> bool:
        return bool(self.new or self.unclear or self.deprecated or self.returned or self.repriced)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "provider": self.provider,
            "new": list(self.new),
            "unclear": list(self.unclear),
            "deprecated": list(self.deprecated),
            "returned": list(self.returned),
            "repriced": dict(self.repriced),
        }


class RegistrySync(DiscoveryService):
    """Asks every provider for its list, and does with what changed as ``discovery.sync`` says.

    Whatever is found is told as the event ``discovery_models_updated``, one for each provider. A provider that cannot
    be asked is told in the log, and changes nothing.
    """

    def __init__(self, mesh: ModelMesh) -> None:
        self._mesh = mesh
        self._listed: dict[str, frozenset[str]] = {}
        """Provider → ids that it listed at any time so far."""
        self._gone: set[str] = set()
        """Deprecated, and not back yet."""
        self._differing: dict[str, Mapping[str, Mapping[str, str | None]]] = {}
        """Provider → what its prices differed in, at the last round: known, and not told again."""

    async def run(self) -> None:
        while True:
            await self.round()
            await asyncio.sleep(self._mesh.config.discovery.sync.interval)

    async def round(self) -> list[Changes]:
        """Ask all providers once, and act. What changed, if anything."""
        found = await self.look()
        for changes, models in found:
            self._act(changes, models)
        return [changes for changes, _ in found if changes]

    async def look(self) -> list[tuple[Changes, Mapping[str, CatalogueModel]]]:
        """Ask all providers once. What each says anew, and its list by full ids. Changes nothing."""
        wanted = self._mesh.config.discovery.sync.providers or tuple(self._mesh.engine.providers)
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(name: str) -> tuple[Changes, Mapping[str, CatalogueModel]] | None:
            service = self._mesh.engine.providers.get(name)
            if service is None:  # switched off
                return None
            try:
                async with gate:
                    listing = await service.get_models(LISTING_SECONDS)
            except (ModelMeshError, NotImplementedError) as error:
                logger.warning("the models of provider %s could not be listed: %s", name, error or "it has no list")
                return None
            except Exception:  # a connector's bug is no reason to leave out the others
                logger.exception("the models of provider %s could not be listed", name)
                return None
            models = {f"{name}.{model.upstream_model or model.id.partition('.')[2]}": model for model in listing}
            return (self._compared(name, models), models) if models else None

        return [found for found in await asyncio.gather(*map(one, wanted)) if found is not None]

    def _compared(self, provider: str, models: Mapping[str, CatalogueModel]) -> Changes:
        known = {model.id: model for model in self._mesh.engine.models.find_by_provider(provider)}
        upstream = {model.upstream_model for model in known.values()}
        told = self._listed.get(provider, frozenset())
        fresh = [
            i for i, model in models.items() if i not in told | known.keys() and model.upstream_model not in upstream
        ]
        clear = [i for i in fresh if capabilities_of(models[i])]
        before = self._differing.get(provider, {})
        differing = {i: prices for i, prices in self._prices_of(provider, models).items() if before.get(i) != prices}
        held = {listed for _, _, listed in self._held(provider)}
        return Changes(
            provider,
            tuple(clear),
            tuple(i for i in fresh if i not in clear),
            tuple(sorted(told - models.keys() - self._gone)),
            tuple(sorted((self._gone | held) & models.keys())),
            differing,
        )

    def _prices_of(self, provider: str, models: Mapping[str, CatalogueModel]) -> dict[str, Mapping[str, str | None]]:
        known = self._mesh.engine.models.find_by_provider(provider)
        on_free_tier = self._mesh.engine.config.providers[provider].free_tier
        return _repriced([model for model in known if not (on_free_tier and model.pricing.is_free)], models)

    def _in_pools(self, provider: str) -> Iterator[tuple[Any, Any, str]]:
        """Every pool, each of its members that are of ``provider``, and the full id that a list has for it."""
        for pool in self._mesh.engine.pools.values():
            for member in pool.members.values():
                if member.definition.provider == provider:
                    yield pool, member, f"{provider}.{member.definition.upstream_model}"

    def _held(self, provider: str) -> list[tuple[Any, str, str]]:
        """What a sync put on standby, of any process and before any reload: pool, model, and the list's id for it.

        A model that somebody took out by hand, or that has failed, is not among them.
        """
        return [
            (pool, member.model.id, listed)
            for pool, member, listed in self._in_pools(provider)
            if member.standing.reason is Reason.MANUAL and member.standing.detail == _no_more(provider)
        ]

    def _act(self, changes: Changes, models: Mapping[str, CatalogueModel]) -> None:
        settings, engine = self._mesh.config.discovery.sync, self._mesh.engine
        self._listed[changes.provider] = self._listed.get(changes.provider, frozenset()) | models.keys()
        self._gone = (self._gone | set(changes.deprecated)) - models.keys()
        if settings.on_new_model == "register" and settings.auto_register:
            found = [attrs.evolve(models[i], id=i, capabilities=capabilities_of(models[i])) for i in changes.new]
            engine.take_up(changes.provider, found)
        if settings.on_repriced_model == "update":
            for model_id in changes.repriced:
                engine.reprice(model_id, _listed_as(model_id, engine.models.find(model_id), models).pricing)
        self._differing[changes.provider] = self._prices_of(changes.provider, models)
        if settings.on_deprecated_model == "deactivate":
            for pool, member, listed in self._in_pools(changes.provider):
                if listed in changes.deprecated:
                    pool.deactivate(member.model.id, _no_more(changes.provider))
        for pool, model_id, listed in self._held(changes.provider):
            if listed in models:
                pool.recover(model_id)
        told = _told(changes, settings)
        if told:
            self._mesh.get_observability().emitter.emit("discovery_models_updated", told.to_dict())
            logger.info("provider %s: %s", told.provider, {k: v for k, v in told.to_dict().items() if v})


def _no_more(provider: str) -> str:
    return f"{provider} lists it no more"


def _told(changes: Changes, settings: Any) -> Changes:
    """``changes`` without what is to be ignored."""
    if settings.on_new_model == "ignore":
        changes = attrs.evolve(changes, new=(), unclear=())
    if settings.on_deprecated_model == "ignore":
        changes = attrs.evolve(changes, deprecated=(), returned=())
    return attrs.evolve(changes, repriced={}) if settings.on_repriced_model == "ignore" else changes


def capabilities_of(model: CatalogueModel) -> tuple[str, ...]:
    """What the list says, else what the name gives away, else chat; empty where a guess would be wrong too often."""
    if model.capabilities:
        return model.capabilities
    name = (model.upstream_model or model.id).lower()
    for pattern, capability in _KINDS:
        if pattern.search(name):
            return () if capability is None else (capability,)
    return ("chat-completion",)


def _listed_as(model_id: str, known: ModelDefinition | None, models: Mapping[str, CatalogueModel]) -> CatalogueModel:
    if model_id in models or known is None:
        return models[model_id]
    return next(model for model in models.values() if model.upstream_model == known.upstream_model)


def _repriced(
    known: Collection[ModelDefinition], models: Mapping[str, CatalogueModel]
) -> dict[str, Mapping[str, str | None]]:
    listed = {model.upstream_model: model.pricing for model in models.values() if model.pricing.is_known}
    found: dict[str, Mapping[str, str | None]] = {}
    for model in known:
        now, before = listed.get(model.upstream_model), model.pricing
        if now is not None and before.is_known and (now.input, now.output) != (before.input, before.output):
            found[model.id] = {**_prices(now, ""), **_prices(before, "_before")}
    return found


def _prices(pricing: Pricing, suffix: str) -> dict[str, str | None]:
    pairs = (("input", pricing.input), ("output", pricing.output))
    return {name + suffix: None if price is None else f"{price.normalize():f}" for name, price in pairs}


@hookimpl
def discovery_connectors() -> Iterable[DiscoveryConnector]:
    yield DiscoveryConnector(
        id="modelmesh.registry-sync.v1",
        create=lambda options, mesh: RegistrySync(mesh),
        description="Compares what the providers list with the models that are known.",
    )
