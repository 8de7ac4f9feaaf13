"""Allowance: how much of an account may be used, and what the ledger that processes share is asked about it."""

from __future__ import annotations

from decimal import Decimal

import attrs

from ..interfaces.ledger import Line
from ..limits import NO_LIMITS, AccountLimits
from .accounts import NANO, PLACES, Account, Row, Used, plus
from .windows import KINDS, ROLLING_SECONDS, SLOTS, window_at

CLOCK_SKEW = 5
"""Seconds by which the clocks of processes that share a ledger may differ."""
_FOREVER = float("inf")


@attrs.frozen
class LimitReached:
    """A reservation that was refused."""

    reason: str
    resets_at: float
    account: str = ""
    is_budget: bool = False
    """Whether money is what it is about."""
    is_error: bool = False
    """Whether the request fails instead of being asked elsewhere."""


class Allowance:
    """How much of an account may be used; where it is limited, what the shared ledger is asked."""

    __slots__ = (
        "_ceilings",
        "_is_quick",
        "_limits",
        "_lines",
        "_lines_until",
        "_moves",
        "_per_request",
        "_rows",
        "account",
        "is_kept",
        "is_limited",
        "limits",
    )

    def __init__(self, account: Account, limits: AccountLimits = NO_LIMITS) -> None:
        self.account = account
        self.limits = limits
        self._limits: tuple[Row, ...] = tuple(
            (PLACES[limit.window], limit.requests, limit.tokens, _nanos(limit.cost)) for limit in limits.windows
        )
        self._per_request = _nanos(limits.per_request)
        self._is_quick = not account.rolling and limits.per_request is None and limits.concurrent is None
        self._ceilings = (0.0, 0.0, 0.0)
        self._moves = -1
        self._rows = tuple(
            (PLACES[limit.window], limit.window, limit.requests, limit.tokens, _nanos(limit.cost))
            for limit in limits.windows
        )
        self.is_kept = bool(limits.windows) or limits.concurrent is not None
        """Whether the shared ledger has to agree to each reservation."""
        self.is_limited = not limits.is_empty
        self._lines: tuple[Line, ...] = ()
        self._lines_until = 0.0

    def fits(self, tokens: int, nanos: int, now: float) -> bool:
        """Whether one more request of that size surely passes no limit. The quick look before every reservation.

        What costs nothing passes no limit of money, however much of that is used.
        """
        account = self.account
        if not self._is_quick:
            return False  # to be looked at more closely
        account.advance(now)
        if account.moves != self._moves:
            self._ceilings, self._moves = account.ceilings(self._limits, now), account.moves
        requests, token_ceiling, nano_ceiling = self._ceilings
        count = account.count
        return (
            count[0] < requests
            and count[1] + tokens <= token_ceiling
            and (not nanos or count[2] + nanos <= nano_ceiling)
        )

    def refused(self, tokens: int, nanos: int, now: float, share: float = 1.0) -> LimitReached | None:
        """Which limit one more request of ``tokens`` and ``nanos`` would pass, and when its window resets.

        ``share`` is how much of what the shared ledger last knew to be left this process may use by itself.
        """
        limits = self.limits
        if self._per_request is not None and nanos > self._per_request:
            spent = Decimal(nanos) / NANO
            reason = f"budget of {limits.per_request} USD per request ({spent:.6f} USD expected)"
            return self._reached(reason, now, is_budget=True)
        for place, window, requests, token_limit, nano_limit in self._rows:
            used = self.account.used_in(place, now)
            if share < 1.0:
                used = self._scaled(used, (requests, token_limit, nano_limit), share)
            if requests is not None and used[0] + 1 > requests:
                return self._reached(f"limit of {requests} requests per {window}", self.account.end_of(place, now))
            if token_limit is not None and used[1] + tokens > token_limit:
                text = f"limit of {token_limit} tokens per {window}"
                if tokens > token_limit:
                    text += f" (about {tokens} are needed)"
                return self._reached(text, self.account.end_of(place, now))
            if nano_limit is not None and nanos and used[2] + nanos > nano_limit:
                reason = f"budget of {_usd(nano_limit)} USD per {window}"
                return self._reached(reason, self.account.end_of(place, now), is_budget=True)
        if limits.concurrent is not None and self.account.in_flight >= limits.concurrent:
            return self._reached(f"limit of {limits.concurrent} concurrent requests", now)
        return None

    def _scaled(self, used: Used, limits: tuple[int | None, ...], share: float) -> Used:
        """``used`` as if only a share of what is left were there: mine counts more, the others' in full."""
        mine = plus(self.account.held, self.account.unsent)
        scaled: list[int] = []
        for whole, own, limit in zip(used, mine, limits, strict=True):
            others = whole - own
            left = max(0, (limit or 0) - others)
            scaled.append(whole + left - int(left * share))
        return scaled[0], scaled[1], scaled[2]

    def used_up(self, now: float) -> LimitReached | None:
        """Which limit lets no further request through, whatever its size. A budget binds only what costs something."""
        for place, window, requests, tokens, nanos in self._rows:
            used = self.account.used_in(place, now)
            if requests is not None and used[0] >= requests:
                return self._reached(f"limit of {requests} requests per {window}", self.account.end_of(place, now))
            if tokens is not None and used[1] >= tokens:
                return self._reached(f"limit of {tokens} tokens per {window}", self.account.end_of(place, now))
            if nanos is not None and used[2] >= nanos:
                reason = f"budget of {_usd(nanos)} USD per {window}"
                return self._reached(reason, self.account.end_of(place, now), is_budget=True)
        if self.limits.concurrent is not None and self.account.in_flight >= self.limits.concurrent:
            return self._reached(f"limit of {self.limits.concurrent} concurrent requests", now)
        return None

    def _reached(self, reason: str, resets_at: float, *, is_budget: bool = False) -> LimitReached:
        is_error = is_budget and self.limits.on_exceeded == "error"
        return LimitReached(reason, resets_at, self.account.name, is_budget, is_error)

    def refusal_of(self, line: int, measure: str, now: float) -> LimitReached:
        """What it means that the shared ledger refused at ``lines(...)[line]``."""
        if line >= len(self._rows):
            return self._reached(f"limit of {self.limits.concurrent} concurrent requests", now)
        place, window, requests, tokens, nanos = self._rows[line]
        resets_at = self.account.end_of(place, now)
        if measure == "nanos":
            return self._reached(f"budget of {_usd(nanos or 0)} USD per {window}", resets_at, is_budget=True)
        limit = requests if measure == "requests" else tokens
        return self._reached(f"limit of {limit} {measure} per {window}", resets_at)

    # --- for the shared ledger ---------------------------------------------------------------------------------------

    def lines(self, now: float) -> tuple[Line, ...]:
        """Its limited windows, then its requests in flight where these are limited."""
        if not self._lines or now >= self._lines_until or now < self._lines_until - 3600.0:
            self._make_lines(now)
        return self._lines

    def _make_lines(self, now: float) -> None:
        lines: list[Line] = []
        until = _FOREVER
        for place, _, requests, tokens, nanos in self._rows:
            line, end = line_of(self.account, place, now)
            until = min(until, end)
            lines.append(line._replace(limits=(requests, tokens, nanos)))
        if self.limits.concurrent is not None:
            lines.append(Line(f"{self.account.name}|flight", 0, 0, 0, 0, (self.limits.concurrent, None, None), True))
        self._lines, self._lines_until = tuple(lines), until

    def places(self) -> tuple[int, ...]:
        """The window of each line that has one."""
        return tuple(row[0] for row in self._rows)


def line_of(account: Account, place: int, now: float) -> tuple[Line, float]:
    """The line of one window of ``account`` as it is now, and until when it stays that (UTC epoch seconds)."""
    kind, zone = KINDS[place], "" if account.timezone == "UTC" else f"@{account.timezone}"
    if account.rolling:
        length = int(ROLLING_SECONDS[kind])
        step = length // SLOTS
        slot = int(now // step * step)
        horizon = int((now + CLOCK_SKEW) // step * step)
        return Line(f"{account.name}|{kind}~", slot, slot - length, horizon, slot - length), float(slot + step)
    _, start, end = window_at(kind, now, account.timezone)
    _, later, _ = window_at(kind, now + CLOCK_SKEW, account.timezone)
    # The line is made anew when the skew reaches into the next window, too.
    until = end if later > start else end - CLOCK_SKEW
    return Line(f"{account.name}|{kind}{zone}", int(start), int(start), int(later), int(start - (end - start))), until


def _nanos(cost: Decimal | None) -> int | None:
    return None if cost is None else int(cost * NANO)


def _usd(nanos: int) -> str:
    return f"{Decimal(nanos) / NANO:f}"
