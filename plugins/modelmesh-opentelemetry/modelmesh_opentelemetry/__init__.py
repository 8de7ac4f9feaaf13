"""``opentelemetry.otlp.v1``: traces and metrics to whatever takes OTLP over HTTP."""

from __future__ import annotations

from collections.abc import Iterable

from modelmesh_core import ObservabilityConnector, ObservabilitySink, hookimpl

from .options import OtlpOptions

__all__ = ["OtlpOptions"]


@hookimpl
def observability_connectors() -> Iterable[ObservabilityConnector]:
    yield ObservabilityConnector(
        id="opentelemetry.otlp.v1",
        create=_create,
        options=OtlpOptions,
        description="Traces and metrics over OTLP/HTTP, by the GenAI conventions.",
        wants=frozenset({"event", "gauge", "request"}),
    )


def _create(options: OtlpOptions | None) -> ObservabilitySink:
    from .sink import OtlpSink

    return OtlpSink(options)
