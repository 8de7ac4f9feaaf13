"""Sums, gauges and histograms, as OTLP's messages say them: cumulative since the start."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    Sum,
)

from .values import Attributes, Value, key_values, nanoseconds

_OVERFLOW: tuple[tuple[str, Value], ...] = (("otel.metric.overflow", True),)
Key = tuple[tuple[str, Value], ...]


class _Counts:
    """How many values fell below each bound."""

    __slots__ = ("counts", "greatest", "least", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0
        self.least = float("inf")
        self.greatest = float("-inf")


class Instrument:
    """One metric, by the combinations of its attributes."""

    def __init__(self, name: str, unit: str, description: str, max_series: int) -> None:
        self.name = name
        self.unit = unit
        self.description = description
        self._max_series = max_series

    def _key(self, attributes: Attributes, known: object) -> Key:
        assert isinstance(known, dict)
        key = tuple((name, value) for name, value in attributes.items() if value is not None)
        return key if key in known or len(known) < self._max_series else _OVERFLOW  # pyright: ignore[reportUnknownArgumentType]

    def metric(self, started: float, now: float) -> Metric | None:
        """The message; None while there is nothing to say."""
        raise NotImplementedError


class Counter(Instrument):
    """A sum that only grows."""

    def __init__(self, name: str, unit: str, description: str, max_series: int) -> None:
        super().__init__(name, unit, description, max_series)
        self._values: dict[Key, float] = {}

    def add(self, amount: float, attributes: Attributes) -> None:
        key = self._key(attributes, self._values)
        self._values[key] = self._values.get(key, 0) + amount

    def set(self, amount: float, attributes: Attributes) -> None:
        """Say a sum that somebody else has counted."""
        self._values[self._key(attributes, self._values)] = amount

    def metric(self, started: float, now: float) -> Metric | None:
        if not self._values:
            return None
        return Metric(
            name=self.name,
            unit=self.unit,
            description=self.description,
            sum=Sum(
                data_points=_points(self._values, started, now),
                aggregation_temporality=AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE,
                is_monotonic=True,
            ),
        )


class Level(Instrument):
    """What is true now; forgotten once it is told."""

    def __init__(self, name: str, unit: str, description: str, max_series: int) -> None:
        super().__init__(name, unit, description, max_series)
        self._values: dict[Key, float] = {}

    def set(self, value: float, attributes: Attributes) -> None:
        key = self._key(attributes, self._values)
        if key != _OVERFLOW:
            self._values[key] = value

    def forget(self) -> None:
        self._values.clear()

    def metric(self, started: float, now: float) -> Metric | None:
        if not self._values:
            return None
        points = _points(self._values, None, now)
        return Metric(name=self.name, unit=self.unit, description=self.description, gauge=Gauge(data_points=points))


class Distribution(Instrument):
    """A histogram."""

    def __init__(self, name: str, unit: str, description: str, max_series: int, bounds: Sequence[float]) -> None:
        super().__init__(name, unit, description, max_series)
        self._bounds = bounds
        self._values: dict[Key, _Counts] = {}

    def add(self, value: float, attributes: Attributes) -> None:
        key = self._key(attributes, self._values)
        counts = self._values.get(key)
        if counts is None:
            counts = self._values[key] = _Counts(self._bounds)
        value = max(value, 0.0)
        counts.counts[bisect_left(self._bounds, value)] += 1
        counts.total += value
        counts.least, counts.greatest = min(counts.least, value), max(counts.greatest, value)

    def metric(self, started: float, now: float) -> Metric | None:
        if not self._values:
            return None
        points = [
            HistogramDataPoint(
                attributes=key_values(dict(key)),
                start_time_unix_nano=nanoseconds(started),
                time_unix_nano=nanoseconds(now),
                count=sum(counts.counts),
                sum=counts.total,
                min=counts.least,
                max=counts.greatest,
                bucket_counts=counts.counts,
                explicit_bounds=self._bounds,
            )
            for key, counts in self._values.items()
        ]
        return Metric(
            name=self.name,
            unit=self.unit,
            description=self.description,
            histogram=Histogram(
                data_points=points, aggregation_temporality=AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
            ),
        )


def _points(values: dict[Key, float], started: float | None, now: float) -> Iterator[NumberDataPoint]:
    for key, value in values.items():
        point = NumberDataPoint(attributes=key_values(dict(key)), time_unix_nano=nanoseconds(now))
        if started is not None:
            point.start_time_unix_nano = nanoseconds(started)
        if isinstance(value, int):
            point.as_int = value
        else:
            point.as_double = value
        yield point
