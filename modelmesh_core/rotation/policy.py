"""RotationPolicy: deactivation and recovery, as the settings of a pool ask for them."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from ..errors import FailureKind
from ..interfaces.routing import Deactivation, FailedAttempt, ModelSnapshot, Reason, Status, hookimpl
from ..settings import PoolSettings
from .maintenance import maintenance_end

_MARKING = frozenset(
    {
        FailureKind.CONNECTION,
        FailureKind.TIMEOUT,
        FailureKind.SERVER,
        FailureKind.UNDECODABLE,
        FailureKind.STREAM_CUT,
        FailureKind.RATE_LIMIT,
        FailureKind.QUOTA,
    }
)
"""Kinds that can count against a model. A caller's own fault never does."""


def counts_as_failure(failed: FailedAttempt, settings: PoolSettings) -> bool:
    """Whether this failure counts towards ``retry_limit`` and ``error_rate_threshold``."""
    failure = failed.failure
    if failure.kind not in _MARKING:
        return False
    return failure.kind is FailureKind.UNDECODABLE or failure.error_code in settings.deactivation.error_codes


class DeactivationEvaluator:
    """Judges whether a model goes on standby in a pool. Pure."""

    def evaluate(
        self, snapshot: ModelSnapshot, settings: PoolSettings, failed: FailedAttempt | None, now: float
    ) -> Deactivation | None:
        """The deactivation of the first reason that holds, with the latest deadline among those of that reason."""
        found = [
            *self._by_maintenance(settings, now),
            *self._by_window(snapshot, settings),
            *(self._by_failure(snapshot, settings, failed, now) if failed is not None else ()),
        ]
        return min(found, key=lambda deactivation: deactivation.reason.rank, default=None)

    def _by_maintenance(self, settings: PoolSettings, now: float) -> Iterator[Deactivation]:
        window = settings.deactivation.maintenance_window
        end = maintenance_end(window, now) if window is not None else None
        if end is not None:
            yield Deactivation(Reason.MAINTENANCE, end, "maintenance window")

    def _by_window(self, snapshot: ModelSnapshot, settings: PoolSettings) -> Iterator[Deactivation]:
        limits = settings.deactivation
        used = snapshot.quota
        until = used.resets_at if settings.recovery.on_quota_reset else None
        if limits.budget_limit is not None and used.cost >= limits.budget_limit and snapshot.is_priced:
            yield Deactivation(
                Reason.BUDGET, until, f"{used.cost} of {limits.budget_limit} USD per {limits.quota_window} used"
            )
        if limits.token_limit is not None and used.tokens >= limits.token_limit:
            yield Deactivation(Reason.TOKEN, until, f"{used.tokens} of {limits.token_limit} tokens used")
        if limits.request_limit is not None and used.requests >= limits.request_limit:
            yield Deactivation(Reason.REQUEST, until, f"{used.requests} of {limits.request_limit} requests used")

    def _by_failure(
        self, snapshot: ModelSnapshot, settings: PoolSettings, failed: FailedAttempt, now: float
    ) -> Iterator[Deactivation]:
        failure = failed.failure
        recovery = settings.recovery
        cooldown = min(recovery.cooldown * 2.0 ** min(snapshot.failed_probes, 32), recovery.max_cooldown)
        told = now + failure.retry_after if failure.retry_after is not None else None
        if failure.kind is FailureKind.AUTHENTICATION:
            yield Deactivation(Reason.AUTH, now + cooldown, failure.message)
        elif failure.kind is FailureKind.MODEL_NOT_FOUND:
            yield Deactivation(Reason.MODEL_NOT_FOUND, now + recovery.max_cooldown, failure.message)
        elif failure.kind is FailureKind.QUOTA:
            day = snapshot.used.get("day")
            window_end = day.resets_at if day is not None and day.resets_at is not None else now + recovery.max_cooldown
            yield Deactivation(Reason.QUOTA, told or window_end, failure.message)
        elif failure.kind is FailureKind.RATE_LIMIT and (429 in settings.deactivation.error_codes):
            until = told or _reported_reset(snapshot, now) or now + cooldown
            yield Deactivation(Reason.RATE_LIMIT, until, failure.message)
        elif (failure.retry_after or 0.0) > settings.retry.max_delay and counts_as_failure(failed, settings):
            yield Deactivation(Reason.ERROR, told, f"it asks to be left alone: {failure.message}")
        elif counts_as_failure(failed, settings):
            detail = self._error_detail(snapshot, settings)
            if detail is not None:
                yield Deactivation(Reason.ERROR, now + cooldown, f"{detail}; last: {failure.message}")

    def _error_detail(self, snapshot: ModelSnapshot, settings: PoolSettings) -> str | None:
        limits = settings.deactivation
        if snapshot.status is Status.HALF_OPEN:
            return "its probe failed"
        if limits.retry_limit is not None and snapshot.consecutive_failures >= limits.retry_limit:
            return f"{snapshot.consecutive_failures} consecutive failures"
        threshold = limits.error_rate_threshold
        if threshold is not None and snapshot.samples >= limits.min_samples and snapshot.error_rate >= threshold:
            return f"{snapshot.error_rate:.0%} of {snapshot.samples} requests failed in {limits.error_window:g} s"
        return None


def _reported_reset(snapshot: ModelSnapshot, now: float) -> float | None:
    """When the exhausted limits that the provider last reported are whole again."""
    resets = [
        report.reset_after for report in snapshot.headroom.values() if report.remaining == 0 and report.reset_after
    ]
    return now + max(resets) if resets else None


class RecoveryEvaluator:
    """Judges whether a model whose deadline has passed may come back. Pure."""

    def evaluate(self, snapshot: ModelSnapshot, settings: PoolSettings, now: float) -> bool:
        """Whether it may: False while maintenance goes on, or without a deadline (by hand only)."""
        window = settings.deactivation.maintenance_window
        if window is not None and maintenance_end(window, now) is not None:
            return False
        return snapshot.until is not None and now >= snapshot.until


@attrs.frozen
class RotationPolicy:
    """What rotates a pool: when a model leaves, when it may come back, and which strategy chooses.

    All three are replaceable: hand in other evaluators, or let a plugin answer the hooks of the same names first.
    """

    strategy: str
    """Id of the selection strategy."""
    deactivation: DeactivationEvaluator = attrs.field(factory=DeactivationEvaluator)
    recovery: RecoveryEvaluator = attrs.field(factory=RecoveryEvaluator)

    @hookimpl
    def evaluate_deactivation(
        self, snapshot: ModelSnapshot, settings: PoolSettings, failed: FailedAttempt | None, now: float
    ) -> Deactivation | None:
        return self.deactivation.evaluate(snapshot, settings, failed, now)

    @hookimpl
    def evaluate_recovery(self, snapshot: ModelSnapshot, settings: PoolSettings, now: float) -> bool:
        return self.recovery.evaluate(snapshot, settings, now)
