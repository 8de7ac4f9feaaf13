"""The ledger: reserve before a call, settle after it, so that limits hold while requests are in flight.

Money is counted in integer nano-dollars, so that sums are exact.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import attrs

from ..catalogue.definitions import Limits
from ..interfaces.routing import WindowUsage
from .windows import KINDS, ROLLING_SECONDS, window_at

NANO = 1_000_000_000
_ROLLING_SLOTS = 60


def nano_dollars(amount: Decimal | float | None) -> int:
    """USD as integer nano-dollars; nothing for None or infinity."""
    if amount is None or amount == float("inf"):
        return 0
    return int(Decimal(amount) * NANO) if isinstance(amount, Decimal) else round(amount * NANO)


class _Counter:
    """Requests, tokens and nano-dollars of one window."""

    __slots__ = ("end", "kind", "nanos", "requests", "slots", "start", "timezone", "tokens")

    def __init__(self, kind: str, timezone: str, rolling: bool) -> None:
        self.kind = kind
        self.timezone = timezone
        self.start = self.end = 0.0
        self.requests = self.tokens = self.nanos = 0
        # A rolling window keeps its amounts in slots of 1/60 of its length, oldest first.
        self.slots: deque[list[float]] | None = deque() if rolling else None

    def advance(self, now: float) -> None:
        if self.slots is not None:
            self._expire(now)
        elif now >= self.end:
            _, self.start, self.end = window_at(self.kind, now, self.timezone)
            self.requests = self.tokens = self.nanos = 0

    def _expire(self, now: float) -> None:
        assert self.slots is not None
        length = ROLLING_SECONDS[self.kind]
        slot = now // (length / _ROLLING_SLOTS)
        while self.slots and self.slots[0][0] <= slot - _ROLLING_SLOTS:
            _, requests, tokens, nanos = self.slots.popleft()
            self.requests -= int(requests)
            self.tokens -= int(tokens)
            self.nanos -= int(nanos)
        self.start = now
        oldest = self.slots[0][0] if self.slots else slot
        self.end = (oldest + _ROLLING_SLOTS) * (length / _ROLLING_SLOTS)

    def add(self, now: float, requests: int, tokens: int, nanos: int) -> None:
        self.requests += requests
        self.tokens += tokens
        self.nanos += nanos
        if self.slots is not None:
            slot = now // (ROLLING_SECONDS[self.kind] / _ROLLING_SLOTS)
            if not self.slots or self.slots[-1][0] < slot:
                self.slots.append([slot, 0, 0, 0])
            last = self.slots[-1]
            last[1] += requests
            last[2] += tokens
            last[3] += nanos

    def freeze(self, now: float) -> _Frozen:
        self.advance(now)
        return self.requests, self.tokens, self.nanos, self.end


_Frozen = tuple[int, int, int, float]


class UsedWindows(Mapping[str, WindowUsage]):
    """Window → usage, as it was at one moment. Costs little to make; what is never read is never worked out."""

    __slots__ = ("_frozen",)

    def __init__(self, frozen: tuple[_Frozen, ...]) -> None:
        self._frozen = frozen

    def __getitem__(self, kind: str) -> WindowUsage:
        place = _PLACES[kind]
        requests, tokens, nanos, end = self._frozen[place]
        return WindowUsage(requests, tokens, Decimal(nanos) / NANO, end)

    def __iter__(self) -> Iterator[str]:
        return iter(KINDS)

    def __len__(self) -> int:
        return len(KINDS)

    def __repr__(self) -> str:
        return repr(dict(self))


_PLACES = {kind: place for place, kind in enumerate(KINDS)}


class Account:
    """Usage of one thing (a model, a model in a pool) in the windows minute, hour, day and month."""

    __slots__ = ("_counters", "in_flight", "last_request", "name", "version")

    def __init__(self, name: str, timezone: str = "UTC", *, rolling: bool = False) -> None:
        self.name = name
        self._counters = tuple(_Counter(kind, timezone, rolling) for kind in KINDS)
        self.in_flight = 0
        self.last_request: float | None = None
        self.version = 0
        """Grows with every change, so that snapshots know when they are stale."""

    def used(self, now: float) -> UsedWindows:
        """Window → usage at ``now``, reservations included."""
        minute, hour, day, month = self._counters
        return UsedWindows((minute.freeze(now), hour.freeze(now), day.freeze(now), month.freeze(now)))

    def next_reset(self) -> float:
        """When the first of the windows ends: until then, only ``version`` tells of change."""
        return min(counter.end for counter in self._counters)

    def refused(self, limits: Limits, tokens: int, now: float) -> tuple[str, float] | None:
        """Which of ``limits`` one more request of ``tokens`` would pass, and when that window resets."""
        minute, _, day, _ = self._counters
        minute.advance(now)
        day.advance(now)
        for counter, requests, token_limit in (
            (minute, limits.requests_per_minute, limits.tokens_per_minute),
            (day, limits.requests_per_day, limits.tokens_per_day),
        ):
            if requests is not None and counter.requests + 1 > requests:
                return f"limit of {requests} requests per {counter.kind}", counter.end
            if token_limit is not None and counter.tokens + tokens > token_limit:
                return f"limit of {token_limit} tokens per {counter.kind}", counter.end
        if limits.concurrent is not None and self.in_flight >= limits.concurrent:
            return f"limit of {limits.concurrent} concurrent requests", now
        return None

    def apply(self, now: float, requests: int, tokens: int, nanos: int, in_flight: int) -> None:
        for counter in self._counters:
            counter.advance(now)
            counter.add(now, requests, tokens, nanos)
        self.in_flight += in_flight
        self.version += 1

    def adjust(self, since: float, now: float, tokens: int, nanos: int) -> None:
        """Correct an earlier reservation, made at ``since``: only the windows that still hold that moment."""
        for counter in self._counters:
            counter.advance(now)
            if counter.slots is not None or counter.start <= since:
                counter.add(now, 0, tokens, nanos)
        self.in_flight -= 1
        self.version += 1

    def export(self) -> dict[str, Any]:
        """What outlives the process: the totals of the running calendar windows."""
        calendar = [counter for counter in self._counters if counter.slots is None and counter.end]
        return {c.kind: [c.start, c.end, c.requests, c.tokens, c.nanos] for c in calendar}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take up saved totals; a window that has ended meanwhile resets itself at the next use."""
        for counter in self._counters:
            values = saved.get(counter.kind)
            if values is not None and counter.slots is None:
                counter.start, counter.end, counter.requests, counter.tokens, counter.nanos = values
        self.version += 1


@attrs.frozen
class LimitReached:
    """A reservation that was refused."""

    reason: str
    resets_at: float


class Reservation:
    """What was set aside for one attempt. Settle it exactly once; further calls change nothing."""

    __slots__ = ("_accounts", "_lock", "_nanos", "_since", "_tokens", "open")

    def __init__(
        self, lock: threading.RLock, accounts: tuple[Account, ...], since: float, tokens: int, nanos: int
    ) -> None:
        self._lock = lock
        self._accounts = accounts
        self._since = since
        self._tokens = tokens
        self._nanos = nanos
        self.open = True

    def settle(self, now: float, tokens: int, cost: Decimal | None) -> None:
        """Replace the estimate by what was really used. The request itself stays counted: it was sent."""
        with self._lock:
            if not self.open:
                return
            self.open = False
            nanos = nano_dollars(cost)
            for account in self._accounts:
                account.adjust(self._since, now, tokens - self._tokens, nanos - self._nanos)


class Ledger:
    """All accounts of a mesh."""

    def __init__(self, lock: threading.RLock | None = None) -> None:
        self._lock = lock or threading.RLock()
        self._accounts: dict[str, Account] = {}
        self._saved: dict[str, Mapping[str, Any]] = {}

    def account(self, name: str, timezone: str = "UTC", *, rolling: bool = False) -> Account:
        """The account ``name``, made when first asked for, with whatever was restored for it."""
        account = self._accounts.get(name)
        if account is None:
            account = self._accounts[name] = Account(name, timezone, rolling=rolling)
            if name in self._saved:
                account.restore(self._saved.pop(name))
        return account

    def reserve(
        self, accounts: tuple[Account, ...], limits: Limits, *, tokens: int, cost: float, now: float
    ) -> Reservation | LimitReached:
        """Set one request, ``tokens`` and ``cost`` (USD) aside in every account, or in none.

        ``limits`` apply to the first account.
        """
        with self._lock:
            refused = accounts[0].refused(limits, tokens, now)
            if refused is not None:
                return LimitReached(*refused)
            nanos = nano_dollars(cost)
            for account in accounts:
                account.apply(now, 1, tokens, nanos, 1)
                account.last_request = now
            return Reservation(self._lock, accounts, now, tokens, nanos)

    def export(self) -> dict[str, Any]:
        with self._lock:
            return {**self._saved, **{name: account.export() for name, account in self._accounts.items()}}

    def restore(self, saved: Mapping[str, Any]) -> None:
        with self._lock:
            self._saved = dict(saved)
            for name, account in self._accounts.items():
                if name in self._saved:
                    account.restore(self._saved.pop(name))
