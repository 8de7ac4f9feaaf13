"""What an account may use: requests, tokens and money in windows of time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Literal

import attrs

QuotaWindow = Literal["minute", "hour", "day", "month"]
OnExceeded = Literal["rotate", "error"]
WINDOWS: tuple[QuotaWindow, ...] = ("minute", "hour", "day", "month")


@attrs.frozen
class WindowLimit:
    """Most of each that may be used in one window. None is no limit."""

    window: QuotaWindow
    requests: int | None = None
    tokens: int | None = None
    cost: Decimal | None = None
    """USD."""


@attrs.frozen
class AccountLimits:
    """All limits of one account: of a model, a provider, a pool, a key."""

    windows: tuple[WindowLimit, ...] = ()
    concurrent: int | None = None
    """Requests in flight."""
    per_request: Decimal | None = None
    """USD that one request may be expected to cost."""
    timezone: str = "UTC"
    """IANA name; where its days and months begin."""
    rolling: bool = False
    """Windows follow the clock instead of the calendar."""
    alert_threshold: float | None = None
    """Share of a money limit at which to alert, once in each window."""
    on_exceeded: OnExceeded = "rotate"
    """What a money limit that would be passed does: another model is asked, or the request fails."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is limited."""
        return not self.windows and self.concurrent is None and self.per_request is None


NO_LIMITS = AccountLimits()


@attrs.frozen
class KeyLimits:
    """What the callers who use one key may do, and use in all."""

    quota: AccountLimits | None = None
    budget: AccountLimits | None = None
    pools: frozenset[str] = frozenset()
    """Ids of the pools that may be asked; empty: all."""
    models: tuple[str, ...] = ()
    """Full ids, or patterns of them (``openai.*``), that may answer; empty: all."""
    metadata: Mapping[str, str] = attrs.field(factory=dict[str, str])
    """Who the callers are, for the records."""

    @property
    def narrows(self) -> bool:
        """Whether some pools or models are out of reach."""
        return bool(self.pools or self.models)

    def allows_model(self, model: str) -> bool:
        """``model``: a full id."""
        return not self.models or any(fnmatchcase(model, pattern) for pattern in self.models)


@attrs.frozen
class QuotaSettings:
    """What an account may send in all, whatever the model. None is no limit."""

    requests_per_minute: int | None = None
    requests_per_hour: int | None = None
    requests_per_day: int | None = None
    requests_per_month: int | None = None
    tokens_per_minute: int | None = None
    tokens_per_hour: int | None = None
    tokens_per_day: int | None = None
    tokens_per_month: int | None = None
    concurrent: int | None = None
    """Requests in flight."""
    timezone: str = "UTC"
    """IANA name; where the provider's day begins."""
    rolling: bool = False
    """The provider's windows follow the clock instead of the calendar."""

    def limits(self) -> AccountLimits:
        return AccountLimits(tuple(quota_windows(self)), self.concurrent, timezone=self.timezone, rolling=self.rolling)


def quota_windows(quota: object) -> Iterator[WindowLimit]:
    """The limits in fields named as ``requests_per_day`` is."""
    for window in WINDOWS:
        requests = getattr(quota, f"requests_per_{window}", None)
        tokens = getattr(quota, f"tokens_per_{window}", None)
        if requests is not None or tokens is not None:
            yield WindowLimit(window, requests, tokens)


@attrs.frozen
class BudgetSettings:
    """How much may be spent. USD; None is no limit. Models that cost nothing are never held back by it."""

    per_request_limit: Decimal | None = None
    """What one request may be expected to cost."""
    daily_limit: Decimal | None = None
    monthly_limit: Decimal | None = None
    alert_threshold: float = 0.8
    """Share of a limit at which the event ``budget_alert`` fires, once in each day or month."""
    timezone: str = "UTC"
    """IANA name; where the day and the month begin."""

    def limits(self, on_exceeded: OnExceeded = "rotate") -> AccountLimits:
        pairs: tuple[tuple[QuotaWindow, Decimal | None], ...] = (
            ("day", self.daily_limit),
            ("month", self.monthly_limit),
        )
        return AccountLimits(
            tuple(WindowLimit(window, cost=limit) for window, limit in pairs if limit is not None),
            per_request=self.per_request_limit,
            timezone=self.timezone,
            alert_threshold=self.alert_threshold,
            on_exceeded=on_exceeded,
        )
