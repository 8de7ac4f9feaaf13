"""Health and latency of one model, across all pools."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from ..wire.messages import Headroom

_SAMPLES = 128
"""Recent latencies kept a model: enough for a p95, small enough for 10,000 models."""


class Outcomes:
    """Successes and failures over the last ``window`` seconds, in one-second buckets."""

    __slots__ = ("_buckets", "failures", "total", "window")

    def __init__(self, window: float) -> None:
        self.window = window
        self._buckets: deque[list[int]] = deque()
        self.total = 0
        self.failures = 0

    def add(self, now: float, failed: bool) -> None:
        second = int(now)
        if not self._buckets or self._buckets[-1][0] < second:
            self._buckets.append([second, 0, 0])
        bucket = self._buckets[-1]
        bucket[1] += 1
        bucket[2] += failed
        self.total += 1
        self.failures += failed
        self.expire(now)

    def expire(self, now: float) -> None:
        oldest = now - self.window
        while self._buckets and self._buckets[0][0] < oldest:
            _, total, failures = self._buckets.popleft()
            self.total -= total
            self.failures -= failures

    @property
    def error_rate(self) -> float:
        return self.failures / self.total if self.total else 0.0


class _Recent:
    """The last values of one measure; percentiles are worked out again only after several new ones."""

    __slots__ = ("_ranked", "_since_ranked", "_sum", "_values")

    def __init__(self) -> None:
        self._values: deque[float] = deque(maxlen=_SAMPLES)
        self._sum = 0.0
        self._ranked: list[float] = []
        self._since_ranked = 0

    def add(self, value: float) -> None:
        if len(self._values) == _SAMPLES:
            self._sum -= self._values[0]
        self._values.append(value)
        self._sum += value
        self._since_ranked += 1

    def __len__(self) -> int:
        return len(self._values)

    @property
    def mean(self) -> float | None:
        return self._sum / len(self._values) if self._values else None

    def percentile(self, share: float) -> float | None:
        if not self._values:
            return None
        if self._since_ranked * 16 >= len(self._values):
            self._ranked = sorted(self._values)
            self._since_ranked = 0
        return self._ranked[min(len(self._ranked) - 1, int(share * len(self._ranked)))]

    def export(self) -> list[float]:
        return [round(value, 6) for value in self._values]

    def restore(self, values: list[float]) -> None:
        for value in values:
            self.add(float(value))


class ModelHealth:
    """Live state of one model. Changed only under the mesh's lock."""

    __slots__ = (
        "_windows",
        "consecutive_failures",
        "first_token",
        "headroom",
        "headroom_at",
        "last_failure",
        "latency",
        "model",
        "version",
    )

    def __init__(self, model: str) -> None:
        self.model = model
        self.consecutive_failures = 0
        self.last_failure: float | None = None
        self.latency = _Recent()
        self.first_token = _Recent()
        self.headroom: Headroom = {}
        self.headroom_at = 0.0
        self.version = 0
        self._windows: dict[float, Outcomes] = {}

    def outcomes(self, window: float) -> Outcomes:
        """Outcomes over the last ``window`` seconds; counting begins when first asked for."""
        found = self._windows.get(window)
        if found is None:
            found = self._windows[window] = Outcomes(window)
        return found

    def succeeded(self, now: float, latency: float, first_token: float | None) -> None:
        """``latency`` and ``first_token`` in seconds."""
        self.consecutive_failures = 0
        self.latency.add(latency)
        if first_token is not None:
            self.first_token.add(first_token)
        for outcomes in self._windows.values():
            outcomes.add(now, False)
        self.version += 1

    def failed(self, now: float) -> None:
        self.consecutive_failures += 1
        self.last_failure = now
        for outcomes in self._windows.values():
            outcomes.add(now, True)
        self.version += 1

    def report(self, headroom: Headroom, now: float) -> None:
        """Take what the provider said is left."""
        self.headroom = headroom
        self.headroom_at = now
        self.version += 1

    def reset(self) -> None:
        """Forget failures: the model was brought back."""
        self.consecutive_failures = 0
        self.version += 1

    def export(self) -> dict[str, Any]:
        return {
            "consecutive_failures": self.consecutive_failures,
            "last_failure": self.last_failure,
            "latency": self.latency.export(),
            "first_token": self.first_token.export(),
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        self.consecutive_failures = int(saved.get("consecutive_failures", 0))
        self.last_failure = saved.get("last_failure")
        self.latency.restore(saved.get("latency", []))
        self.first_token.restore(saved.get("first_token", []))
        self.version += 1
