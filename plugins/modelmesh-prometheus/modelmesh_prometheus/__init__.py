"""``prometheus.metrics.v1``: counts what the mesh does, for a Prometheus server that scrapes the gateway."""

from __future__ import annotations

from collections.abc import Iterable

from modelmesh_core import ObservabilityConnector, ObservabilitySink, hookimpl

from .options import PrometheusOptions

__all__ = ["PrometheusOptions"]


@hookimpl
def observability_connectors() -> Iterable[ObservabilityConnector]:
    yield ObservabilityConnector(
        id="prometheus.metrics.v1",
        create=_create,
        options=PrometheusOptions,
        description="Metrics that the gateway serves at /metrics.",
        wants=frozenset({"event", "request"}),
    )


def _create(options: PrometheusOptions | None) -> ObservabilitySink:
    from .sink import PrometheusSink

    return PrometheusSink(options)
