"""PrometheusSink: takes entries in, and is read by the gateway."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

import modelmesh_core
from modelmesh_core import DecisionRecord, Entry, MetricsSink, RequestCounter, Snapshot

from .counting import Counts, Row
from .exposition import OPEN_METRICS, TEXT, exposition, prefers_open_metrics
from .gauges import gauge_rows
from .merging import make_snapshot, merged
from .options import PrometheusOptions


class PrometheusSink(MetricsSink, RequestCounter):
    """Counts in this process. Nothing is sent anywhere: a Prometheus server comes and reads."""

    def __init__(self, options: PrometheusOptions | None = None) -> None:
        self._options = options or PrometheusOptions()
        self._counts = Counts(self._options.max_series, self._options.duration_buckets)
        self._lock = threading.Lock()

    def count(self, records: Sequence[DecisionRecord]) -> None:
        with self._lock:
            self._counts.requests(records)

    async def write(self, entries: Sequence[Entry]) -> None:
        with self._lock:
            for entry in entries:
                if entry.get("type") == "event":
                    self._counts.event(entry)

    def snapshot(self, present: Sequence[Entry]) -> Snapshot:
        with self._lock:
            counted = list(self._counts.rows())
        at = max((entry["at"] for entry in present), default=time.time())
        return make_snapshot(at, self._rows(counted, present))

    def _rows(self, counted: Sequence[Row], present: Sequence[Entry]) -> Iterator[Row]:
        yield from counted
        yield from gauge_rows(present, self._options.max_series)
        yield "modelmesh_build_info", (modelmesh_core.__version__,), 1

    def retired(self, snapshots: Sequence[Snapshot]) -> Snapshot:
        values = merged(snapshots, only_counts=True)
        rows = [(name, labels, value) for name, found in values.items() for labels, value in found.items()]
        return make_snapshot(0.0, rows)

    def render(self, snapshots: Sequence[Snapshot], accept: str) -> tuple[str, bytes]:
        open_metrics = prefers_open_metrics(accept)
        body = exposition(merged(snapshots), open_metrics=open_metrics)
        return OPEN_METRICS if open_metrics else TEXT, body
