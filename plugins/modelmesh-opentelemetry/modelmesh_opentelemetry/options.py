"""Options of ``opentelemetry.otlp.v1``."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
from modelmesh_core import Duration, Secret


def _hidden(values: Mapping[str, Secret | str]) -> Mapping[str, Secret]:
    return {name: value if isinstance(value, Secret) else Secret(value) for name, value in values.items()}


@attrs.frozen
class OtlpOptions:
    """Options of ``opentelemetry.otlp.v1``."""

    endpoint: str = attrs.field(default="http://localhost:4318", repr=False)  # some services put a token into it
    """Address of the receiver; ``/v1/traces`` and ``/v1/metrics`` are added."""
    headers: Mapping[str, Secret] = attrs.field(factory=dict[str, Secret], converter=_hidden)
    """Sent with every export, for example ``authorization``."""
    service_name: str = "modelmesh"
    """``service.name`` of the resource."""
    attributes: Mapping[str, str] = attrs.field(factory=dict[str, str])
    """More attributes of the resource, for example ``deployment.environment.name``."""
    traces: bool = True
    metrics: bool = True
    """Sent every ``observability.statistics.flush_interval``."""
    sample: float = attrs.field(default=1.0, validator=[attrs.validators.ge(0), attrs.validators.le(1)])
    """Share of the traces that are sent, where the caller has not decided it by ``traceparent``."""
    propagate: bool = False
    """Tell providers of the trace, by ``traceparent`` (and the caller's ``tracestate``)."""
    max_series: int = attrs.field(default=1000, validator=attrs.validators.ge(1))
    """Combinations of attributes of one metric. What comes later is counted together (``otel.metric.overflow``)."""
    timeout: Duration = 10.0
    """For each try."""
    max_attempts: int = attrs.field(default=4, validator=attrs.validators.ge(1))
    """Tries per export, the first included."""
    initial_delay: Duration = 0.5
    """Before the second try; doubles, with jitter, for each further one."""
    max_delay: Duration = 30.0
    """The longest pause between two tries, also where the receiver asks for a longer one."""
