"""``modelmesh.priority-selection.v1``: the first active in an order of preference."""

from collections.abc import Sequence

from modelmesh_core import Candidate, RoutingContext, hookimpl


@hookimpl
def select_model(context: RoutingContext, candidates: Sequence[Candidate]) -> Candidate | None:
    """The first in ``model_priority``, then in ``provider_priority``; otherwise the fallback strategy decides.

    It keeps no memory, so a recovered favourite gets its traffic back at once.
    """
    settings = context.pool.settings
    by_id = {candidate.model.id: candidate for candidate in candidates}
    for model in settings.model_priority:
        if model in by_id:
            return by_id[model]
    for provider in settings.provider_priority:
        for candidate in candidates:
            if candidate.provider == provider:
                return candidate
    return None
