"""``modelmesh.null.v1``: takes every entry and keeps none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from modelmesh_core import Entry, ObservabilityConnector, ObservabilitySink, hookimpl


class NullSink(ObservabilitySink):
    """For switching one kind of observability off."""

    async def write(self, entries: Sequence[Entry]) -> None:
        pass


@hookimpl
def observability_connectors() -> Iterable[ObservabilityConnector]:
    yield ObservabilityConnector(
        id="modelmesh.null.v1", create=lambda options: NullSink(), description="Takes every entry and keeps none."
    )
