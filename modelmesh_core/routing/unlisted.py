"""Models that nobody has listed: a provider may take any name, and each becomes a model when it is first asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..catalogue.definitions import ModelDefinition
from ..errors import CapabilityNotFoundError
from ..interfaces.routing import RoutingContext
from ..members import Member
from ..pools import CapabilityPool
from ..wire.messages import Operation

UNLISTED = "unlisted-models"
"""Id of their pool."""
MAX_UNLISTED = 1000
"""Names that are taken up until the next reload: they come from callers, and each has a state of its own."""


class UnlistedPool(CapabilityPool):
    """Their pool. It cannot be asked for by its own name, and nobody in it stands in for another."""

    def members_for(self, context: RoutingContext) -> Iterable[Member]:
        member = self.members.get(context.pinned_model or "")
        return () if member is None else (member,)


class UnlistedModels:
    """Takes names up. ``NAME`` goes to the first of ``providers``, ``PROVIDER/NAME`` to that one."""

    def __init__(self, pool: CapabilityPool, providers: Mapping[str, frozenset[Operation]]) -> None:
        """``providers``: those that take any name → what they can be asked for."""
        self.pool = pool
        self._providers = providers

    def find(self, name: str) -> ModelDefinition:
        """The model that ``name`` is at its provider. Its capabilities are not known: it is asked for anything."""
        provider, upstream = self._split(name)
        known = self.pool.members.get(f"{provider}.{upstream}")
        if known is not None:
            return known.definition
        return ModelDefinition(f"{provider}.{upstream}", provider, upstream, operations=self._providers[provider])

    def take_up(self, name: str) -> ModelDefinition:
        """The same, as a member of the pool. Raises CapabilityNotFoundError for one name too many."""
        model = self.find(name)
        if model.id not in self.pool.members:
            if len(self.pool.members) >= MAX_UNLISTED:
                raise CapabilityNotFoundError(
                    f"no model is named {name!r}, and {MAX_UNLISTED} unlisted names are in use already.",
                    hint="List it under models.",
                )
            self.pool.add_model(model)
        return model

    def _split(self, name: str) -> tuple[str, str]:
        for mark in "/.":
            provider, _, rest = name.partition(mark)
            if rest and provider in self._providers:
                return provider, rest
        return next(iter(self._providers)), name
