"""The decision record: the whole story of one request."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import attrs

from ..errors import Failure
from ..values import new_dict, new_list
from ..wire.messages import Usage
from .routing import Drop


@attrs.define(slots=True)
class AttemptRecord:
    """One call to one model. Times are UTC epoch seconds."""

    model: str
    provider: str
    pool: str
    started: float
    first_byte: float | None = None
    """When the first content came, for streams."""
    ended: float | None = None
    status: str = "running"
    """``running``, ``success``, ``failed`` or ``cancelled``."""
    failure: Failure | None = None
    usage: Usage | None = None
    cost: Decimal | None = None
    """USD; None where no price is known."""
    follow_up: str | None = None
    """What was done after a failure, and why."""
    is_hedge: bool = False
    """Sent beside a slow one."""
    dropped: tuple[str, ...] = ()
    """Parameters of the request that this provider lacks, and that were left out."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-able. The provider's own error body is left out: it can repeat what the caller sent."""
        failure = self.failure
        return {
            "model": self.model,
            "provider": self.provider,
            "pool": self.pool,
            "started": self.started,
            "first_byte": self.first_byte,
            "ended": self.ended,
            "status": self.status,
            "error": None
            if failure is None
            else {"kind": failure.kind.value, "status": failure.status, "message": failure.message},
            "tokens": None
            if self.usage is None
            else {
                "input": self.usage.input,
                "output": self.usage.output,
                "cached_input": self.usage.cached_input,
                "cache_write": self.usage.cache_write,
                "reasoning": self.usage.reasoning,
                "audio": self.usage.audio,
                "estimated": self.usage.estimated,
            },
            "cost": None if self.cost is None else str(self.cost),
            "follow_up": self.follow_up,
            "is_hedge": self.is_hedge,
            "dropped": list(self.dropped),
        }


@attrs.define(slots=True)
class DecisionRecord:
    """What was asked, who was considered, who was called, and what came of it."""

    request_id: str
    requested: str
    operation: str
    delivery: str
    started: float
    key: str | None = None
    metadata: Mapping[str, str] = attrs.field(factory=new_dict)
    """What the key says of its callers."""
    pool: str | None = None
    pools: tuple[str, ...] = ()
    """Every pool that was resolved, best first."""
    drops: tuple[Drop, ...] = ()
    """Candidates left out in the last decision, by stage."""
    candidates: tuple[str, ...] = ()
    attempts: list[AttemptRecord] = attrs.field(factory=new_list)
    ended: float | None = None
    status: str = "running"
    """``running``, ``success``, ``failed`` or ``cancelled``."""
    error: str | None = None
    routing_seconds: float = 0.0
    """Spent in the pipeline, all decisions together."""
    rotations: int = 0
    hedges: int = 0
    """Second attempts beside a slow one."""
    answered_by: AttemptRecord | None = None
    """Whose answer the caller got; for a stream that was taken up, who goes on."""
    upstream_seconds: float = 0.0
    """Spent waiting for providers."""
    traceparent: str | None = None
    """The trace that the caller named."""
    tracestate: str | None = None

    @property
    def model(self) -> str | None:
        """The model that answered, or else the one that was asked last."""
        return self._last.model if self._last is not None else None

    @property
    def provider(self) -> str | None:
        return self._last.provider if self._last is not None else None

    @property
    def _last(self) -> AttemptRecord | None:
        return self.answered_by or (self.attempts[-1] if self.attempts else None)

    @property
    def replaced_model(self) -> str | None:
        """The model that was asked first, if another one answered in its place."""
        first = self.attempts[0].model if self.attempts else None
        return first if self.rotations or first != self.model else None

    @property
    def cost(self) -> Decimal | None:
        """USD of all attempts; None where no attempt's price is known."""
        if len(self.attempts) == 1:
            return self.attempts[0].cost
        known = [attempt.cost for attempt in self.attempts if attempt.cost is not None]
        return sum(known, Decimal(0)) if known else None

    def brief(self) -> dict[str, Any]:
        """JSON-able: who, what, when, outcome, cost. Made for every request, and so by itself."""
        attempts, last = self.attempts, self.answered_by
        if last is None and attempts:
            last = attempts[-1]
        cost = attempts[0].cost if len(attempts) == 1 else self.cost
        routing_ms = int(self.routing_seconds * 1e7 + 0.5) / 1e4  # ``round`` takes twice as long
        return {
            "type": "request",
            "at": self.started,
            "request_id": self.request_id,
            "requested": self.requested,
            "operation": self.operation,
            "delivery": self.delivery,
            "key": self.key,
            "metadata": dict(self.metadata) if self.metadata else {},
            "pool": self.pool,
            "model": last.model if last is not None else None,
            "provider": last.provider if last is not None else None,
            "ended": self.ended,
            "status": self.status,
            "error": self.error,
            "cost": None if cost is None else str(cost),
            "routing_ms": routing_ms,
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, with full ids."""
        reason = next((attempt.follow_up for attempt in reversed(self.attempts) if attempt.follow_up), None)
        return {
            "type": "request",
            "at": self.started,
            "request_id": self.request_id,
            "requested": self.requested,
            "operation": self.operation,
            "delivery": self.delivery,
            "key": self.key,
            "metadata": dict(self.metadata),
            "pool": self.pool,
            "pools": list(self.pools),
            "dropped": [attrs.asdict(drop) for drop in self.drops],
            "candidates": list(self.candidates),
            "model": self.model,
            "provider": self.provider,
            "replaced_model": self.replaced_model,
            "rotation_reason": reason if self.rotations else None,
            "fallback_chain": [attempt.model for attempt in self.attempts],
            "attempts": [attempt.to_dict() for attempt in self.attempts],
            "ended": self.ended,
            "status": self.status,
            "error": self.error,
            "cost": None if self.cost is None else str(self.cost),
            "routing_ms": round(self.routing_seconds * 1000, 4),
            "traceparent": self.traceparent,
            "tracestate": self.tracestate,
        }
