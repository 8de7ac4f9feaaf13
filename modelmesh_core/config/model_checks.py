"""Checks of capabilities and models, and the index by which pools name models."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import attrs

from ..capabilities import CapabilityNode, CapabilityTree
from ..catalogue.definitions import upstream_name
from ..errors import CapabilityNotFoundError, ConfigurationError
from ..interfaces.provider import CatalogueModel
from .mistakes import nearest, shortened, shown
from .references import Reference
from .review import Review, is_known
from .schema import ModelConfig
from .spellings import capability_paths

_CAPABILITY = re.compile(r"[a-z0-9][a-z0-9-]*(\.[a-z0-9][a-z0-9-]*)*")
_MODEL_ID = re.compile(r"[a-z0-9][a-z0-9-]*\.\S+")


class Capabilities:
    """The capability tree with the configured nodes added."""

    def __init__(self, review: Review) -> None:
        self._review = review
        self.tree = CapabilityTree()
        self._built_in_leaves = frozenset(
            leaf.path for root in self.tree.list_categories() for leaf in self.tree.get_leaves(root.path)
        )
        for place, path in capability_paths(review.root.get("capabilities")):
            if isinstance(path, str):
                self._add(path, ("capabilities", *place))

    def _add(self, path: str, place: tuple[str | int, ...]) -> None:
        if not _CAPABILITY.fullmatch(path):
            message = (
                f"a capability has lower-case letters, digits and dashes, joined by dots, found {shortened(path)}."
            )
            self._review.report(message, *place)
            return
        try:
            self.tree.add_node(path)
        except ConfigurationError as error:
            self._review.report(f"{error.problems[0].message}.", *place)

    def node(self, name: str | Reference, *path: str | int) -> CapabilityNode | None:
        """The node that ``name`` means; None, with a problem noted, if there is none."""
        if isinstance(name, Reference):
            return None
        if len(name) > 200:
            self._review.report(f"no capability is named {shortened(name)}.", *path)
            return None
        try:
            return self.tree.get_node(name)
        except CapabilityNotFoundError as error:
            self._review.report(str(error), *path)
            return None

    def leaf(self, name: str | Reference, *path: str | int) -> str | Reference:
        """The full path of the leaf that ``name`` means; the name itself, with a problem noted, if it is none."""
        node = self.node(name, *path)
        if node is None:
            return name
        if node.children and node.path not in self._built_in_leaves:
            leaves = [leaf.name for leaf in self.tree.get_leaves(node.path)]
            message = f"a model has the leaves of the capability tree, and {node.name} is a branch."
            self._review.report(f"{message} Write some of {', '.join(leaves[:12])}.", *path)
        return node.path


def check_models(review: Review, capabilities: Capabilities) -> Mapping[str, ModelConfig]:
    """The models with their capabilities as full paths. What was left out stays left out."""
    known = list(review.sections.providers)
    return {
        model_id: _check_model(review, capabilities, model_id, model, known)
        for model_id, model in review.sections.models.items()
    }


def _check_model(
    review: Review, capabilities: Capabilities, model_id: str, model: ModelConfig, known: Sequence[str]
) -> ModelConfig:
    place = ("models", model_id)
    if not _MODEL_ID.fullmatch(model_id):
        guess = model_id.replace("/", ".", 1) if "/" in model_id else f"{known[0] if known else 'vendor'}.{model_id}"
        hint = f" Did you mean {guess}?" if _MODEL_ID.fullmatch(guess) and len(guess) < 100 else ""
        message = f"a model's id is vendor.name, the vendor in lower case, found {shortened(model_id)}.{hint}"
        review.report(message, *place, at_key=True)
    if model.provider is not None:
        review.expect_known("provider", model.provider, known, *place, "provider")
    elif provider_of(review, model) is None and all(name in review.providers for name in known):
        hint = f" Write one of {', '.join(known[:12])}." if known else ""
        review.report(f"the key provider is missing, and no catalogue lists this model.{hint}", *place, at_key=True)
    if model.capabilities is None:
        return model
    paths: Any = tuple(capabilities.leaf(name, *place, "capabilities", i) for i, name in enumerate(model.capabilities))
    return attrs.evolve(model, capabilities=paths)


def provider_of(review: Review, model: ModelConfig) -> str | None:
    """The entry that serves a model: as written, or by the catalogue that lists it, or by its vendor's name."""
    if model.provider is not None:
        return model.provider if is_known(model.provider) else None
    listing = next((name for name in review.providers if model.id in review.catalogue(name)), None)
    vendor = model.id.partition(".")[0]
    return listing or (vendor if vendor in review.sections.providers else None)


def _upstream(listed: CatalogueModel) -> str:
    return listed.upstream_model or upstream_name(listed.id)


@attrs.frozen
class KnownModel:
    """What the checks of pools need to know of a model."""

    id: str
    upstream: str
    provider: str | None
    """None if it cannot be told yet."""
    capabilities: tuple[str, ...] | None
    """Full paths; None if they are not known."""


class ModelIndex:
    """Every model that a pool can name: the configured ones, and the catalogue of each provider that has none."""

    def __init__(self, review: Review, models: Mapping[str, ModelConfig], tree: CapabilityTree) -> None:
        self._review = review
        self._tree = tree
        self._models = {model.id: self._configured(model) for model in models.values()}

    def _configured(self, model: ModelConfig) -> KnownModel:
        upstream = model.upstream_model if isinstance(model.upstream_model, str) else upstream_name(model.id)
        paths = model.capabilities
        is_clear = paths is not None and all(is_known(path) for path in paths)
        return KnownModel(model.id, upstream, provider_of(self._review, model), paths if is_clear else None)

    @cached_property
    def _listed(self) -> Mapping[str, KnownModel]:
        configured = {model.provider for model in self._models.values()}
        return {
            own_id: KnownModel(own_id, _upstream(listed), provider, self._paths(listed.capabilities))
            for provider in self._review.providers
            if provider not in configured
            for own_id, listed in self._review.catalogue(provider).items()
        }

    def _paths(self, names: Iterable[str]) -> tuple[str, ...] | None:
        try:
            return tuple(self._tree.resolve(name) for name in names)
        except CapabilityNotFoundError:
            return None

    def capabilities_of(self, model: KnownModel) -> tuple[str, ...] | None:
        """Full paths; None if they are not known."""
        if model.capabilities is not None or model.provider is None:
            return model.capabilities
        for own_id, listed in self._review.catalogue(model.provider).items():
            if own_id == model.id or _upstream(listed) == model.upstream:
                return self._paths(listed.capabilities)
        return None

    @property
    def is_complete(self) -> bool:
        """Whether every provider's catalogue could be asked."""
        return len(self._review.providers) == len(self._review.sections.providers)

    def find(self, name: str | Reference, *path: str | int) -> KnownModel | None:
        """The model that ``name`` means: its id, ``vendor/name``, or the name alone where only one has it.

        None, with a problem noted, if it means none or several.
        """
        if isinstance(name, Reference):
            return None
        own = name.replace("/", ".", 1)
        model = self._models.get(name) or self._models.get(own) or self._listed.get(name) or self._listed.get(own)
        if model is not None:
            return model
        everything = {**self._listed, **self._models}
        short = [model for model in everything.values() if name in (model.upstream, upstream_name(model.id))]
        if len(short) == 1:
            return short[0]
        if short:
            ids = ", ".join(model.id for model in short[:6])
            self._review.report(f"{shown(name)} can mean any of {ids}. Write the full id.", *path)
        elif self.is_complete:
            self._review.report(f"no model is named {shown(name)}.{nearest(name, list(everything))}", *path)
        return None
