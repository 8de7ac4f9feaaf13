"""``/metrics``: what a configured connector has counted, summed over the processes that serve together."""

from __future__ import annotations

from .exchange import Exchange
from .policy import Policy
from .refusals import Refusal


async def metrics(exchange: Exchange, policy: Policy) -> None:
    observability = policy.mesh.get_observability()
    sink, own = observability.metrics, observability.metrics_snapshot()
    if sink is None or own is None:
        message = (
            "no connector that can be read is configured: install modelmesh-prometheus, and name "
            "prometheus.metrics.v1 in observability.statistics"
        )
        raise Refusal(404, message, code="endpoint_not_served")
    others = await policy.metrics_peers()
    media_type, body = sink.render([own, *others], exchange.header(b"accept"))
    await exchange.answer(200, body, media_type=media_type.encode("latin-1"))
