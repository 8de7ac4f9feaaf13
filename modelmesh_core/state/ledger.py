"""The ledger: reserve before a call, settle after it, so that limits hold while requests are in flight."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import attrs

from ..interfaces.ledger import Amounts, Line, Reserve, Settle
from ..limits import NO_LIMITS, AccountLimits, KeyLimits
from .accounts import NANO, Account, nano_dollars
from .allowances import Allowance, LimitReached
from .forecast import LimitUsage, usage_of
from .windows import KINDS

if TYPE_CHECKING:
    from .shared_ledger import SharedLedger


@attrs.frozen
class Alert:
    """A share of a budget is spent."""

    account: str
    window: str
    spent: Decimal
    """USD, in this window."""
    limit: Decimal
    resets_at: float
    """UTC epoch seconds."""


@attrs.define(slots=True)
class EstimateError:
    """How far the estimates of reservations were from what was then used."""

    settled: int = 0
    estimated_tokens: int = 0
    used_tokens: int = 0
    missed_tokens: int = 0
    """Sum of the differences, whatever their sign."""
    most_under: int = 0
    """The most tokens by which one estimate fell short."""

    def note(self, estimated: int, used: int) -> None:
        self.settled += 1
        self.estimated_tokens += estimated
        self.used_tokens += used
        self.missed_tokens += abs(used - estimated)
        self.most_under = max(self.most_under, used - estimated)


class Reservation:
    """What was set aside for one attempt. Settle or release it once; further calls change nothing."""

    __slots__ = ("_ledger", "allowances", "id", "kept", "nanos", "open", "since", "tokens")

    def __init__(
        self, ledger: Ledger, allowances: tuple[Allowance, ...], since: float, tokens: int, nanos: int
    ) -> None:
        self._ledger = ledger
        self.allowances = allowances
        self.since = since
        self.tokens = tokens
        self.nanos = nanos
        self.open = True
        self.id = ""
        """Its name in the shared ledger, once that was asked."""
        self.kept: tuple[Allowance, ...] = ()
        """Those that the shared ledger has to agree to."""
        if ledger.shared is not None:
            for allowance in allowances:
                if allowance.is_kept:
                    self.kept += (allowance,)

    def settle(self, now: float, tokens: int, cost: Decimal | None) -> None:
        """Replace the estimate by what was really used."""
        self._ledger.settle(self, now, 1, tokens, nano_dollars(cost))

    def release(self, now: float) -> None:
        """It was never sent: nothing was used."""
        self._ledger.settle(self, now, 0, 0, 0)

    def lines(self, now: float) -> tuple[Line, ...]:
        """What the shared ledger is asked about."""
        return tuple(line for allowance in self.kept for line in allowance.lines(now))


class Ledger:
    """All accounts of a mesh."""

    def __init__(self, lock: threading.RLock | None = None) -> None:
        self.lock = lock or threading.RLock()
        self.accounts: dict[str, Account] = {}
        self.allowances: dict[str, Allowance] = {}
        """The limited ones, by the names of their accounts."""
        self.shared: SharedLedger | None = None
        """Where other processes count, too."""
        self.on_alert: Callable[[Alert], None] = lambda alert: None
        self.estimates = EstimateError()
        self._saved: dict[str, Mapping[str, Any]] = {}

    def account(self, name: str, timezone: str = "UTC", *, rolling: bool = False) -> Account:
        """The account ``name``, made when first asked for. Its windows begin where those of the first asker did."""
        account = self.accounts.get(name)
        if account is None or (account.timezone, account.rolling) != (timezone, rolling):
            account = self.accounts[name] = Account(name, timezone, rolling=rolling)
            if name in self._saved:
                account.restore(self._saved.pop(name))
        return account

    def allowance(self, name: str, limits: AccountLimits = NO_LIMITS) -> Allowance:
        """How much of the account ``name`` may be used. Limits that changed apply to what was used already."""
        known = self.allowances.get(name)
        if known is not None and (known.limits is limits or known.limits == limits):
            return known
        with self.lock:
            allowance = Allowance(self.account(name, limits.timezone, rolling=limits.rolling), limits)
            if limits.is_empty:
                self.allowances.pop(name, None)
            else:
                self.allowances[name] = allowance
        if allowance.is_kept and self.shared is not None and self.shared.is_started:
            self.shared.refresh((allowance,))
        return allowance

    def allowances_of_key(self, name: str, limits: KeyLimits) -> tuple[Allowance, ...]:
        """What binds everybody who uses the key ``name``."""
        if limits.quota is None and limits.budget is None:
            return ()
        quota = self.allowance(f"key:{name}", limits.quota) if limits.quota is not None else None
        budget = self.allowance(f"key:{name}/budget", limits.budget) if limits.budget is not None else None
        return tuple(allowance for allowance in (quota, budget) if allowance is not None)

    def reserve(
        self, allowances: tuple[Allowance, ...], *, tokens: int, cost: Decimal | float, now: float
    ) -> Reservation | LimitReached:
        """Set one request, ``tokens`` and ``cost`` (USD) aside in every account, or in none.

        With a shared ledger this is only the first half: see ``SharedLedger.confirm``.
        """
        nanos = nano_dollars(cost) if cost else 0
        with self.lock:
            for allowance in allowances:
                if not allowance.is_limited:
                    continue
                share = self.shared.share if self.shared is not None else 1.0
                if share >= 1.0 and allowance.fits(tokens, nanos, now):
                    continue
                refused = allowance.refused(tokens, nanos, now, share)
                if refused is not None:
                    return refused
            amounts = (1, tokens, nanos)
            for allowance in allowances:
                allowance.account.reserve(now, amounts)
            return Reservation(self, allowances, now, tokens, nanos)

    def settle(self, reservation: Reservation, now: float, requests: int, tokens: int, nanos: int) -> None:
        """End ``reservation``: it used so much."""
        with self.lock:
            if not reservation.open:
                return
            reservation.open = False
            reserved, used = (1, reservation.tokens, reservation.nanos), (requests, tokens, nanos)
            for allowance in reservation.allowances:
                allowance.account.settle(reservation.since, now, reserved, used)
            if requests and reservation.tokens:
                self.estimates.note(reservation.tokens, tokens)
            if self.shared is not None:
                self.shared.settle(reservation, used, now)
        if nanos and self.shared is None:
            for allowance in reservation.allowances:
                self._alert(allowance, nanos, now)

    def _alert(self, allowance: Allowance, nanos: int, now: float) -> None:
        """Tell if these ``nanos`` were the ones that passed the threshold."""
        account = allowance.account
        for place, row in enumerate(allowance.limits.windows):
            if row.cost is not None:
                spent = account.used_in(allowance.places()[place], now)[2] - account.held[2]
                self.passed(allowance, place, spent - nanos, spent, now)

    def passed(self, allowance: Allowance, row: int, before: int, after: int, now: float) -> None:
        """Alert if what was spent in the window of that row (nano-dollars) went over the threshold just now."""
        limit, threshold = allowance.limits.windows[row].cost, allowance.limits.alert_threshold
        if limit is None or threshold is None:
            return
        at = int(limit * NANO * Decimal(str(threshold)))
        if before < at <= after:
            resets_at = allowance.account.end_of(allowance.places()[row], now)
            window = allowance.limits.windows[row].window
            self.on_alert(Alert(allowance.account.name, window, Decimal(after) / NANO, limit, resets_at))

    def correct(self, allowance: Allowance, window: str, requests: int | None, tokens: int | None, now: float) -> None:
        """The provider says that at least this much is used in ``window``: it knows better than to be counted past."""
        place = KINDS.index(window)
        with self.lock:
            used = allowance.account.used_in(place, now)
            missing = (max(0, (requests or 0) - used[0]), max(0, (tokens or 0) - used[1]), 0)
            if not any(missing) or allowance.account.rolling:
                return
            allowance.account.raise_used(place, missing)
        if self.shared is not None and allowance.is_kept:
            self.shared.correct(allowance, place, Amounts(requests or 0, tokens or 0), now)

    def limits(self, now: float) -> list[LimitUsage]:
        """Every limit in a window, with what is used of it."""
        with self.lock:
            return [usage for allowance in self.allowances.values() for usage in usage_of(allowance, now)]

    def export(self) -> dict[str, Any]:
        """Account → its windows, for ``restore``. JSON-able."""
        with self.lock:
            return {**self._saved, **{name: account.export() for name, account in self.accounts.items()}}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take up what ``export`` gave, also for accounts that nobody has asked for yet."""
        with self.lock:
            self._saved = dict(saved)
            for name, account in self.accounts.items():
                if name in self._saved:
                    account.restore(self._saved.pop(name))


def reserve_operation(reservation: Reservation, now: float) -> Reserve:
    """What the shared ledger is asked for ``reservation``."""
    return Reserve(reservation.id, reservation.lines(now), Amounts(1, reservation.tokens, reservation.nanos))


def settle_operation(reservation: Reservation, amounts: Amounts, now: float) -> Settle:
    """What it is told at the end."""
    return Settle(reservation.id, reservation.lines(now), amounts)
