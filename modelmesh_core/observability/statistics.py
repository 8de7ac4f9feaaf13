"""StatisticsCollector: counts and latencies per model, provider, pool and key."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from ..interfaces.observability import Event
from ..interfaces.records import DecisionRecord
from ..interfaces.routing import Reason
from ..values import Clock
from .queue import SinkQueue

SCOPES = ("model", "provider", "pool", "key")
_MAX_NAMES = 20_000
"""Names kept a scope: later ones are counted together under ``(other)``."""
_SAMPLES = 512
_QUOTAS = frozenset({Reason.BUDGET, Reason.QUOTA, Reason.TOKEN, Reason.REQUEST})


class _Series:
    """What is counted for one model, provider, pool or key."""

    __slots__ = (
        "cancelled",
        "downtime",
        "failed",
        "first_tokens",
        "latencies",
        "quota_resets",
        "requests",
        "rotations",
        "spent",
        "standby_events",
        "success",
        "tokens_in",
        "tokens_out",
    )

    def __init__(self) -> None:
        self.requests = self.success = self.failed = self.cancelled = 0
        self.tokens_in = self.tokens_out = self.rotations = self.standby_events = self.quota_resets = 0
        self.downtime = 0.0
        self.spent = Decimal(0)
        self.latencies: deque[float] = deque(maxlen=_SAMPLES)
        self.first_tokens: deque[float] = deque(maxlen=_SAMPLES)

    def ended(self, status: str, started: float, ended: float | None) -> None:
        self.requests += 1
        if status == "success":
            self.success += 1
            if ended is not None:
                self.latencies.append(ended - started)
        elif status == "failed":
            self.failed += 1
        else:
            self.cancelled += 1

    def summary(self) -> dict[str, Any]:
        ranked = sorted(self.latencies)
        return {
            "requests": self.requests,
            "success": self.success,
            "failed": self.failed,
            "cancelled": self.cancelled,
            "tokens_in": self.tokens_in,
            "tokens_out": self.tokens_out,
            "rotations": self.rotations,
            "standby_events": self.standby_events,
            "quota_resets": self.quota_resets,
            "downtime": self.downtime,
            "cost": str(self.spent),
            "latency_mean": sum(ranked) / len(ranked) if ranked else None,
            **{f"latency_p{share}": _percentile(ranked, share / 100) for share in (50, 95, 99)},
            "time_to_first_token": sum(self.first_tokens) / len(self.first_tokens) if self.first_tokens else None,
        }


def _percentile(ranked: Sequence[float], share: float) -> float | None:
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else None


class StatisticsCollector:
    """Counts since the start. Callable from any thread."""

    def __init__(self, clock: Clock, queues: Sequence[SinkQueue] = ()) -> None:
        self._clock = clock
        self._queues = queues
        self._series: dict[str, dict[str, _Series]] = {scope: {} for scope in SCOPES}
        self._resting: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()
        self.started = clock.now()

    def on_event(self, event: Event) -> None:
        """Count standby events, how long they lasted (seconds), and quotas that came back."""
        if event.name not in ("model_deactivated", "model_activated"):
            return
        place = (event.data["pool"], event.data["model"])
        with self._lock:
            series = [self._of(scope, event.data[scope]) for scope in ("model", "provider", "pool")]
            if event.name == "model_deactivated":
                self._resting[place] = event.at
                for one in series:
                    one.standby_events += 1
                return
            since = self._resting.pop(place, event.at)
            for one in series:
                one.downtime += event.at - since
                one.quota_resets += event.data["reason"] in _QUOTAS

    def everything(self) -> dict[str, dict[str, Any]]:
        """Scope → name → counts. Latencies in seconds, cost in USD."""
        with self._lock:
            return {
                scope: {name: series.summary() for name, series in known.items()}
                for scope, known in self._series.items()
            }

    def connect(self, queues: Sequence[SinkQueue]) -> None:
        """Send the totals to these connectors from now on."""
        self._queues = queues

    def flush(self) -> None:
        """Send the running totals to the connectors."""
        if not self._queues:
            return
        for scope, found in self.everything().items():
            for name, summary in found.items():
                for queue in self._queues:
                    queue.put({"type": "statistics", "at": self._clock.now(), "scope": scope, "name": name, **summary})

    def count(self, records: Sequence[DecisionRecord]) -> None:
        """Count finished requests."""
        with self._lock:
            self._count(records)

    def _count(self, records: Sequence[DecisionRecord]) -> None:
        alike: dict[tuple[str, str | None, str, str], list[DecisionRecord]] = {}
        for record in records:
            attempts, pool = record.attempts, record.pool
            if pool is None or record.status != "success" or len(attempts) != 1:
                self._count_one(record)
                continue
            place = (pool, record.key, attempts[0].model, attempts[0].provider)
            if place in alike:
                alike[place].append(record)
            else:
                alike[place] = [record]
        for (pool, key, model, provider), found in alike.items():
            whole = [self._of("pool", pool)] if key is None else [self._of("pool", pool), self._of("key", key)]
            self._count_alike([self._of("model", model), self._of("provider", provider)], whole, found)

    def _count_alike(self, own: list[_Series], whole: list[_Series], records: Sequence[DecisionRecord]) -> None:
        """Requests that one attempt answered, as most are: added up before they are added to each series."""
        tokens_in = tokens_out = 0
        spent = Decimal(0)
        first_tokens: list[float] = []
        for record in records:
            attempt = record.attempts[0]
            usage, cost, first = attempt.usage, attempt.cost, attempt.first_byte
            if usage is not None:
                tokens_in += usage.total_input
                tokens_out += usage.total_output
            if cost is not None:
                spent += cost
            if first is not None:
                first_tokens.append(first - attempt.started)
        took = [record.ended - record.started for record in records if record.ended is not None]
        for series in whole:
            series.latencies += took
        took = [one.ended - one.started for record in records if (one := record.attempts[0]).ended is not None]
        for series in own:
            series.latencies += took
        for series in (*own, *whole):
            series.requests += len(records)
            series.success += len(records)
            series.tokens_in += tokens_in
            series.tokens_out += tokens_out
            series.spent += spent
            series.first_tokens += first_tokens

    def _count_one(self, record: DecisionRecord) -> None:
        whole: list[_Series] = []
        if record.pool is not None:
            whole.append(self._of("pool", record.pool))
        if record.key is not None:
            whole.append(self._of("key", record.key))
        for series in whole:
            series.ended(record.status, record.started, record.ended)
            series.rotations += record.rotations
        for attempt in record.attempts:
            usage, cost, first = attempt.usage, attempt.cost, attempt.first_byte
            tokens_in, tokens_out = (usage.total_input, usage.total_output) if usage is not None else (0, 0)
            own = (self._of("model", attempt.model), self._of("provider", attempt.provider))
            for series in own:
                series.ended(attempt.status, attempt.started, attempt.ended)
            for series in (*own, *whole):
                series.tokens_in += tokens_in
                series.tokens_out += tokens_out
                if cost is not None:
                    series.spent += cost
                if first is not None:
                    series.first_tokens.append(first - attempt.started)

    def _of(self, scope: str, name: str) -> _Series:
        known: dict[str, _Series] = self._series[scope]
        series = known.get(name)
        if series is None:
            if len(known) >= _MAX_NAMES:
                name = "(other)"
            series = known.setdefault(name, _Series())
        return series
