"""``modelmesh.stick-until-failure.v1``: stay with one model for as long as it is active."""

from collections.abc import Sequence

from modelmesh_core import Candidate, RoutingContext, hookimpl


@hookimpl
def select_model(context: RoutingContext, candidates: Sequence[Candidate]) -> Candidate:
    """The pool's current model, else the next candidate after it in pool order, wrapping.

    The pool makes a new model current only when the old one goes on standby, so a recovered favourite does not take
    its traffic back.
    """
    pool = context.pool
    current = pool.current_model
    for candidate in candidates:
        if candidate.model.id == current:
            return candidate
    place = pool.members.index(current) if current in pool.members else -1
    return next((candidate for candidate in candidates if candidate.order > place), candidates[0])
