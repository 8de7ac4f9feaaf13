"""What is used of every limit, what is left, and when it will be gone at the present rate."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import attrs

from .accounts import NANO
from .allowances import Allowance
from .windows import KINDS, ROLLING_SECONDS, window_at

_LEAST_SHARE = 0.01
"""Of a window that has to be over before its rate says anything."""


@attrs.frozen
class LimitUsage:
    """One limit of one account. Requests and tokens are counts, money is USD. Times are UTC epoch seconds."""

    account: str
    window: str
    measure: str
    """``requests``, ``tokens`` or ``USD``."""
    used: Decimal
    """Reservations of requests in flight included."""
    limit: Decimal
    resets_at: float
    runs_dry_at: float | None
    """When nothing is left, if it goes on as in this window so far; None if it lasts until the reset."""

    @property
    def left(self) -> Decimal:
        return max(Decimal(0), self.limit - self.used)


def usage_of(allowance: Allowance, now: float) -> Iterator[LimitUsage]:
    """Every limit in windows of ``allowance``. The ledger's lock is held."""
    account = allowance.account
    for row, place in zip(allowance.limits.windows, allowance.places(), strict=True):
        used = account.used_in(place, now)
        resets_at = account.end_of(place, now)
        pairs = (
            ("requests", Decimal(used[0]), row.requests),
            ("tokens", Decimal(used[1]), row.tokens),
            ("USD", Decimal(used[2]) / NANO, row.cost),
        )
        for measure, amount, limit in pairs:
            if limit is not None:
                dry = runs_dry_at(amount, Decimal(limit), _begun(allowance, place, now), now, resets_at)
                yield LimitUsage(account.name, row.window, measure, amount, Decimal(limit), resets_at, dry)


def _begun(allowance: Allowance, place: int, now: float) -> float:
    if allowance.account.rolling:
        return now - ROLLING_SECONDS[KINDS[place]]
    return window_at(KINDS[place], now, allowance.account.timezone).start


def runs_dry_at(used: Decimal, limit: Decimal, begun: float, now: float, resets_at: float) -> float | None:
    """When ``limit`` is reached at the rate since ``begun``; None if that is not before ``resets_at``."""
    if used >= limit:
        return now
    elapsed = now - begun
    if used <= 0 or elapsed < _LEAST_SHARE * (resets_at - begun):
        return None
    dry = now + elapsed * float((limit - used) / used)
    return dry if dry < resets_at else None
