"""What is true of the mesh at this moment, as entries: who is on standby, what is left of quotas, what waits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import attrs

from ..interfaces.observability import Entry
from ..pools import CapabilityPool
from ..state.forecast import LimitUsage
from ..state.ledger import EstimateError
from .queue import SinkQueue


def mesh_entries(
    pools: Iterable[CapabilityPool],
    limits: Iterable[LimitUsage],
    estimates: EstimateError,
    in_flight: int,
    now: float,
) -> Iterator[Entry]:
    """One entry a member of a pool (those on standby first), one a limit, one for the mesh."""
    members = [member for pool in pools for member in list(pool.members.values())]
    for member in sorted(members, key=lambda member: member.standing.reason is None):
        reason = member.standing.reason
        yield {
            "type": "gauge",
            "at": now,
            "scope": "standby",
            "pool": member.pool.id,
            "model": member.model.id,
            "provider": member.definition.provider,
            "standby": reason is not None,
            "reason": None if reason is None else reason.value,
        }
    for limit in limits:
        yield {
            "type": "gauge",
            "at": now,
            "scope": "quota",
            "account": limit.account,
            "window": limit.window,
            "measure": limit.measure,
            "used": str(limit.used),
            "limit": str(limit.limit),
            "left": str(limit.left),
            "resets_at": limit.resets_at,
            "runs_dry_at": limit.runs_dry_at,
        }
    told = attrs.asdict(estimates)
    yield {"type": "gauge", "at": now, "scope": "mesh", "in_flight": in_flight, "estimates": told}


def queue_entries(queues: Iterable[SinkQueue], lost_events: int, now: float) -> Iterator[Entry]:
    """One entry a queue; ``dropped`` and ``failures`` are counted since the start."""
    for queue in queues:
        yield {
            "type": "gauge",
            "at": now,
            "scope": "queue",
            "name": queue.name,
            "waiting": queue.waiting,
            "dropped": queue.dropped,
            "failures": queue.failures,
        }
    yield {
        "type": "gauge",
        "at": now,
        "scope": "queue",
        "name": "events",
        "waiting": 0,
        "dropped": lost_events,
        "failures": 0,
    }
