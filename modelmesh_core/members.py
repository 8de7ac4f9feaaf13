"""Member: one model in one pool, where it stands there, and the immutable snapshot of it that decisions get."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .catalogue.definitions import Limits
from .interfaces.routing import ModelSnapshot, Status, WindowUsage
from .limits import AccountLimits, WindowLimit
from .state.accounts import Account
from .state.allowances import Allowance, LimitReached
from .state.models import Model, ModelState
from .state.standby import Standing

if TYPE_CHECKING:
    from .pools import CapabilityPool

_NEVER = float("inf")
_NO_USAGE = WindowUsage()
_UNLIMITED = Limits()


class Member:
    """One model in one pool."""

    __slots__ = (
        "_allowances",
        "_cached",
        "_counted_in",
        "_fresh_for",
        "_fresh_until",
        "_looked_at",
        "_state",
        "definition",
        "is_guarded",
        "is_limited",
        "is_priced",
        "model",
        "order",
        "pool",
        "standing",
    )

    def __init__(self, model: Model, pool: CapabilityPool, order: int) -> None:
        self.model = model
        self.definition = model.definition
        pricing = model.definition.pricing
        self.is_priced = pricing.is_known and not pricing.is_free
        self.pool = pool
        self.is_limited = (
            pool.has_usage_limits or model.definition.budget is not None or model.definition.limits != _UNLIMITED
        )
        """Whether anything limits it by itself: its own limits or budget, or its pool's."""
        self.is_guarded = bool(pool.guards_of(self))
        """Whether something does that it shares with others."""
        self.order = order
        self.standing = Standing()
        self._allowances: tuple[Allowance, ...] | None = None
        self._counted_in: tuple[Allowance, ...] | None = None
        self._cached: ModelSnapshot | None = None
        self._fresh_for = (-1, -1, -1)
        self._fresh_until = 0.0
        self._state: ModelState | None = None
        self._looked_at = -1

    @property
    def account(self) -> Account:
        """What was used through this pool, in the pool's own quota window. Only where the pool has usage limits."""
        return self.allowances()[-1].account

    def allowances(self) -> tuple[Allowance, ...]:
        """Where a request to this member is counted: with the model, its budget, and the pool where it has limits.

        What its provider and its pool may use in all is asked of the pool.
        """
        if self._allowances is None:
            ledger, definition = self.pool.states.ledger, self.definition
            self.model.use()
            own = [ledger.allowance(f"model:{self.model.id}", definition.limits.of_account())]
            if definition.budget is not None:
                own.append(ledger.allowance(f"model:{self.model.id}/budget", definition.budget.limits()))
            if self.pool.has_usage_limits:
                own.append(ledger.allowance(f"pool:{self.pool.id}/{self.model.id}", self._limits_in_pool()))
            self._allowances = tuple(own)
        return self._allowances

    def counted_in(self) -> tuple[Allowance, ...]:
        """Where a request to this member is counted, whoever sends it: its own, and what it shares with others."""
        counted = self._counted_in
        if counted is None:
            counted = self._counted_in = self.allowances() + self.pool.guards_of(self)
        return counted

    def _usage_version(self) -> int:
        """Changes with every change of what was used."""
        version = 0
        for allowance in self.allowances():
            version += allowance.account.version
        return version

    def _limits_in_pool(self) -> AccountLimits:
        limits = self.pool.settings.deactivation
        window = WindowLimit(limits.quota_window, limits.request_limit, limits.token_limit, limits.budget_limit)
        return AccountLimits((window,), timezone=limits.timezone, rolling=limits.rolling)

    def snapshot(self, now: float) -> ModelSnapshot:
        """The immutable view at ``now``; the same object as before when nothing has changed."""
        state = self._state
        if state is None and self._looked_at != self.pool.states.version:
            self._looked_at = self.pool.states.version
            state = self._state = self.model.state
        if now < self._fresh_until and self._cached is not None:
            health, standing, used = self._fresh_for
            if standing == self.standing.version and (
                state is None or (health == state.health.version and used == self._usage_version())
            ):
                return self._cached
        used = (-1, -1) if state is None else (state.health.version, self._usage_version())
        self._fresh_for = (used[0], self.standing.version, used[1])
        self._cached, self._fresh_until = self._look(state, now)
        return self._cached

    def is_available(self, now: float) -> bool:
        """Whether a request may go to it: what ``snapshot`` says, mostly without making one."""
        standing = self.standing
        if standing.reason is not None or standing.probe_in_flight:
            return self.snapshot(now).is_available
        return not self.is_limited or self._used_up(now) is None

    def _look(self, state: ModelState | None, now: float) -> tuple[ModelSnapshot, float]:
        standing, definition, pool = self.standing, self.definition, self.pool
        status, until = standing.status(now), standing.until
        fresh_until = until if until is not None and now < until else _NEVER
        is_free = status is not Status.STANDBY and not standing.probe_in_flight
        if state is None:
            return ModelSnapshot(
                self.model.id,
                definition.provider,
                pool.id,
                status,
                standing.reason,
                until,
                failed_probes=standing.failed_probes,
                is_available=is_free,
                probe_in_flight=standing.probe_in_flight,
                is_priced=self.is_priced,
            ), fresh_until
        health, account = state.health, state.account
        outcomes = health.outcomes(pool.settings.deactivation.error_window)
        outcomes.expire(now)
        used_up = self._used_up(now)
        if used_up is not None and until is None:
            until = used_up.resets_at
        quota = _NO_USAGE
        if pool.has_usage_limits:
            quota = self.account.used(now)[pool.settings.deactivation.quota_window]
        latency = health.latency
        # By place: this is made anew for every request, and names would double what that costs.
        snapshot = ModelSnapshot(
            self.model.id,
            definition.provider,
            pool.id,
            status,
            standing.reason,
            until,
            health.consecutive_failures,
            outcomes.error_rate,
            outcomes.total,
            account.used(now),
            health.headroom,
            latency.mean,
            latency.percentile(0.5),
            latency.percentile(0.95),
            health.first_token.mean,
            account.in_flight,
            quota,
            standing.failed_probes,
            is_free and used_up is None,
            used_up.reason if used_up is not None else None,
            standing.probe_in_flight,
            self.is_priced,
            account.last_request,
            health.last_failure,
        )
        return snapshot, min(fresh_until, account.next_reset(now), now + 1.0 if outcomes.failures else _NEVER)

    def _used_up(self, now: float) -> LimitReached | None:
        """The first of its limits that lets nothing more through. A budget does not bind what costs nothing."""
        for allowance in self.allowances():
            if allowance.is_kept:
                reached = allowance.used_up(now)
                if reached is not None and (self.is_priced or not reached.is_budget):
                    return reached
        return None


class UsedUp:
    """A member whose provider or pool has nothing left."""

    __slots__ = ("_limit", "_member")

    def __init__(self, member: Member, limit: LimitReached) -> None:
        self._member = member
        self._limit = limit

    def is_available(self, now: float) -> bool:
        return False

    def snapshot(self, now: float) -> ModelSnapshot:
        snapshot, limit = self._member.snapshot(now), self._limit
        until = limit.resets_at if snapshot.until is None else snapshot.until
        return snapshot._replace(is_available=False, exhausted=f"{limit.reason} ({limit.account})", until=until)
