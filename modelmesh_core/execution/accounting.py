"""What an attempt's end does to state: health, standby, provider availability, the ledger, events and records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import Failure, FailureKind
from ..interfaces.records import AttemptRecord, DecisionRecord
from ..interfaces.routing import Deactivation, FailedAttempt, Reason
from ..members import Member
from ..pools import CapabilityPool
from ..rotation.policy import counts_as_failure
from ..state.ledger import Reservation
from ..state.models import LiveStates
from ..values import Clock
from ..wire.messages import Headroom, Usage
from .provider_service import ProviderService

OUTAGE_FAILURES = 3
"""Failures in a row, over all of a provider's models, that count as an outage."""
_OUTAGE_KINDS = frozenset({FailureKind.CONNECTION, FailureKind.TIMEOUT, FailureKind.SERVER})

Observe = Callable[[DecisionRecord], None]
"""Takes a finished record; never blocks."""


class Accounting:
    """Applies the outcome of attempts. Everything here happens under the mesh's lock and takes microseconds."""

    def __init__(
        self,
        states: LiveStates,
        pools: Mapping[str, CapabilityPool],
        providers: Mapping[str, ProviderService],
        emit: Callable[[str, Mapping[str, Any]], None],
        observe: Observe,
        clock: Clock,
    ) -> None:
        self._states = states
        self._pools = pools
        self._providers = providers
        self._clock = clock
        self.emit = emit
        self.observe = observe

    def succeeded(
        self,
        member: Member,
        attempt: AttemptRecord,
        reservation: Reservation,
        usage: Usage,
        headroom: Headroom,
        now: float,
    ) -> None:
        """A whole answer came."""
        self._settle(member, attempt, reservation, usage, now)
        attempt.status = "success"
        first_token = attempt.first_byte - attempt.started if attempt.first_byte is not None else None
        provider = self._providers[attempt.provider]
        with self._states.lock:
            health = member.model.use().health
            health.succeeded(now, now - attempt.started, first_token)
            state = provider.state
            state.consecutive_failures = 0
            if headroom:
                health.report(headroom, now)
                self._correct(member, headroom, now)
                state.headroom = headroom
            if member.pool.judges_successes:
                member.pool.evaluate(member, None, now)

    def _correct(self, member: Member, headroom: Headroom, now: float) -> None:
        """What the provider counts is believed where it is more than we did: others may use the same key.

        Vendors name their limits in many ways; one is recognized by its size.
        """
        for allowance in member.counted_in():
            for row in allowance.limits.windows:
                requests = _used(headroom, "requests", row.requests)
                tokens = _used(headroom, "tokens", row.tokens)
                if requests or tokens:
                    self._states.ledger.correct(allowance, row.window, requests, tokens, now)

    def probe_succeeded(self, member: Member) -> None:
        """The one request that a half-open model got was answered: it is active again, and so is what it speaks for."""
        with self._states.lock:
            reason = member.standing.reason
            if reason is None or not member.standing.needs_probe:
                return
            provider = self._providers[member.definition.provider]
            account_was_down = reason is Reason.AUTH or (reason is Reason.ERROR and not provider.state.available)
            member.pool.probe_succeeded(member)
            for pool in self._pools.values():
                for other in pool.members.values():
                    of_account = account_was_down and other.definition.provider == provider.name
                    if other.standing.reason is reason and (of_account or other.model.id == member.model.id):
                        pool.probe_succeeded(other)
            if not provider.is_available():
                self.provider_recovered(provider)

    def failed(
        self, member: Member, attempt: AttemptRecord, reservation: Reservation, failed: FailedAttempt, now: float
    ) -> None:
        """An attempt failed. A rejected request marks nobody."""
        self._settle(member, attempt, reservation, attempt.usage or Usage(estimated=True), now)
        attempt.status = "failed"
        attempt.failure = failed.failure
        provider = self._providers[attempt.provider]
        with self._states.lock:
            if counts_as_failure(failed, member.pool.settings):
                member.model.use().health.failed(now)
            if failed.failure.kind in _CALLERS:
                return
            for pool in self._pools.values():
                other = pool.members.get(member.model.id)
                if other is not None:
                    pool.evaluate(other, failed, now)
            self._mark_provider(provider, member, failed, now)

    def _mark_provider(self, provider: ProviderService, member: Member, failed: FailedAttempt, now: float) -> None:
        kind, state = failed.failure.kind, provider.state
        if kind is FailureKind.AUTHENTICATION:
            newly, state.auth_valid = state.auth_valid, False
            self._provider_down(provider, member, "on_auth_failure", Reason.AUTH, newly, failed, now)
        elif kind in _OUTAGE_KINDS:
            state.consecutive_failures += 1
            if state.consecutive_failures >= OUTAGE_FAILURES:
                self._provider_down(provider, member, "on_api_outage", Reason.ERROR, state.available, failed, now)

    def _provider_down(
        self,
        provider: ProviderService,
        culprit: Member,
        cause: str,
        reason: Reason,
        newly: bool,
        failed: FailedAttempt,
        now: float,
    ) -> None:
        """Put all the provider's models on standby, in every pool that asks for it.

        Those that share a failed probe's fate get its deadline: one probe speaks for the whole account.
        """
        touched = False
        for pool in self._pools.values():
            if cause not in pool.settings.provider_deactivation:
                continue
            touched = True
            until: float | None = None
            if "on_probe_success" in pool.settings.provider_recovery:
                own = culprit.standing.until if culprit.standing.reason is reason else None
                until = own or now + pool.settings.recovery.cooldown
            for member in pool.members.values():
                standing = member.standing
                is_concerned = member.definition.provider == provider.name and standing.reason in (None, reason)
                is_judged = member.model.id == culprit.model.id and standing.reason is not None and until is not None
                if is_concerned and not is_judged:
                    pool.put_on_standby(member, Deactivation(reason, until, failed.failure.message), now)
        if not touched:
            return
        if reason is Reason.ERROR:
            provider.state.available = False
        if newly:
            what = {"provider": provider.name, "reason": reason.value, "detail": failed.failure.message}
            self.emit("provider_deactivated", what)
            self.emit("provider_health_changed", {"provider": provider.name, "healthy": False})

    def account_fails(self, provider: ProviderService, failure: Failure) -> None:
        """Somebody tried the account without being asked for an answer, and it does not work."""
        members = [
            member
            for pool in self._pools.values()
            for member in pool.members.values()
            if member.definition.provider == provider.name
        ]
        if not members:
            return
        failed = FailedAttempt(members[0].model.id, provider.name, failure)
        is_refused = failure.kind is FailureKind.AUTHENTICATION
        cause, reason = ("on_auth_failure", Reason.AUTH) if is_refused else ("on_api_outage", Reason.ERROR)
        with self._states.lock:
            newly = provider.is_available()
            if is_refused:
                provider.state.auth_valid = False
            self._provider_down(provider, members[0], cause, reason, newly, failed, self._clock.now())

    def account_works(self, provider: ProviderService) -> None:
        """The same, and it does: what an outage or a refused key put on standby is active again."""
        with self._states.lock:
            for pool in self._pools.values():
                for member in pool.members.values():
                    is_ours = member.definition.provider == provider.name
                    if is_ours and member.standing.reason in (Reason.ERROR, Reason.AUTH):
                        pool.recover(member.model.id)
            self.provider_recovered(provider)

    def provider_recovered(self, provider: ProviderService) -> None:
        """The account works again: a probe of it succeeded, or somebody says so."""
        provider.state.auth_valid = provider.state.available = True
        provider.state.consecutive_failures = 0
        for pool in self._pools.values():
            for member in pool.members.values():
                if member.definition.provider == provider.name and member.standing.reason is Reason.AUTH:
                    pool.recover(member.model.id)
        self.emit("provider_recovered", {"provider": provider.name})
        self.emit("provider_health_changed", {"provider": provider.name, "healthy": True})

    def cancelled(
        self, member: Member, attempt: AttemptRecord, reservation: Reservation, usage: Usage, now: float
    ) -> None:
        """The caller went away: what was used is still settled, and nobody is blamed."""
        self._settle(member, attempt, reservation, usage, now)
        attempt.status = "cancelled"

    def _settle(
        self, member: Member, attempt: AttemptRecord, reservation: Reservation, usage: Usage, now: float
    ) -> None:
        attempt.ended = now
        attempt.usage = usage
        attempt.cost = member.definition.pricing.cost(usage)
        reservation.settle(now, usage.total, attempt.cost)
        if attempt.cost:
            self._providers[attempt.provider].state.spent += float(attempt.cost)


def _used(headroom: Headroom, measure: str, limit: int | None) -> int | None:
    """What is used of ``limit`` by the report that is about it."""
    if limit is None:
        return None
    for name, report in headroom.items():
        if name.startswith(measure) and report.limit == limit and report.remaining is not None:
            return limit - report.remaining
    return None


_CALLERS = frozenset({FailureKind.INVALID_REQUEST, FailureKind.CONTEXT_LENGTH, FailureKind.CONTENT_FILTER})
