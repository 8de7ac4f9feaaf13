"""The table of provider connectors in docs/providers.md."""

from __future__ import annotations

from collections.abc import Iterator

from docs_recordings import covered_by
from modelmesh_core import CatalogueModel, ConnectorRegistry, ProviderConnector
from modelmesh_core.catalogue.definitions import operations_of
from modelmesh_core.limits import WINDOWS
from modelmesh_core.testing.replaying import Matcher


def providers() -> str:
    """A row a connector: what it does, what its models can do, and how it is found in the environment."""
    registry = ConnectorRegistry()
    matcher = Matcher(registry)
    head = ("connector", "operations", "models", "features of its models", "environment", "free tier", "recordings")
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for info in registry.list_connectors("provider"):
        if not info.distribution.startswith("modelmesh-"):
            continue  # somebody's own, that happens to be installed here
        record = registry.connector(ProviderConnector, info.id)
        models = list(record.models())
        made = matcher.provider(info.id)
        asked = made.operations if made is not None else _operations(models)
        cells = (
            f"`{info.id}`",
            ", ".join(sorted(operation.value for operation in asked)) or "–",
            str(len(models)) if models else "–",
            ", ".join(_features(models)) or "–",
            ", ".join(_variables(record)) or "–",
            _free_tier(record, models),
            covered_by(info.id),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _free_tier(record: ProviderConnector, models: list[CatalogueModel]) -> str:
    tier = record.free_tier()
    if tier is None:
        return "–"
    limits = [
        f"{getattr(tier.quota, f'{what}_per_{window}'):,} {what} a {window}"
        for what in ("requests", "tokens")
        for window in WINDOWS
        if getattr(tier.quota, f"{what}_per_{window}") is not None
    ]
    own = sum(model.free_tier_limits is not None for model in models)
    if own:
        limits.append(f"by model, {own} of them")
    return f"{', '.join(limits)} ([source]({tier.source}), {tier.as_of})"


def _operations(models: list[CatalogueModel]) -> frozenset[str]:
    from modelmesh_core import CapabilityTree

    tree = CapabilityTree()
    return operations_of(tree.resolve(name) for model in models for name in model.capabilities)


def _features(models: list[CatalogueModel]) -> Iterator[str]:
    yield from sorted({feature for model in models for feature in model.features})


def _variables(record: ProviderConnector) -> Iterator[str]:
    keys = record.environment
    if keys is not None:
        for variable in dict.fromkeys((*keys.api_key, *keys.base_url, *keys.required, *keys.options.values())):
            yield f"`{variable}`"
