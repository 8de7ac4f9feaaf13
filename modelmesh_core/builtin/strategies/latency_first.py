"""``modelmesh.latency-first.v1``: the lowest recent latency, with a little exploration."""

from collections.abc import Sequence
from statistics import median

from modelmesh_core import Candidate, Delivery, RoutingContext, SelectionStrategy

EXPLORATION = 0.05
"""Share of requests that go to a random candidate, so that a model that got faster is noticed."""


class LatencyFirst(SelectionStrategy):
    """By recent mean; for streams by mean time to first token. No history counts as the median of the known."""

    def select(self, candidates: Sequence[Candidate], context: RoutingContext) -> Candidate:
        if len(candidates) > 1 and context.random.random() < EXPLORATION:
            return context.random.choice(candidates)
        latencies = [_latency(candidate, context) for candidate in candidates]
        known = [latency for latency in latencies if latency is not None]
        unknown = median(known) if known else 0.0
        ranked = [unknown if latency is None else latency for latency in latencies]
        return candidates[ranked.index(min(ranked))]

    def score(self, candidate: Candidate, context: RoutingContext) -> float:
        return -(_latency(candidate, context) or 0.0)


def _latency(candidate: Candidate, context: RoutingContext) -> float | None:
    if context.request.delivery is Delivery.STREAMING and candidate.snapshot.time_to_first_token is not None:
        return candidate.snapshot.time_to_first_token
    return candidate.snapshot.latency_mean
