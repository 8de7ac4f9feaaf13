"""``modelmesh.round-robin.v1``: take turns."""

from collections.abc import Sequence

from modelmesh_core import Candidate, RoutingContext, hookimpl


@hookimpl
def select_model(context: RoutingContext, candidates: Sequence[Candidate]) -> Candidate:
    """The next candidate after the one chosen last, in pool order, wrapping."""
    pool = context.pool
    place = pool.members.index(pool.last_selected) if pool.last_selected in pool.members else -1
    return next((candidate for candidate in candidates if candidate.order > place), candidates[0])
