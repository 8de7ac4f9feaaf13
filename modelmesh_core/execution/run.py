"""One request under way: decide, reserve, ask, and after a failure plan what follows, within one deadline."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ..catalogue import Limits
from ..errors import (
    AllProvidersExhaustedError,
    Failure,
    FailureKind,
    ModelMeshError,
    NoActiveModelError,
    ProviderError,
    provider_error,
)
from ..interfaces.provider import ProviderCall
from ..interfaces.records import AttemptRecord, DecisionRecord
from ..interfaces.routing import AttemptState, FailedAttempt, RetryAction, RetryPlan, RoutingContext, Status
from ..members import Member
from ..pools import CapabilityPool
from ..routing import RequestRequirements, RoutingDecision
from ..routing.requirements import BYTES_PER_TOKEN
from ..state.ledger import LimitReached, Reservation
from ..wire.messages import Body, Delivery, Headroom, Request, Usage
from .provider_service import ProviderService
from .streams import StreamingReply

if TYPE_CHECKING:
    from .router import Router

T = TypeVar("T")
_UNLIMITED = Limits()
_OF_THE_ACCOUNT = frozenset({FailureKind.QUOTA, FailureKind.CONNECTION})
"""Failures that other models of the same account would most likely meet, too."""
CLOCK_SLACK = 0.05
"""Seconds by which a wait may seem to have ended early: sleeping and the wall clock do not agree exactly."""
Ask = Callable[[ProviderService, ProviderCall, AttemptRecord, float], Awaitable[T]]


class _Attempt:
    """What belongs to the attempt under way."""

    __slots__ = ("member", "pool", "record", "reservation", "service")

    def __init__(
        self, pool: CapabilityPool, member: Member, service: ProviderService, reservation: Reservation
    ) -> None:
        self.pool = pool
        self.member = member
        self.service = service
        self.reservation = reservation
        self.record: AttemptRecord


class Run:
    """The state of one request between its arrival and its answer."""

    def __init__(self, router: Router, request: Request) -> None:
        self._router = router
        self._clock = router.clock
        self._request = request
        self._requirements = RequestRequirements(request)
        self._excluded: dict[str, str] = {}
        self._put_last: dict[str, str] = {}
        """Models of an account that seems to be of no use now: asked only when nobody else is left."""
        self._failed: list[FailedAttempt] = []
        self._tries: dict[str, int] = {}
        self._started = router.clock.monotonic()
        self._limit: float | None = request.timeout
        self._errors: list[ProviderError] = []
        self._context: RoutingContext
        self.attempt: _Attempt
        router.in_flight += 1
        self.record = DecisionRecord(
            request.id,
            request.model,
            request.operation.value,
            request.delivery.value,
            router.clock.now(),
            key=request.key,
        )

    # --- the loop ----------------------------------------------------------------------------------------------------

    async def until_answered(self, ask: Ask[T]) -> T:
        """Attempt after attempt until one answers. Raises as ``Router.complete`` does."""
        try:
            again: _Attempt | None = None
            while True:
                attempt = self._same_again(again) if again is not None else await self._choose()
                again = None
                if attempt is None:
                    continue
                self._begin(attempt)
                started = perf_counter()
                try:
                    return await ask(attempt.service, self._call(attempt), attempt.record, self._left())
                except ProviderError as error:
                    failure = error
                except BaseException:
                    self._router.accounting.cancelled(
                        attempt.member, attempt.record, attempt.reservation, self._estimate(0), self._clock.now()
                    )
                    raise
                finally:
                    self.record.upstream_seconds += perf_counter() - started
                plan = self._plan(attempt, failure)
                if plan.action is RetryAction.RETRY:
                    await self._clock.sleep(plan.delay)
                    again = attempt
        except ModelMeshError as error:
            self._close("failed", error)
            raise
        except BaseException:
            self._close("cancelled", None)
            raise

    def _left(self) -> float:
        """Seconds until the deadline."""
        limit = self._limit if self._limit is not None else float("inf")
        return self._started + limit - self._clock.monotonic()

    @property
    def first_token_limit(self) -> float | None:
        return self.attempt.pool.settings.retry.ttft_timeout

    # --- choosing ----------------------------------------------------------------------------------------------------

    async def _choose(self) -> _Attempt | None:
        """Decide and reserve; None if the decision has to be made anew."""
        decision, attempt = self._decide()
        if decision.delay > 0:
            if decision.delay >= self._left():
                raise self._exhausted(f"the strategy asks to wait {decision.delay:.3g} s, past the deadline")
            await self._clock.sleep(decision.delay)
            if decision.decide_again:
                return None
            with self._router.states.lock:
                self._context.now = self._clock.now()
                return self._reserve(decision)
        return attempt

    def _decide(self) -> tuple[RoutingDecision, _Attempt | None]:
        router = self._router
        started = perf_counter()
        try:
            with router.states.lock:
                decision = self._execute()
                attempt = self._reserve(decision) if decision.delay <= 0 else None
        except NoActiveModelError as error:
            self.record.drops = tuple(self._context.drops)
            if not self._errors:
                raise
            raise self._exhausted("nobody else is left") from error
        finally:
            self.record.routing_seconds += perf_counter() - started
        record = self.record
        record.pool, record.pools = decision.pool, decision.pools
        record.drops, record.candidates = decision.drops, decision.candidates
        return decision, attempt

    def _execute(self) -> RoutingDecision:
        """Run the pipeline; over the models that were put last, too, once nobody else is left."""
        router = self._router
        excluded = {**self._put_last, **self._excluded} if self._put_last else self._excluded
        self._context = router.context(self._request, self._requirements, attempts=self._failed, excluded=excluded)
        try:
            return router.pipeline.execute(self._context)
        except NoActiveModelError:
            if not self._put_last:
                raise
        self._put_last.clear()
        return self._execute()

    def _reserve(self, decision: RoutingDecision) -> _Attempt | None:
        """Set the attempt's share of the limits aside; None (and the model is out) if it does not fit."""
        router = self._router
        pool = router.pools[decision.pool]
        member = pool.members[decision.model.id]
        if not self._errors:
            router.retry_budgets[pool.id].request()
            settings_limit = pool.settings.deadline
            self._limit = (
                settings_limit if self._request.timeout is None else min(self._request.timeout, settings_limit)
            )
        now = self._context.now
        reservation = self._set_aside(member, now)
        if isinstance(reservation, LimitReached):
            self._excluded[decision.model.id] = f"would pass its {reservation.reason}"
            return None
        pool.commit(decision.model.id, now)
        return _Attempt(pool, member, router.providers[decision.model.provider], reservation)

    def _same_again(self, before: _Attempt) -> _Attempt | None:
        """The same model once more, if it is still active."""
        now = self._clock.now()
        with self._router.states.lock:
            if not self._is_back_by(before.member, now):
                self._rotate_away(before, "went on standby")
                return None
            reservation = self._set_aside(before.member, now)
        if isinstance(reservation, LimitReached):
            self._rotate_away(before, f"would pass its {reservation.reason}")
            return None
        return _Attempt(before.pool, before.member, before.service, reservation)

    @staticmethod
    def _is_back_by(member: Member, moment: float) -> bool:
        """Whether ``member`` can be asked again at ``moment``: a rate limit that is over by then is no obstacle."""
        return member.standing.status(moment + CLOCK_SLACK) is Status.ACTIVE

    def _set_aside(self, member: Member, now: float) -> Reservation | LimitReached:
        """Reserve an estimate of what the attempt will use; only its count where no limit could be passed."""
        definition = member.definition
        tokens, cost = 0, 0.0
        if definition.limits != _UNLIMITED or member.pool.has_usage_limits:
            tokens = self._requirements.input_tokens + self._requirements.output_tokens
            cost = self._requirements.cost(definition)
        return self._router.states.ledger.reserve(
            member.accounts(), definition.limits, tokens=tokens, cost=cost, now=now
        )

    def _begin(self, attempt: _Attempt) -> None:
        model = attempt.member.definition
        record = self.record
        previous = record.model
        if previous is not None and previous != model.id:
            record.rotations += 1
            self._router.accounting.emit(
                "model_rotated",
                {
                    "request_id": record.request_id,
                    "pool": attempt.pool.id,
                    "from": previous,
                    "to": model.id,
                    "reason": record.attempts[-1].follow_up,
                },
            )
        if self._left() <= 0:
            attempt.reservation.settle(self._clock.now(), 0, None)
            attempt.pool.probe_ended(attempt.member)
            raise self._exhausted("the deadline passed")
        attempt.record = AttemptRecord(model.id, model.provider, attempt.pool.id, self._clock.now())
        record.attempts.append(attempt.record)
        self._tries[model.id] = self._tries.get(model.id, 0) + 1
        self.attempt = attempt

    def _call(self, attempt: _Attempt) -> ProviderCall:
        model, request = attempt.member.definition, self._request
        return ProviderCall(
            request.operation,
            model.upstream_model,
            request.body,
            request.delivery is Delivery.STREAMING,
            request.id,
            model.features,
            model.constraints.max_output_tokens,
            request.raw,
        )

    # --- after a failure ---------------------------------------------------------------------------------------------

    def _plan(self, attempt: _Attempt, error: ProviderError) -> RetryPlan:
        """Mark the failure, and say what follows. Raises when nothing can."""
        model = attempt.member.definition
        failed = FailedAttempt(model.id, model.provider, error.failure)
        known = provider_error(error.failure, model=model.id, provider=model.provider)
        known.__cause__ = error.__cause__
        self._errors.append(known)
        self._failed.append(failed)
        budget = self._router.retry_budgets[attempt.pool.id]
        now = self._clock.now()
        self._router.accounting.failed(attempt.member, attempt.record, attempt.reservation, failed, now)
        settings = attempt.pool.settings.retry
        tries = self._tries[model.id]
        state = AttemptState(tries, self.record.rotations, self._left(), budget.is_left)
        relay = attempt.pool.relay
        try:
            plan: RetryPlan = relay.call.plan_retry(context=self._context, failed=failed, state=state)
        except Exception as bug:
            raise relay.failure("plan_retry", bug) from bug
        if plan.action is RetryAction.RETRY and (
            tries >= settings.max_attempts
            or plan.delay >= self._left()
            or not self._is_back_by(attempt.member, now + plan.delay)
        ):
            plan = RetryPlan(RetryAction.ROTATE, f"{error.failure.kind.value}: it cannot be asked again now")
        if plan.action is RetryAction.ROTATE and self.record.rotations >= settings.max_rotations:
            plan = RetryPlan(RetryAction.GIVE_UP, f"all {settings.max_rotations} rotations are used up")
        attempt.record.follow_up = f"{plan.action.value}: {plan.reason}"
        if plan.action is RetryAction.RETRY:
            budget.take()
        elif plan.action is RetryAction.ROTATE:
            self._rotate_away(attempt, f"failed in this request ({error.failure.kind.value})", error.failure)
        else:
            raise self._final(known, plan)
        return plan

    def _rotate_away(self, attempt: _Attempt, why: str, failure: Failure | None = None) -> None:
        model = attempt.member.definition
        self._excluded[model.id] = why
        members = [m.definition for pool in self.record.pools for m in self._router.pools[pool].members.values()]
        if failure is not None and failure.kind is FailureKind.CONTEXT_LENGTH:
            window = model.constraints.context_window
            for other in members:
                theirs = other.constraints.context_window
                if window is not None and theirs is not None and theirs <= window:
                    self._excluded.setdefault(other.id, f"its context window of {theirs} tokens is no larger")
        if failure is not None and failure.kind in _OF_THE_ACCOUNT:
            for other in members:
                if other.provider == model.provider:
                    self._put_last[other.id] = f"its provider failed in this request ({failure.kind.value})"
        if attempt.pool.settings.retry.scope == "same_provider":
            for other in members:
                if other.provider != model.provider:
                    self._excluded.setdefault(other.id, "is outside the retry scope same_provider")

    def _final(self, error: ProviderError, plan: RetryPlan) -> ModelMeshError:
        """The error to give the caller when nothing follows: the provider's own where it is the caller's to mend."""
        if error.failure.kind in (
            FailureKind.INVALID_REQUEST,
            FailureKind.CONTEXT_LENGTH,
            FailureKind.CONTENT_FILTER,
        ):
            error.attempts = self.record.attempts
            return error
        return self._exhausted(plan.reason)

    def _exhausted(self, why: str) -> ModelMeshError:
        if not self._errors:
            return NoActiveModelError(
                f"no model was asked for {self._request.model!r}: {why}.",
                hint="Give the request more time, or the pool more models.",
            )
        last = self._errors[-1]
        if last.failure.kind is FailureKind.CONTEXT_LENGTH:
            last.attempts = self.record.attempts
            return last
        kinds = {error.failure.kind for error in self._errors}
        status = 503
        if kinds <= {FailureKind.RATE_LIMIT, FailureKind.QUOTA}:
            status = 429
        elif kinds == {FailureKind.TIMEOUT}:
            status = 504
        story = "; ".join(f"{e.model} at {e.provider}: {e.message}" for e in self._errors)
        exhausted = AllProvidersExhaustedError(
            f"all {len(self._errors)} attempts for {self._request.model!r} failed, and {why}: {story}.",
            self.record.attempts,
            hint="`modelmesh pools` shows who is on standby and until when.",
            retry_after=self._earliest_return(),
            status_code=status,
        )
        exhausted.__cause__ = last
        return exhausted

    def _earliest_return(self) -> float | None:
        now = self._clock.now()
        waits = [
            member.standing.until - now
            for pool in self.record.pools
            for member in self._router.pools[pool].members.values()
            if member.standing.until is not None and member.standing.until > now
        ]
        return min(waits) if waits else None

    # --- endings -----------------------------------------------------------------------------------------------------

    def succeeded(self, usage: Usage | None, headroom: Headroom, body: Body | None = None) -> None:
        """A whole answer came."""
        attempt = self.attempt
        settled = usage if usage is not None else self._estimate(_answer_tokens(body))
        self._router.accounting.succeeded(
            attempt.member, attempt.record, attempt.reservation, settled, headroom, self._clock.now()
        )
        self._close("success", None)

    def stream_ended(self, reply: StreamingReply, error: ProviderError | None, cancelled: bool) -> None:
        """A stream ended: whole, broken, or because the caller went away."""
        attempt, now = self.attempt, self._clock.now()
        usage = reply.usage or self._estimate(reply.content_events)
        if cancelled:
            self._router.accounting.cancelled(attempt.member, attempt.record, attempt.reservation, usage, now)
            self._close("cancelled", None)
        elif error is not None:
            attempt.record.usage = usage
            failed = FailedAttempt(attempt.record.model, attempt.record.provider, error.failure)
            self._router.accounting.failed(attempt.member, attempt.record, attempt.reservation, failed, now)
            error.model, error.provider = attempt.record.model, attempt.record.provider
            self._close("failed", error)
        else:
            self.succeeded(usage, reply.headroom)

    def _estimate(self, output: int) -> Usage:
        return Usage(input=self._requirements.input_tokens, output=output, estimated=True)

    def _close(self, status: str, error: ModelMeshError | None) -> None:
        self._router.in_flight -= 1
        record = self.record
        record.status = status
        record.ended = self._clock.now()
        record.error = str(error) if error is not None else None
        self._router.accounting.observe(record)


def _answer_tokens(body: Body | None) -> int:
    """A count for a chat answer without usage, by its length."""
    length = 0
    for choice in cast(list[Any], (body or {}).get("choices") or []):
        message = cast(Body, choice).get("message") if isinstance(choice, dict) else None
        content = cast(Body, message).get("content") if isinstance(message, dict) else None
        length += len(content) if isinstance(content, str) else 0
    return int(length / BYTES_PER_TOKEN)
