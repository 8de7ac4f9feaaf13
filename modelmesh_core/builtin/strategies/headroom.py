"""How much of a model's limits is left, by our own count and by what the provider last reported."""

from collections.abc import Iterator

from modelmesh_core import Candidate


def _limits(candidate: Candidate) -> Iterator[tuple[float, float]]:
    """(used, limit) of every known limit."""
    limits = candidate.model.limits
    used = candidate.snapshot.used
    minute, day = used.get("minute"), used.get("day")
    if minute is not None:
        yield from ((u, n) for u, n in ((minute.requests, limits.requests_per_minute),
                                        (minute.tokens, limits.tokens_per_minute)) if n)  # fmt: skip
    if day is not None:
        yield from ((u, n) for u, n in ((day.requests, limits.requests_per_day),
                                        (day.tokens, limits.tokens_per_day)) if n)  # fmt: skip
    for report in candidate.snapshot.headroom.values():
        if report.limit and report.remaining is not None:
            yield report.limit - report.remaining, report.limit


def used_share(candidate: Candidate) -> float:
    """The largest used/limit of any limit, 0 where none is known."""
    return max((used / limit for used, limit in _limits(candidate)), default=0.0)


def remaining(candidate: Candidate) -> float | None:
    """The smallest count left of any request limit; None where none is known."""
    limits = candidate.model.limits
    used = candidate.snapshot.used
    left: list[float] = []
    for window, limit in (("minute", limits.requests_per_minute), ("day", limits.requests_per_day)):
        if limit is not None and window in used:
            left.append(limit - used[window].requests)
    report = candidate.snapshot.headroom.get("requests")
    if report is not None and report.remaining is not None:
        left.append(report.remaining)
    return max(0.0, min(left)) if left else None
