"""``modelmesh.session-stickiness.v1``: the same session, the same model, without any shared table."""

from collections.abc import Sequence
from hashlib import blake2b

from modelmesh_core import Candidate, NoActiveModelError, RoutingContext, hookimpl

from . import priority_selection


@hookimpl
def select_model(context: RoutingContext, candidates: Sequence[Candidate]) -> Candidate | None:
    """By rendezvous hashing of ``session_id`` over the pool's members, so that replicas agree.

    When the session's model is away, ``affinity_mode: fallback`` takes the next in its ranking and ``strict`` is an
    error. Without a session id it is priority-selection.
    """
    session = context.request.session_id
    if session is None:
        return priority_selection.select_model(context, candidates)
    by_id = {candidate.model.id: candidate for candidate in candidates}
    if context.pool.settings.affinity_mode == "strict":
        owner = max(context.pool.members, key=lambda model: _weight(session, model))
        if owner not in by_id:
            raise NoActiveModelError(
                f"the model of session {session!r} in pool {context.pool.id}, {owner}, cannot serve this request now.",
                hint="affinity_mode: fallback would use the next model.",
            )
        return by_id[owner]
    return by_id[max(by_id, key=lambda model: _weight(session, model))]


def _weight(session: str, model: str) -> bytes:
    return blake2b(f"{session}\0{model}".encode(), digest_size=8).digest()
