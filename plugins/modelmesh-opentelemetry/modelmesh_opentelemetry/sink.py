"""OtlpSink: entries in, exports out."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

import modelmesh_core
from modelmesh_core import Clock, Entry, ObservabilitySink, SystemClock
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, ResourceMetrics, ScopeMetrics
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans

from .metrics import Metrics
from .options import OtlpOptions
from .receiver import Receiver
from .spans import spans_of
from .values import delimited, key_values


class OtlpSink(ObservabilitySink):
    """Sends the spans of each batch of requests, and all metrics whenever the mesh has told its gauges.

    The messages are built from the finished records, without OpenTelemetry's SDK: its spans begin and end as the code
    runs, with ids of its own, and its exporters keep threads and queues beside those that the mesh has.
    """

    def __init__(self, options: OtlpOptions | None = None, clock: Clock | None = None) -> None:
        self._options = options or OtlpOptions()
        self.propagates = self._options.propagate
        clock = clock or SystemClock()
        self._receiver = Receiver(self._options, clock)
        self._started = clock.now()
        self._metrics = Metrics(self._options.max_series)
        self._scope = InstrumentationScope(name="modelmesh", version=modelmesh_core.__version__)
        self._resource = Resource(
            attributes=key_values(
                {
                    "service.name": self._options.service_name,
                    "service.version": modelmesh_core.__version__,
                    "service.instance.id": str(uuid4()),
                    **self._options.attributes,
                }
            )
        )
        self._spans: list[bytes] = []
        self._due: float | None = None
        self._taken: Sequence[Entry] = ()

    async def write(self, entries: Sequence[Entry]) -> None:
        # A batch that could not be sent is offered again: it was counted, and part of it may have been sent.
        if entries is not self._taken:
            self._taken = entries
            self._take(entries)
        try:
            if self._spans:
                await self._receiver.traces(self._traces(self._spans))
                self._spans = []
        finally:
            await self._tell_metrics()

    async def _tell_metrics(self) -> None:
        if self._due is None:
            return
        now, self._due = self._due, None
        if messages := self._metrics.messages(self._started, now):
            # Sums are told again the next time: nothing is lost with one that fails.
            await self._receiver.metrics(self._metric_request(messages))

    def _take(self, entries: Sequence[Entry]) -> None:
        self._spans = []
        for entry in entries:
            type_ = entry.get("type")
            if type_ == "request" and "routing_ms" in entry:
                if self._options.metrics:
                    self._metrics.request(entry)
                if self._options.traces:
                    self._spans.extend(spans_of(entry, self._options.sample))
            elif type_ == "event":
                self._metrics.event(entry)
            elif type_ == "gauge" and self._options.metrics and self._metrics.gauge(entry):
                self._due = entry["at"]

    def _traces(self, spans: Sequence[bytes]) -> bytes:
        head = ScopeSpans(scope=self._scope).SerializeToString()
        scoped = head + b"".join([delimited(ScopeSpans.SPANS_FIELD_NUMBER, span) for span in spans])
        whole = ResourceSpans(resource=self._resource).SerializeToString()
        whole += delimited(ResourceSpans.SCOPE_SPANS_FIELD_NUMBER, scoped)
        return delimited(ExportTraceServiceRequest.RESOURCE_SPANS_FIELD_NUMBER, whole)

    def _metric_request(self, metrics: Sequence[Metric]) -> bytes:
        scoped = ScopeMetrics(scope=self._scope, metrics=metrics)
        whole = ResourceMetrics(resource=self._resource, scope_metrics=[scoped])
        return ExportMetricsServiceRequest(resource_metrics=[whole]).SerializeToString()

    async def close(self) -> None:
        await self._receiver.close()
