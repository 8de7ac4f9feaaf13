"""Counts of requests and attempts by pool, model, provider and key: cheap ones, for the gateway pays for each."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from operator import attrgetter
from typing import Any

from modelmesh_core import AttemptRecord, DecisionRecord, Entry

TOKENS = ("input", "output", "cached_input", "cache_write", "reasoning", "audio")
FIRST_TOKEN = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0)
ROUTING = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1)
OTHER = "other"
_COUNTS = tuple(attrgetter(kind) for kind in TOKENS)

Labels = tuple[str, ...]
Row = tuple[str, Labels, Any]
"""Name of the family, label values, value: a number, or what ``Histogram.value`` is."""


class Histogram:
    """How many values fell below each bound."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def add(self, values: Sequence[float]) -> None:
        if values and min(values) < 0.0:  # a clock that was set back is no negative duration
            values = [max(value, 0.0) for value in values]
        counts = self._counts
        for place in map(bisect_left, repeat(self._bounds), values):
            counts[place] += 1
        self._sum += sum(values)

    @property
    def value(self) -> list[Any]:
        """Bounds, counts (not cumulative, the last one above all bounds), sum."""
        return [list(self._bounds), list(self._counts), self._sum]


class _Caller:
    """What is counted for one key at one model."""

    __slots__ = ("cost", "ended", "tokens")

    def __init__(self) -> None:
        self.ended: dict[Labels, int] = {}
        self.tokens = [0] * len(TOKENS)
        self.cost = 0.0

    def used(self, attempts: Sequence[AttemptRecord]) -> None:
        usages = [attempt.usage for attempt in attempts if attempt.usage is not None]
        for place, count in enumerate(_COUNTS):
            self.tokens[place] += sum(map(count, usages))
        self.cost += float(sum([attempt.cost for attempt in attempts if attempt.cost is not None]))


class _Model:
    """What is counted for one model in one pool."""

    __slots__ = (
        "attempts",
        "durations",
        "ended",
        "first_token",
        "hedges",
        "recoveries",
        "rotations",
        "standby",
        "took",
    )

    def __init__(self, durations: Sequence[float]) -> None:
        self.durations = durations
        self.ended: dict[str, Histogram] = {}
        self.attempts: dict[str, int] = {}
        self.took = Histogram(durations)
        self.first_token = Histogram(FIRST_TOKEN)
        self.hedges = 0
        self.rotations: dict[str, int] = {}
        self.standby: dict[str, int] = {}
        self.recoveries: dict[str, int] = {}

    def whole(self, status: str) -> Histogram:
        """How long requests of this outcome took."""
        if status not in self.ended:
            self.ended[status] = Histogram(self.durations)
        return self.ended[status]


class _Place:
    """What is counted for one key at one model in one pool, found at once."""

    __slots__ = ("caller", "model", "routing")

    def __init__(self, caller: _Caller, model: _Model, routing: Histogram) -> None:
        self.caller = caller
        self.model = model
        self.routing = routing


class Counts:
    """Everything that is counted since the start."""

    def __init__(self, max_series: int, durations: Sequence[float]) -> None:
        self._max_series = max_series
        self._durations = durations
        self._callers: dict[Labels, _Caller] = {}
        self._models: dict[Labels, _Model] = {}
        self._routing: dict[str, Histogram] = {}
        self._places: dict[Labels, _Place] = {}
        self._alerts: dict[Labels, int] = {}
        self._reloads = 0
        self.overflow = 0
        """Observations that were counted under ``other``."""

    # --- taking in ---------------------------------------------------------------------------------------------------

    def requests(self, records: Sequence[DecisionRecord]) -> None:
        """Requests ended."""
        alike: dict[Labels, list[DecisionRecord]] = {}
        for record in records:
            attempts = record.attempts
            if record.status != "success" or len(attempts) != 1 or attempts[0].pool != record.pool:
                self._request(record)
                continue
            names = (attempts[0].pool, attempts[0].model, attempts[0].provider, record.key or "", record.operation)
            if names in alike:
                alike[names].append(record)
            else:
                alike[names] = [record]
        for names, found in alike.items():
            self._alike(self._place(*names[:4]), names[4], found)

    def _alike(self, place: _Place, operation: str, records: Sequence[DecisionRecord]) -> None:
        """Requests that one attempt answered, as most are: found once, counted together."""
        model, attempts = place.model, [record.attempts[0] for record in records]
        ended, outcome = place.caller.ended, (operation, "success")
        ended[outcome] = ended.get(outcome, 0) + len(records)
        model.whole("success").add([record.ended - record.started for record in records if record.ended is not None])
        place.routing.add([record.routing_seconds for record in records])
        place.caller.used(attempts)
        model.attempts["success"] = model.attempts.get("success", 0) + len(records)
        model.took.add([attempt.ended - attempt.started for attempt in attempts if attempt.ended is not None])
        first = [attempt.first_byte - attempt.started for attempt in attempts if attempt.first_byte is not None]
        model.first_token.add(first)

    def _request(self, record: DecisionRecord) -> None:
        attempts, key, pool, status = record.attempts, record.key or "", record.pool or "", record.status
        last = record.answered_by or (attempts[-1] if attempts else None)
        place = self._place(pool, last.model, last.provider, key) if last else self._place(pool, "", "", key)
        ended, outcome = place.caller.ended, (record.operation, status)
        ended[outcome] = ended.get(outcome, 0) + 1
        if record.ended is not None:
            place.model.whole(status).add([record.ended - record.started])
        place.routing.add([record.routing_seconds])
        before: AttemptRecord | None = None
        for attempt in attempts:
            at = place
            if attempt is not last or attempt.pool != pool:
                at = self._place(attempt.pool, attempt.model, attempt.provider, key)
            self._attempt(attempt, at.model)
            at.caller.used((attempt,))
            if attempt.is_hedge:
                at.model.hedges += 1
                continue
            if before is not None and before.model != attempt.model:
                left = self._place(before.pool, before.model, before.provider, key).model.rotations
                reason = _outcome(before)
                left[reason] = left.get(reason, 0) + 1
            before = attempt

    def _place(self, pool: str, model: str, provider: str, key: str) -> _Place:
        names = (pool, model, provider, key)
        place = self._places.get(names)
        if place is None:
            routing = self._routing.get(pool)
            if routing is None:
                routing = self._routing[pool] = Histogram(ROUTING)
            place = _Place(self._caller(names), self._model(names[:3]), routing)
            if len(self._places) < self._max_series:
                self._places[names] = place
        return place

    def _attempt(self, attempt: AttemptRecord, model: _Model) -> None:
        outcome = _outcome(attempt)
        model.attempts[outcome] = model.attempts.get(outcome, 0) + 1
        if outcome == "success" and attempt.ended is not None:
            model.took.add([attempt.ended - attempt.started])
        if attempt.first_byte is not None:
            model.first_token.add([attempt.first_byte - attempt.started])

    def event(self, entry: Entry) -> None:
        """Something changed in the mesh."""
        name = entry["name"]
        if name in ("model_deactivated", "model_activated"):
            model = self._model(tuple(str(entry.get(label) or "") for label in ("pool", "model", "provider")))
            counts = model.standby if name == "model_deactivated" else model.recoveries
            reason = str(entry.get("reason") or "")
            counts[reason] = counts.get(reason, 0) + 1
        elif name == "budget_alert":
            account = (str(entry.get("account")), str(entry.get("window")))
            self._alerts[account] = self._alerts.get(account, 0) + 1
        elif name == "config_reloaded":
            self._reloads += 1

    def _caller(self, place: Labels) -> _Caller:
        series = self._callers.get(place)
        if series is None:
            if len(self._callers) >= self._max_series:
                self.overflow += 1
                place = (OTHER,) * len(place)
            series = self._callers.setdefault(place, _Caller())
        return series

    def _model(self, place: Labels) -> _Model:
        series = self._models.get(place)
        if series is None:
            if len(self._models) >= self._max_series:
                self.overflow += 1
                place = (OTHER,) * len(place)
            series = self._models.setdefault(place, _Model(self._durations))
        return series

    # --- giving out --------------------------------------------------------------------------------------------------

    def rows(self) -> Iterator[Row]:
        """Every counter and histogram."""
        for place, caller in self._callers.items():
            for outcome, count in caller.ended.items():
                yield "modelmesh_requests", (*place, *outcome), count
            for kind, tokens in zip(TOKENS, caller.tokens, strict=True):
                if tokens:
                    yield "modelmesh_tokens", (*place, kind), tokens
            if caller.cost:
                yield "modelmesh_cost_usd", place, caller.cost
        for place, model in self._models.items():
            yield from _model_rows(place, model)
        for pool, histogram in self._routing.items():
            yield "modelmesh_routing_duration_seconds", (pool,), histogram.value
        for account, count in self._alerts.items():
            yield "modelmesh_budget_alerts", account, count
        yield "modelmesh_config_reloads", (), self._reloads
        yield "modelmesh_series_overflow", (), self.overflow


def _model_rows(place: Labels, model: _Model) -> Iterable[Row]:
    for outcome, histogram in model.ended.items():
        yield "modelmesh_request_duration_seconds", (*place, outcome), histogram.value
    for name, counts in (
        ("modelmesh_attempts", model.attempts),
        ("modelmesh_rotations", model.rotations),
        ("modelmesh_standby_events", model.standby),
        ("modelmesh_recoveries", model.recoveries),
    ):
        for reason, count in counts.items():
            yield name, (*place, reason), count
    if model.attempts:
        yield "modelmesh_attempt_duration_seconds", place, model.took.value
        yield "modelmesh_time_to_first_token_seconds", place, model.first_token.value
        yield "modelmesh_hedges", place, model.hedges


def _outcome(attempt: AttemptRecord) -> str:
    """``success``, ``cancelled``, or the kind of failure."""
    return attempt.status if attempt.failure is None else attempt.failure.kind.value
