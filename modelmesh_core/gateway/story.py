"""The response headers that tell who answered, after how many attempts, at what cost and with what overhead."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from urllib.parse import quote

from ..interfaces.records import AttemptRecord, DecisionRecord
from .channel import HeaderList


def story_headers(
    attempts: Sequence[AttemptRecord], overhead: float, answered_by: AttemptRecord | None = None
) -> HeaderList:
    """``overhead``: seconds that the request took beyond waiting for providers.

    The cost is left out where no attempt's price is known, and for streams, whose cost is known at their end.
    """
    headers: HeaderList = [(b"x-modelmesh-attempts", b"%d" % len(attempts))]
    if attempts:
        last = answered_by or attempts[-1]
        headers += _of(last.model, last.provider, last.pool)
        if last.dropped:
            headers.append((b"x-modelmesh-dropped", _text(", ".join(last.dropped))))
        cost = attempts[0].cost
        for attempt in attempts[1:]:
            if attempt.cost is not None:
                cost = attempt.cost if cost is None else cost + attempt.cost
        if cost is not None:
            headers.append((b"x-modelmesh-cost", _plain(cost).encode()))
    headers.append((b"x-modelmesh-overhead-ms", b"%.3f" % max(0.0, overhead * 1000)))
    return headers


def resource_headers(record: DecisionRecord, overhead: float) -> HeaderList:
    """The same for an answer that no model gave."""
    who = who_headers(None, record.provider)
    attempts = (b"x-modelmesh-attempts", b"%d" % len(record.attempts))
    return [attempts, *who, (b"x-modelmesh-overhead-ms", b"%.3f" % max(0.0, overhead * 1000))]


def who_headers(model: str | None, provider: str | None) -> HeaderList:
    """The model that was asked last, and its provider."""
    named = ((b"x-modelmesh-model", model), (b"x-modelmesh-provider", provider))
    return [(header, _text(name)) for header, name in named if name is not None]


@lru_cache(maxsize=1024)
def _of(model: str, provider: str, pool: str) -> HeaderList:
    return [*who_headers(model, provider), (b"x-modelmesh-pool", _text(pool))]


def _plain(amount: Decimal) -> str:
    """Without an exponent; formatting takes ten times as long as ``str``, which mostly has none."""
    text = str(amount)
    return f"{amount:f}" if "E" in text else text


def _text(name: str) -> bytes:
    """Names come from a configuration and may hold anything; a header may not."""
    return (name if name.isascii() and name.isprintable() else quote(name)).encode()
