"""Who may still be asked in one request, and the choice among them."""

from __future__ import annotations

from collections.abc import Iterable
from time import perf_counter
from typing import TYPE_CHECKING

from ..catalogue import ModelDefinition
from ..errors import BudgetExceededError, Failure, FailureKind, KeyLimitError, NoActiveModelError
from ..interfaces.records import DecisionRecord
from ..interfaces.routing import FailedAttempt, RoutingContext, Status
from ..members import Member
from ..pools import CapabilityPool
from ..routing import RequestRequirements, RoutingDecision
from ..state.allowances import Allowance, LimitReached
from ..wire.messages import Request
from .attempt import Attempt

if TYPE_CHECKING:
    from .router import Router

_OF_THE_ACCOUNT = frozenset({FailureKind.QUOTA, FailureKind.CONNECTION, FailureKind.TIMEOUT})
"""Failures that other models of the same account would most likely meet, too."""
CLOCK_SLACK = 0.05
"""Seconds by which a wait may seem to have ended early: sleeping and the wall clock do not agree exactly."""


class Choice:
    """The candidates of one request: who is out, who comes last, and what failed so far."""

    def __init__(
        self, router: Router, request: Request, requirements: RequestRequirements, record: DecisionRecord
    ) -> None:
        self._router = router
        self._request = request
        self._requirements = requirements
        self._record = record
        self._excluded: dict[str, str] = {}
        self._put_last: dict[str, tuple[int, str]] = {}
        """Full model id → how late, and why, it is asked only when nobody else is left."""
        self.failed: list[FailedAttempt] = []
        self.reached: list[LimitReached] = []
        """Limits that this request would have passed."""
        self._request_allowances: tuple[Allowance, ...] = router.allowances_of(request)
        self.context: RoutingContext

    # --- deciding ----------------------------------------------------------------------------------------------------

    def decide(self) -> tuple[RoutingDecision, Attempt | None]:
        """Run the pipeline and reserve. No attempt where the decision asks to wait first, or its limit was reached.

        Raises NoActiveModelError when nobody is left.
        """
        started = perf_counter()
        record = self._record
        try:
            with self._router.states.lock:
                decision = self._execute()
                attempt = self.reserve(decision) if decision.delay <= 0 else None
        except NoActiveModelError:
            record.drops = tuple(self.context.drops)
            raise
        finally:
            record.routing_seconds += perf_counter() - started
        record.pool, record.pools = decision.pool, decision.pools
        record.drops, record.candidates = decision.drops, decision.candidates
        return decision, attempt

    def _execute(self) -> RoutingDecision:
        """Run the pipeline; over the models that were put last, too, once nobody else is left."""
        router = self._router
        excluded = self._out() if self._put_last else self._excluded
        self.context = router.context(self._request, self._requirements, self.failed, excluded)
        try:
            return router.pipeline.execute(self.context)
        except NoActiveModelError:
            if not self._put_last:
                raise
        soonest = min(place for place, _ in self._put_last.values())
        self._put_last = {model: put for model, put in self._put_last.items() if put[0] > soonest}
        return self._execute()

    def _out(self) -> dict[str, str]:
        """Full model id → why it is not asked now."""
        return {**{model: why for model, (_, why) in self._put_last.items()}, **self._excluded}

    def wake(self, now: float) -> None:
        """The decision's wait is over."""
        self.context.now = now

    def reserve(self, decision: RoutingDecision) -> Attempt | None:
        """Set the attempt's share of the limits aside; None (and the model is out) if it does not fit."""
        pool, now = self._router.pools[decision.pool], self.context.now
        member = pool.members[decision.model.id]
        attempt = self._reserved(pool, member, now)
        if attempt is not None:
            attempt.is_probe = pool.commit(decision.model.id, now)
        return attempt

    def same_again(self, before: Attempt) -> Attempt | None:
        """The same model once more; None (and the model is out) if it is not active any more."""
        now = self._router.clock.now()
        with self._router.states.lock:
            if self.is_back_by(before.member, now):
                return self._reserved(before.pool, before.member, now)
        self.rotate_away(before, "went on standby")
        return None

    def beside(self, first: Attempt) -> Attempt | None:
        """Somebody else, at another account if there is one, while ``first`` is being asked; None if nobody can."""
        members = {model.id: model.provider for model in self._members()}
        account = {
            model: "is of the account that is being asked" for model, p in members.items() if p == first.record.provider
        }
        router = self._router
        with router.states.lock:
            for occupied in (account, {first.model: "is being asked already"}):
                excluded = {**occupied, **self._out()}
                context = router.context(self._request, self._requirements, attempts=self.failed, excluded=excluded)
                try:
                    decision = router.pipeline.execute(context)
                except NoActiveModelError:
                    continue
                if decision.delay <= 0:
                    self.context = context
                    return self.reserve(decision)
        return None

    # --- leaving out -------------------------------------------------------------------------------------------------

    def exclude(self, model: str, why: str) -> None:
        """Take a model out of this request."""
        self._excluded.setdefault(model, why)

    def rotate_away(self, attempt: Attempt, why: str, failure: Failure | None = None) -> None:
        """Take the attempt's model out of this request, and put others last or out, as its failure suggests."""
        model = attempt.member.definition
        self._excluded[model.id] = why
        members = list(self._members())
        if failure is not None and failure.kind is FailureKind.CONTEXT_LENGTH:
            window = model.constraints.context_window
            for other in members:
                theirs = other.constraints.context_window
                if window is not None and theirs is not None and theirs <= window:
                    self.exclude(other.id, f"its context window of {theirs} tokens is no larger")
        if failure is not None and (failure.kind in _OF_THE_ACCOUNT or self._is_suspect(model.provider)):
            for other in members:
                if other.provider == model.provider:
                    self.put_last(other.id, f"its provider failed in this request ({failure.kind.value})")
        if attempt.pool.settings.retry.scope == "same_provider":
            for other in members:
                if other.provider != model.provider:
                    self.exclude(other.id, "is outside the retry scope same_provider")

    def _is_suspect(self, provider: str) -> bool:
        """Whether several of its models failed in this request: the account is to blame rather than each of them.

        Otherwise one account with many models could use up all rotations.
        """
        return len({failed.model for failed in self.failed if failed.provider == provider}) > 1

    def prefer(self, feature: str, why: str) -> None:
        """Put every model without ``feature`` last."""
        for model in self._members():
            if feature not in model.features:
                self.put_last(model.id, why)

    def put_last(self, model: str, why: str, place: int = 1) -> None:
        """Ask ``model`` only when nobody of a lower place is left."""
        if place > self._put_last.get(model, (0, ""))[0]:
            self._put_last[model] = (place, why)

    def _members(self) -> Iterable[ModelDefinition]:
        for pool in self._record.pools:
            for member in self._router.pools[pool].members.values():
                yield member.definition

    @staticmethod
    def is_back_by(member: Member, moment: float) -> bool:
        """Whether ``member`` can be asked again at ``moment``: a rate limit that is over by then is no obstacle."""
        return member.standing.status(moment + CLOCK_SLACK) is Status.ACTIVE

    def earliest_return(self, now: float) -> float | None:
        """Seconds until the first of the standby models may be back."""
        waits = [reached.resets_at - now for reached in self.reached if reached.resets_at > now]
        waits += [
            member.standing.until - now
            for pool in self._record.pools
            for member in self._router.pools[pool].members.values()
            if member.standing.until is not None and member.standing.until > now
        ]
        return min(waits, default=None)

    # --- reserving ---------------------------------------------------------------------------------------------------

    def _reserved(self, pool: CapabilityPool, member: Member, now: float) -> Attempt | None:
        """With an estimate of what it will use; only its count where no limit could be passed."""
        router, own, counted_in = self._router, self._request_allowances, member.counted_in()
        tokens, cost = 0, 0.0
        if own:
            counted_in += own
        if own or member.is_limited or member.is_guarded:
            tokens = self._requirements.input_tokens + self._requirements.output_tokens
            cost = self._requirements.cost(member.definition)
        reservation = router.states.ledger.reserve(counted_in, tokens=tokens, cost=cost, now=now)
        if isinstance(reservation, LimitReached):
            self.refused(member.model.id, reservation)
            return None
        service = router.providers[member.definition.provider]
        return Attempt(pool, member, service, reservation, router.accounting, router.clock, now)

    def refused(self, model: str, reached: LimitReached) -> None:
        """``model`` is out: asking it would pass a limit. Raises BudgetExceededError where that ends the request."""
        self.reached.append(reached)
        whose = f" of {reached.account}" if reached.account and not reached.account.startswith("model:") else ""
        self._excluded[model] = f"would pass its {reached.reason}{whose}"
        if reached.is_error:
            wait = max(0.0, reached.resets_at - self._router.clock.now())
            raise BudgetExceededError(
                f"{self._request.model!r} would pass the {reached.reason}{whose}.",
                hint="Ask for a cheaper model, or wait for the next window; `modelmesh quota` shows what is left.",
                retry_after=wait or None,
            )
        if not any(reached.account == own.account.name for own in self._request_allowances):
            return
        if not reached.is_budget:
            wait = max(0.0, reached.resets_at - self._router.clock.now())
            raise KeyLimitError(
                f"the key {self._request.key!r} would pass its {reached.reason}.",
                hint="Wait for the next window, or ask whoever gave you the key for more.",
                retry_after=wait or None,
            )
        for other in self._members():
            if not other.pricing.is_free:
                self.exclude(other.id, f"would pass the {reached.reason}{whose}")
