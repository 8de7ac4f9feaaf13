"""Member: one model in one pool, where it stands there, and the immutable snapshot of it that decisions get."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .interfaces.routing import ModelSnapshot, Status, WindowUsage
from .state.ledger import Account
from .state.models import Model, ModelState
from .state.standby import Standing

if TYPE_CHECKING:
    from .pools import CapabilityPool

_NEVER = float("inf")
_NO_USAGE = WindowUsage()


class Member:
    """One model in one pool."""

    __slots__ = (
        "_account",
        "_cached",
        "_fresh_for",
        "_fresh_until",
        "_looked_at",
        "_state",
        "definition",
        "model",
        "order",
        "pool",
        "standing",
    )

    def __init__(self, model: Model, pool: CapabilityPool, order: int) -> None:
        self.model = model
        self.definition = model.definition
        self.pool = pool
        self.order = order
        self.standing = Standing()
        self._account: Account | None = None
        self._cached: ModelSnapshot | None = None
        self._fresh_for = (-1, -1, -1)
        self._fresh_until = 0.0
        self._state: ModelState | None = None
        self._looked_at = -1

    @property
    def account(self) -> Account:
        """What was used through this pool, in the pool's own quota window."""
        if self._account is None:
            limits = self.pool.settings.deactivation
            name = f"pool:{self.pool.id}/{self.model.id}"
            self._account = self.pool.states.ledger.account(name, limits.timezone, rolling=limits.rolling)
        return self._account

    def accounts(self) -> tuple[Account, ...]:
        """Where a request to this member is counted: with the model, and with the pool where that has limits."""
        own = self.model.use().account
        return (own, self.account) if self.pool.has_usage_limits else (own,)

    def snapshot(self, now: float) -> ModelSnapshot:
        """The immutable view at ``now``; the same object as before when nothing has changed."""
        state = self._state
        if state is None and self._looked_at != self.pool.states.version:
            self._looked_at = self.pool.states.version
            state = self._state = self.model.state
        if now < self._fresh_until and self._cached is not None:
            health, standing, account = self._fresh_for
            if standing == self.standing.version and (
                state is None or (health == state.health.version and account == state.account.version)
            ):
                return self._cached
        used = (-1, -1) if state is None else (state.health.version, state.account.version)
        self._fresh_for = (used[0], self.standing.version, used[1])
        self._cached, self._fresh_until = self._look(state, now)
        return self._cached

    def _look(self, state: ModelState | None, now: float) -> tuple[ModelSnapshot, float]:
        standing = self.standing
        status = standing.status(now)
        fresh_until = standing.until if standing.until is not None and now < standing.until else _NEVER
        is_free = status is not Status.STANDBY and not standing.probe_in_flight
        view: dict[str, Any] = {
            "model": self.model.id,
            "provider": self.definition.provider,
            "pool": self.pool.id,
            "status": status,
            "deactivation_reason": standing.reason,
            "until": standing.until,
            "failed_probes": standing.failed_probes,
            "probe_in_flight": standing.probe_in_flight,
            "is_priced": self.definition.pricing.is_known and not self.definition.pricing.is_free,
        }
        if state is None:
            return ModelSnapshot(**view, is_available=is_free), fresh_until
        health, account = state.health, state.account
        outcomes = health.outcomes(self.pool.settings.deactivation.error_window)
        outcomes.expire(now)
        refused = account.refused(self.definition.limits, 0, now)
        quota = _NO_USAGE
        if self.pool.has_usage_limits:
            quota = self.account.used(now)[self.pool.settings.deactivation.quota_window]
        snapshot = ModelSnapshot(
            **view,
            consecutive_failures=health.consecutive_failures,
            error_rate=outcomes.error_rate,
            samples=outcomes.total,
            used=account.used(now),
            quota=quota,
            headroom=health.headroom,
            latency_mean=health.latency.mean,
            latency_p50=health.latency.percentile(0.5),
            latency_p95=health.latency.percentile(0.95),
            time_to_first_token=health.first_token.mean,
            in_flight=account.in_flight,
            is_available=is_free and refused is None,
            exhausted=refused[0] if refused is not None else None,
            last_request=account.last_request,
            last_failure=health.last_failure,
        )
        return snapshot, min(fresh_until, account.next_reset(), now + 1.0 if outcomes.failures else _NEVER)
