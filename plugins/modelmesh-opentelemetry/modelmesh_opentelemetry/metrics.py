"""What is counted: by the GenAI conventions where they have a name for it, else under ``modelmesh``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelmesh_core import Entry
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from .conventions import (
    DURATION_BOUNDS,
    TOKEN_BOUNDS,
    error_type,
    input_tokens,
    operation_name,
    output_tokens,
    provider_name,
    upstream_model,
)
from .instruments import Counter, Distribution, Instrument, Level

_KINDS = ("input", "output", "cached_input", "cache_write", "reasoning", "audio")


class Metrics:
    """Counts entries; ``messages`` says the state of all metrics."""

    def __init__(self, max_series: int) -> None:
        most, seconds = max_series, DURATION_BOUNDS
        self._usage = Distribution(
            "gen_ai.client.token.usage", "{token}", "Input and output tokens used.", most, TOKEN_BOUNDS
        )
        self._duration = Distribution(
            "gen_ai.client.operation.duration", "s", "Duration of calls to models.", most, seconds
        )
        self._first = Distribution(
            "modelmesh.time_to_first_token", "s", "From a streamed call to its first content.", most, seconds
        )
        self._whole = Distribution("modelmesh.request.duration", "s", "Duration of requests.", most, seconds)
        self._requests = Counter("modelmesh.requests", "{request}", "Requests that ended.", most)
        self._attempts = Counter("modelmesh.attempts", "{attempt}", "Calls to models.", most)
        self._rotations = Counter("modelmesh.rotations", "{rotation}", "Requests that left a model.", most)
        self._tokens = Counter("modelmesh.tokens", "{token}", "Tokens, in disjoint kinds.", most)
        self._cost = Counter("modelmesh.cost", "USD", "US dollars, where prices are known.", most)
        self._rests = Counter("modelmesh.standby.events", "{event}", "Times that a model went on standby.", most)
        self._dropped = Counter("modelmesh.queue.dropped", "{entry}", "Entries lost before a connector.", most)
        self._resting = Level("modelmesh.standby", "1", "1 while a model is on standby.", most)
        self._limit = Level("modelmesh.quota.limit", "1", "Most that may be used in a window.", most)
        self._left = Level("modelmesh.quota.left", "1", "What is left in the window.", most)
        self._in_flight = Level("modelmesh.requests.in_flight", "{request}", "Requests under way.", most)
        self._all: list[Instrument] = [one for one in vars(self).values() if isinstance(one, Instrument)]

    def messages(self, started: float, now: float) -> list[Metric]:
        """Every metric that has something to say; gauges are forgotten then."""
        made = [instrument.metric(started, now) for instrument in self._all]
        for instrument in self._all:
            if isinstance(instrument, Level):
                instrument.forget()
        return [metric for metric in made if metric is not None]

    def request(self, entry: Entry) -> None:
        """A request ended."""
        operation, key = operation_name(entry["operation"]), entry["key"]
        place = {
            "modelmesh.pool": entry["pool"],
            "modelmesh.model": entry["model"],
            "modelmesh.provider": entry["provider"],
        }
        outcome = {**place, "modelmesh.outcome": entry["status"]}
        self._requests.add(1, {**outcome, "modelmesh.key": key, "gen_ai.operation.name": operation})
        if entry["ended"] is not None:
            self._whole.add(entry["ended"] - entry["at"], outcome)
        before: Mapping[str, Any] | None = None
        for attempt in entry["attempts"]:
            self._attempt(attempt, operation, key)
            if attempt["is_hedge"]:
                continue
            if before is not None and before["model"] != attempt["model"]:
                self._rotations.add(1, {**_place(before), "modelmesh.reason": error_type(before)})
            before = attempt

    def _attempt(self, attempt: Mapping[str, Any], operation: str, key: str | None) -> None:
        place, error = _place(attempt), error_type(attempt)
        named = {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": provider_name(attempt["provider"]),
            "gen_ai.request.model": upstream_model(attempt["model"], attempt["provider"]),
        }
        self._attempts.add(1, {**place, "modelmesh.outcome": error or attempt["status"]})
        if attempt["ended"] is not None:
            self._duration.add(attempt["ended"] - attempt["started"], {**named, "error.type": error})
        if attempt["first_byte"] is not None:
            self._first.add(attempt["first_byte"] - attempt["started"], place)
        tokens = attempt["tokens"]
        if tokens is not None:
            if not tokens["estimated"]:
                self._usage.add(input_tokens(tokens), {**named, "gen_ai.token.type": "input"})
                self._usage.add(output_tokens(tokens), {**named, "gen_ai.token.type": "output"})
            for kind in _KINDS:
                if tokens[kind]:
                    self._tokens.add(tokens[kind], {**place, "modelmesh.key": key, "modelmesh.token.kind": kind})
        if attempt["cost"] is not None:
            self._cost.add(float(attempt["cost"]), {**place, "modelmesh.key": key})

    def event(self, entry: Entry) -> None:
        """Something changed in the mesh."""
        if entry.get("name") == "model_deactivated" and "pool" in entry:
            self._rests.add(1, {**_place(entry), "modelmesh.reason": entry.get("reason")})

    def gauge(self, entry: Entry) -> bool:
        """What is true now. Whether that was the last of it."""
        scope = entry["scope"]
        if scope == "standby":
            self._resting.set(int(entry["standby"]), _place(entry))
        elif scope == "quota":
            account = {f"modelmesh.quota.{name}": entry[name] for name in ("account", "window", "measure")}
            self._limit.set(float(entry["limit"]), account)
            self._left.set(float(entry["left"]), account)
        elif scope == "queue":
            self._dropped.set(entry["dropped"], {"modelmesh.sink": entry["name"]})
        elif scope == "mesh":
            self._in_flight.set(entry["in_flight"], {})
        return scope == "mesh"


def _place(told: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "modelmesh.pool": told["pool"] or None,
        "modelmesh.model": told["model"],
        "modelmesh.provider": told["provider"],
    }
