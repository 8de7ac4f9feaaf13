"""Checks of pools: that every name in them means something, and that no limit goes unused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs

from ..errors import CapabilityNotFoundError
from ..settings import PoolSettings
from .mistakes import shortened
from .model_checks import Capabilities, KnownModel, ModelIndex
from .review import Review, is_known

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def check_pools(review: Review, capabilities: Capabilities, models: ModelIndex) -> Mapping[str, PoolSettings]:
    """The pools with full connector ids, full model ids and full capability paths."""
    return {
        pool_id: _PoolCheck(review, capabilities, models, pool).run() for pool_id, pool in review.sections.pools.items()
    }


class _PoolCheck:
    """The checks of one pool."""

    def __init__(self, review: Review, capabilities: Capabilities, models: ModelIndex, pool: PoolSettings) -> None:
        self.review = review
        self.capabilities = capabilities
        self.models = models
        self.pool = pool
        self.place = ("pools", pool.id)
        self.node = self._node()

    def run(self) -> PoolSettings:
        if not _NAME.fullmatch(self.pool.id):
            message = f"a pool's id has letters, digits, dots, dashes and underscores, found {shortened(self.pool.id)}."
            self.review.report(message, *self.place, at_key=True)
        for key in ("providers", "excluded_providers", "provider_priority"):
            known = list(self.review.sections.providers)
            for index, name in enumerate(getattr(self.pool, key)):
                self.review.expect_known("provider", name, known, *self.place, key, index)
        members = self._explicit_members()
        self._check_times()
        return attrs.evolve(
            self.pool,
            capability=self.node if self.pool.capability is not None else None,
            models=members,
            model_priority=self._priority(members),
            model_weights=self._weights(members),
            **self._rotation(),
        )

    def _node(self) -> Any:
        """The full path of the pool's capability; None for a pool of explicit models only."""
        pool = self.pool
        if pool.capability is not None:
            node = self.capabilities.node(pool.capability, *self.place, "capability")
            return node.path if node else pool.capability
        if pool.models or self.review.raw(*self.place, "models"):
            return None
        try:
            node = self.capabilities.tree.find(pool.id[:200])
        except CapabilityNotFoundError as error:
            self.review.report(f"{error} Or give the pool a capability.", *self.place, at_key=True)
            return None
        if node is not None:
            return node.path
        near = self.capabilities.tree.suggest(pool.id[:200])
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        message = "this pool has neither capability nor models, and its id is no capability."
        self.review.report(message + hint, *self.place, at_key=True)
        return None

    # --- members -----------------------------------------------------------------------------------------------------

    def _explicit_members(self) -> tuple[Any, ...]:
        members: list[Any] = []
        for index, name in enumerate(self.pool.models):
            model = self.models.find(name, *self.place, "models", index)
            if model is not None and not self._is_served(model):
                message = f"{model.id} can never be in this pool: providers or excluded_providers leave it out."
                self.review.report(message, *self.place, "models", index)
            members.append(model.id if model else name)
        return tuple(members)

    def _is_served(self, model: KnownModel) -> bool:
        pool = self.pool
        name = model.provider
        if name is None or not all(map(is_known, (*pool.providers, *pool.excluded_providers))):
            return True
        return name not in pool.excluded_providers and (not pool.providers or name in pool.providers)

    def _is_member(self, model: KnownModel, members: tuple[Any, ...]) -> bool:
        if model.id in members or not all(map(is_known, members)):
            return True
        paths = self.models.capabilities_of(model)
        if not self._is_served(model):
            return False
        if self.node is None or not is_known(self.node):
            return not members
        return paths is None or any(path == self.node or path.startswith(f"{self.node}.") for path in paths)

    def _member(self, name: Any, members: tuple[Any, ...], key: str, step: str | int) -> Any:
        """The full id of a model that a limit names. One that is no member would leave the limit unused."""
        model = self.models.find(name, *self.place, key, step)
        if model is None:
            return name
        if not self._is_member(model, members):
            self.review.report(f"{model.id} is not in this pool, so that this does nothing.", *self.place, key, step)
        return model.id

    def _priority(self, members: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(
            self._member(name, members, "model_priority", index) for index, name in enumerate(self.pool.model_priority)
        )

    def _weights(self, members: tuple[Any, ...]) -> dict[str, float]:
        weights: dict[str, float] = {}
        for name, weight in self.pool.model_weights.items():
            if is_known(weight) and weight < 0:
                self.review.report("expected a weight of at least 0.", *self.place, "model_weights", name)
            weights[self._member(name, members, "model_weights", name)] = weight
        if weights and all(weight == 0 for weight in weights.values()):
            self.review.report("every weight is 0, so that no model can be chosen.", *self.place, "model_weights")
        return weights

    # --- the rest ----------------------------------------------------------------------------------------------------

    def _rotation(self) -> dict[str, Any]:
        """The ids of rotation connectors that were written, in full."""
        resolved: dict[str, Any] = {}
        for key in ("strategy", "selector", "fallback_strategy"):
            name = getattr(self.pool, key)
            is_written = self.review.raw(*self.place, key) is not None
            if is_written and name is not None and not (key == "fallback_strategy" and name == "error"):
                resolved[key] = self.review.resolve("rotation", name, *self.place, key)
        return resolved

    def _check_times(self) -> None:
        pairs = (("recovery", "cooldown", "max_cooldown"), ("retry", "initial_delay", "max_delay"))
        for section, first, longest in pairs:
            settings = getattr(self.pool, section)
            least, most = getattr(settings, first), getattr(settings, longest)
            if is_known(least) and is_known(most) and least > most:
                key = first if self.review.raw(*self.place, section, first) is not None else longest
                message = f"{first} ({least:g}s) is longer than {longest} ({most:g}s)."
                self.review.report(message, *self.place, section, key)
