"""``modelmesh.rate-limit-aware.v1``: leave a model before it refuses."""

from collections.abc import Sequence

from modelmesh_core import Candidate, RoutingContext, hookimpl

from .headroom import used_share


@hookimpl
def select_model(context: RoutingContext, candidates: Sequence[Candidate]) -> Candidate:
    """The first candidate below ``rate_limit``'s threshold, rate and spacing.

    With ``on_throttle: delay_request`` the first candidate is waited for; with ``queue`` the wait ends in a new
    decision. When nobody is below, it is the one with the most left.
    """
    limits = context.pool.settings.rate_limit
    if limits.on_throttle != "switch_model":
        wait = _wait(candidates[0], context)
        if wait > 0:
            context.wait(wait, decide_again=limits.on_throttle == "queue")
        return candidates[0]
    for candidate in candidates:
        if _wait(candidate, context) == 0:
            return candidate
    return min(candidates, key=used_share)


def _wait(candidate: Candidate, context: RoutingContext) -> float:
    """Seconds until ``candidate`` is below every limit; 0 if it is now."""
    limits = context.pool.settings.rate_limit
    snapshot = candidate.snapshot
    minute = snapshot.used.get("minute")
    waits = [0.0]
    if limits.min_delta is not None and snapshot.last_request is not None:
        waits.append(snapshot.last_request + limits.min_delta - context.now)
    until_reset = (minute.resets_at or context.now) - context.now if minute is not None else 0.0
    if limits.max_rpm is not None and minute is not None and minute.requests >= limits.max_rpm:
        waits.append(until_reset)
    if used_share(candidate) >= limits.threshold:
        waits.append(until_reset or 1.0)
    return max(waits)
