"""``modelmesh.load-balanced.v1``: at random, weighted by what is left."""

from collections.abc import Sequence

from modelmesh_core import Candidate, RoutingContext, hookimpl

from .headroom import remaining, used_share


@hookimpl
def select_model(context: RoutingContext, candidates: Sequence[Candidate]) -> Candidate:
    """Weighted by ``model_weights`` where given, else by remaining (``absolute``) or remaining/limit (``relative``).

    A model without a known limit counts as whole (relative), or as the best of the known (absolute).
    """
    settings = context.pool.settings
    if settings.model_weights:
        weights = [max(0.0, settings.model_weights.get(candidate.model.id, 1.0)) for candidate in candidates]
    elif settings.balance_mode == "relative":
        weights = [max(0.0, 1.0 - used_share(candidate)) for candidate in candidates]
    else:
        left = [remaining(candidate) for candidate in candidates]
        most = max((value for value in left if value is not None), default=1.0)
        weights = [most if value is None else value for value in left]
    if not any(weights):
        return context.random.choice(candidates)
    return context.random.choices(candidates, weights)[0]
