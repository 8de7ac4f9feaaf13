"""What the pipeline decides, or why it cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..catalogue.definitions import ModelDefinition
from ..errors import NoActiveModelError, PermissionDeniedError
from ..interfaces.routing import Drop, RoutingContext
from ..pools import CapabilityPool
from ..values import quick_frozen
from .shortlist import LASTING

KEY = "key"
"""Stage of the drops that a caller's key brings about. No hook: a plugin cannot let anybody in."""


@quick_frozen
class RoutingDecision:
    """What the pipeline decided for one attempt, and why."""

    request_id: str
    requested: str
    """What the caller named."""
    pools: tuple[str, ...]
    """Every pool that was resolved, best first."""
    pool: str
    """The one that was taken."""
    model: ModelDefinition
    candidates: tuple[str, ...]
    """Full ids that were left for the last stage, in pool order."""
    drops: tuple[Drop, ...]
    """Who was left out, at which stage, and why."""
    estimate: Callable[[ModelDefinition], float]
    """USD that the request is expected to cost at a model."""
    delay: float = 0.0
    """Seconds to wait before the attempt, as the strategy asked."""
    decide_again: bool = False
    """Whether to decide anew after that wait."""

    @property
    def estimated_cost(self) -> float:
        """USD that the request is expected to cost; infinite where no price is known."""
        return self.estimate(self.model)


def nobody_left(context: RoutingContext, tried: Iterable[CapabilityPool]) -> NoActiveModelError:
    """The error for a request that nobody of the pools ``tried`` can serve, with everybody's reason. Raises
    PermissionDeniedError if it is the caller's key that leaves nobody."""
    waits: list[float] = []
    used_up: set[str] = set()
    for pool in tried:
        for snapshot in pool.get_state():
            if snapshot.until is not None and snapshot.until > context.now:
                waits.append(snapshot.until - context.now)
            if snapshot.exhausted is not None and snapshot.deactivation_reason is None:
                used_up.add(snapshot.model)
    if context.drops and all(drop.stage == KEY for drop in context.drops):
        raise PermissionDeniedError(
            f"the key {context.request.key!r} may not use any model that serves {context.request.model!r}.",
            hint="`GET /v1/models` lists what it may use.",
        )
    dropped = {drop.model: drop.reason for drop in context.drops}
    reasons = "; ".join(f"{model} {reason}" for model, reason in dropped.items()) or "its pools have no members"
    retry_after = min(waits) if waits else None
    back = f" The first may be back in {retry_after:.0f} s." if retry_after is not None else ""
    error = NoActiveModelError(
        f"no model can serve {context.request.model!r} now: {reasons}.{back}",
        hint="`modelmesh explain` shows each stage; `modelmesh pools` shows who is on standby.",
        retry_after=retry_after,
        dropped=dropped,
    )
    if context.drops and all(drop.stage in LASTING for drop in context.drops) and not context.excluded:
        # Waiting changes nothing: the caller asks for what none of these models can do.
        error.status_code, error.error_type = 400, "invalid_request_error"
    elif used_up.issuperset(dropped) and dropped:
        error.status_code, error.error_type = 429, "insufficient_quota"
    return error
