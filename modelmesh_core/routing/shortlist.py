"""Shortlists: whom the stages that look at nothing that moves have left of a pool, kept for the next request like it.

Which pools serve a name, and which of their models can do what is asked for, is the same for every request that asks
alike until a pool's members change. State, strategies and a plugin's stages are asked for each request.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import attrs

from ..catalogue.definitions import UNCONSTRAINED, ModelDefinition
from ..interfaces.routing import Candidate, Drop, Requirements, RoutingContext
from ..members import Member
from ..pools import CapabilityPool

LASTING = ("filter_delivery", "filter_requirements")
"""Stages whose outcome lasts, as long as only the core has a word in them."""
_MOST = 1000
_ANY = float("inf")


@attrs.frozen
class Shortlist:
    """What was found for one kind of request."""

    pools: tuple[str, ...]
    """Every pool that was resolved, best first."""
    pool: CapabilityPool
    """The first of them that was taken."""
    members: Sequence[Member]
    """Those who are left, in pool order."""
    drops: Sequence[Drop]
    named_pool: str | None
    capability: str | None
    membership: int
    """``LiveStates.membership`` at that time."""
    most_tokens: float
    """A request of no more tokens, input and output, fits all who were looked at."""
    most_output: float
    """And one that asks for no more output."""

    def suits(self, needs: Requirements) -> bool:
        """Whether it holds for a request with ``needs`` of its kind, and no member has come or gone."""
        return self.membership == self.pool.states.membership and (
            self.most_tokens is self.most_output is _ANY or _fit(needs, self.most_tokens, self.most_output)
        )

    def candidates(self, context: RoutingContext) -> Sequence[Candidate]:
        """Those who are left, as they are now; ``context`` gets what the stages before would have told it."""
        context.named_pool, context.capability = self.named_pool, self.capability
        if self.drops:
            context.drops += self.drops
        return self.pool.candidates_of(self.members, context)


class Shortlists:
    """All of one pipeline."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Shortlist] = {}

    def find(self, context: RoutingContext) -> Shortlist | None:
        """What is known for a request like this."""
        found = self._known.get(_kind(context))
        return found if found is not None and not context.excluded and found.suits(context.requirements) else None

    def keep(
        self,
        context: RoutingContext,
        pools: tuple[str, ...],
        pool: CapabilityPool,
        looked_at: Iterable[Candidate],
        left: Sequence[Candidate],
    ) -> None:
        """Remember it for requests like this, unless it is so only for this one."""
        if context.excluded or context.pinned_model is not None:
            return
        bounds = _bounds([candidate.model for candidate in looked_at])
        if bounds is None or not _fit(context.requirements, *bounds):
            return
        if len(self._known) >= _MOST:
            self._known.clear()
        members = [pool.members[candidate.id] for candidate in left]
        membership = pool.states.membership
        self._known[_kind(context)] = Shortlist(
            pools, pool, members, tuple(context.drops), context.named_pool, context.capability, membership, *bounds
        )


def _kind(context: RoutingContext) -> Hashable:
    request, limits = context.request, context.request.key_limits
    features = context.requirements.features
    if limits is None or not (limits.pools or limits.models):
        return request.model, request.operation, request.delivery, features
    return request.model, request.operation, request.delivery, features, limits.pools, limits.models


def _bounds(models: Iterable[ModelDefinition]) -> tuple[float, float] | None:
    """The least number of tokens, and of output tokens, that any of them takes; None if more than tokens bounds one."""
    tokens = output = _ANY
    for model in models:
        constraints = model.constraints
        if constraints is UNCONSTRAINED:
            continue
        if constraints.max_images is not None or constraints.supported_languages:
            return None
        tokens = min(tokens, constraints.context_window or _ANY)
        output = min(output, constraints.max_output_tokens or _ANY)
    return tokens, output


def _fit(needs: Requirements, most_tokens: float, most_output: float) -> bool:
    asked = needs.max_output_tokens or 0
    return asked <= most_output and needs.input_tokens + asked <= most_tokens
