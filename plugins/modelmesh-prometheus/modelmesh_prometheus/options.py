"""Options of ``prometheus.metrics.v1``."""

from __future__ import annotations

from itertools import pairwise

import attrs

DURATIONS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0)


def _ascending(
    options: PrometheusOptions, attribute: attrs.Attribute[tuple[float, ...]], value: tuple[float, ...]
) -> None:
    if not value or value[0] <= 0 or any(below >= above for below, above in pairwise(value)):
        raise ValueError(f"{attribute.name} must be seconds in ascending order, the first above 0")


@attrs.frozen
class PrometheusOptions:
    """Options of ``prometheus.metrics.v1``."""

    max_series: int = attrs.field(default=1000, validator=attrs.validators.ge(1))
    """Combinations of pool, model, provider and key that are counted apart. What comes later is counted together, under
    ``other``, and in ``modelmesh_series_overflow_total``."""
    duration_buckets: tuple[float, ...] = attrs.field(default=DURATIONS, validator=_ascending)
    """Upper bounds, in seconds, of the histograms of durations."""
