"""One request under way: decide, reserve, ask, and after a failure plan what follows, within one deadline."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from ..errors import (
    AllProvidersExhaustedError,
    FailureKind,
    ModelMeshError,
    NoActiveModelError,
    ProviderError,
)
from ..interfaces.provider import ProviderCall
from ..interfaces.records import DecisionRecord
from ..interfaces.routing import AttemptState, RetryAction, RetryPlan
from ..interfaces.traces import trace_headers
from ..routing import RequestRequirements, RoutingDecision
from ..routing.requirements import BYTES_PER_TOKEN
from ..wire.messages import NAMES, Body, Delivery, Headroom, Request, Usage
from .attempt import Attempt
from .choosing import Choice
from .hedging import hedge_delay, race
from .streams import OpenStream

if TYPE_CHECKING:
    from .router import Router

logger = logging.getLogger("modelmesh.requests")

T = TypeVar("T")
Ask = Callable[[Attempt, ProviderCall, float], Awaitable[T]]
"""Sends one call, and gives its answer. The last argument is seconds until the deadline."""

_CALLERS = frozenset({FailureKind.INVALID_REQUEST, FailureKind.CONTEXT_LENGTH, FailureKind.CONTENT_FILTER})
"""Failures that are the caller's to mend: they get the provider's own words."""


class Run(Generic[T]):
    """The state of one request between its arrival and its answer."""

    def __init__(self, router: Router, request: Request) -> None:
        self._router = router
        self._clock = router.clock
        self._request = request
        self._requirements = RequestRequirements(request)
        self._tries: dict[str, int] = {}
        self._started = router.clock.monotonic()
        self._limit: float | None = request.timeout
        self._is_counted = False
        self._errors: list[ProviderError] = []
        self.attempt: Attempt
        """The one that answers, once one does."""
        router.in_flight += 1
        self.record = record = DecisionRecord(
            request.id,
            request.model,
            NAMES[request.operation],
            NAMES[request.delivery],
            router.clock.now(),
            request.key,
            request.key_limits.metadata if request.key_limits is not None else {},
        )
        if request.traceparent is not None:
            record.traceparent, record.tracestate = request.traceparent, request.tracestate
        self._choice = Choice(router, request, self._requirements, record)

    # --- the loop ----------------------------------------------------------------------------------------------------

    async def until_answered(self, ask: Ask[T]) -> T:
        """Attempt after attempt until one answers. Raises as ``Router.complete`` does."""
        try:
            again: Attempt | None = None
            while True:
                decision, attempt = self._decide() if again is None else (None, self._choice.same_again(again))
                again = None
                if attempt is None or attempt.reservation.kept:
                    attempt = await self._settled_on(decision, attempt)
                    if attempt is None:
                        continue
                self._begin(attempt)
                started = perf_counter()
                try:
                    hedges = attempt.pool.settings.hedge is not None
                    delay = hedge_delay(attempt, self._request.delivery) if hedges else None
                    if delay is None:
                        self.attempt, answer = attempt, await self._sent(attempt, ask)
                    else:
                        self.attempt, answer = await self._raced(attempt, ask, delay)
                except AttemptFailedError as failed:
                    attempt, error = failed.attempt, failed.error
                else:
                    self.record.answered_by = self.attempt.record
                    return answer
                finally:
                    self.record.upstream_seconds += perf_counter() - started
                plan = self._plan(attempt, error)
                if plan.action is RetryAction.RETRY:
                    await self._clock.sleep(plan.delay)
                    again = attempt
        except ModelMeshError as error:
            self._close("failed", error)
            raise
        except BaseException:
            self._close("cancelled", None)
            raise

    async def _raced(self, attempt: Attempt, ask: Ask[T], delay: float) -> tuple[Attempt, T]:
        """The attempt that answered, and its answer; after ``delay`` seconds a second one is sent beside the first."""
        return await race(attempt, lambda one: self._sent(one, ask), self._hedge, delay, self._clock, self._lost)

    async def _sent(self, attempt: Attempt, ask: Ask[T]) -> T:
        """The answer. Raises AttemptFailedError; settled if it is cancelled."""
        call = self._call(attempt)
        try:
            answer = await ask(attempt, call, self._left())
            if call.dropped:
                self._tell_dropped(attempt, call)
            return answer
        except ProviderError as error:
            raise AttemptFailedError(attempt, error) from error
        except BaseException:
            attempt.cancelled(self.estimate(0))
            raise

    def _tell_dropped(self, attempt: Attempt, call: ProviderCall) -> None:
        attempt.record.dropped = tuple(call.dropped)
        logger.warning("%s: %s lacks %s: left out", self._request.id, attempt.model, ", ".join(call.dropped))

    def _left(self) -> float:
        """Seconds until the deadline."""
        limit = self._limit if self._limit is not None else float("inf")
        return self._started + limit - self._clock.monotonic()

    # --- choosing ----------------------------------------------------------------------------------------------------

    async def _confirmed(self, attempt: Attempt | None) -> Attempt | None:
        """``attempt``, once the ledger that processes share agrees; None (and the model is out) if it does not."""
        shared = self._router.states.ledger.shared
        if attempt is None or shared is None or not attempt.reservation.kept:
            return attempt
        try:
            reached = await shared.confirm(attempt.reservation)
        except BaseException:
            attempt.abandon()
            raise
        if reached is None:
            return attempt
        attempt.abandon()
        self._choice.refused(attempt.model, reached)
        return None

    async def kept(self) -> None:
        """Wait until what was used is where it outlives the process, if a limit or a budget counts it."""
        shared = self._router.states.ledger.shared
        if shared is not None and self.attempt.reservation.kept:
            await shared.flushed()

    def _decide(self) -> tuple[RoutingDecision, Attempt | None]:
        """Decide and reserve, as ``Choice.decide`` does. Raises when nobody is left."""
        try:
            decision, attempt = self._choice.decide()
        except NoActiveModelError as error:
            if not self._errors:
                if self._choice.reached:
                    error.status_code, error.error_type = 429, "insufficient_quota"
                    error.retry_after = self._choice.earliest_return(self._clock.now())
                raise
            raise self._exhausted("nobody else is left") from error
        if not self._is_counted:
            self._is_counted = True
            settings = self._router.pools[decision.pool].settings
            asked, deadline = self._request.timeout, settings.deadline
            self._limit = deadline if asked is None else min(asked, deadline)
            self._router.retry_budgets[decision.pool].request()
            if settings.hedge is not None:
                self._router.hedge_budgets[decision.pool].request()
        return decision, attempt

    async def _settled_on(self, decision: RoutingDecision | None, attempt: Attempt | None) -> Attempt | None:
        """The attempt, once the decision's wait is over and others agree; None if the decision has to be made anew."""
        if decision is not None and decision.delay > 0:
            if decision.delay >= self._left():
                raise self._exhausted(f"the strategy asks to wait {decision.delay:.3g} s, past the deadline")
            await self._clock.sleep(decision.delay)
            if decision.decide_again:
                return None
            with self._router.states.lock:
                self._choice.wake(self._clock.now())
                attempt = self._choice.reserve(decision)
        return await self._confirmed(attempt)

    def _begin(self, attempt: Attempt) -> None:
        """The attempt is about to be sent."""
        record = self.record
        if self._left() <= 0:
            attempt.abandon()
            raise self._exhausted("the deadline passed")
        previous = record.attempts[-1] if record.attempts else None
        if previous is not None and previous.model != attempt.model:
            record.rotations += 1
            self._router.accounting.emit(
                "model_rotated",
                {
                    "request_id": record.request_id,
                    "pool": attempt.pool.id,
                    "from": previous.model,
                    "to": attempt.model,
                    "reason": previous.follow_up,
                },
            )
        self._note(attempt)

    def _note(self, attempt: Attempt) -> None:
        record = attempt.record
        self.record.attempts.append(record)
        self._tries[record.model] = self._tries.get(record.model, 0) + 1

    def _call(self, attempt: Attempt) -> ProviderCall:
        model, request = attempt.member.definition, self._request
        call = ProviderCall(
            request.operation,
            model.upstream_model,
            request.body,
            request.delivery is Delivery.STREAMING,
            request.id,
            model.features,
            model.constraints.max_output_tokens,
            request.raw,
            None,
            request.dialect,
            request.native,
            attempt.pool.settings.unsupported,
        )
        if self._router.propagates:
            call.trace_headers = self._trace_headers(attempt)
        return call

    def _trace_headers(self, attempt: Attempt) -> Mapping[str, str]:
        place = next(place for place, one in enumerate(self.record.attempts) if one is attempt.record)
        return trace_headers(self.record, place)

    # --- hedging -----------------------------------------------------------------------------------------------------

    async def _hedge(self, first: Attempt) -> Attempt | None:
        """A second attempt elsewhere, if the pool's share of them, the bounds and the deadline allow it."""
        budget = self._router.hedge_budgets[first.pool.id]
        is_bounded = self.record.rotations + self.record.hedges >= first.pool.settings.retry.max_rotations
        if is_bounded or not budget.is_left or self._left() <= 0:
            return None
        second = await self._confirmed(self._choice.beside(first))
        if second is None:
            return None
        budget.take()
        self.record.hedges += 1
        second.record.is_hedge = True
        self._note(second)
        return second

    async def _lost(self, attempt: Attempt, answer: T | None, failure: BaseException | None) -> None:
        """One of two attempts ended while the other goes on, or has won."""
        if isinstance(failure, AttemptFailedError):
            self._choice.failed.append(self._failed(attempt, failure.error, "the other attempt goes on"))
            self._choice.rotate_away(attempt, "failed in this request", failure.error.failure)
            return
        if isinstance(answer, OpenStream):
            await answer.source.aclose()
        attempt.cancelled(getattr(answer, "usage", None) or self.estimate(0))
        attempt.record.follow_up = "cancelled: nobody waits for it any more"

    # --- after a failure ---------------------------------------------------------------------------------------------

    def _failed(self, attempt: Attempt, error: ProviderError, follow_up: str, usage: Usage | None = None) -> Any:
        """Mark the failure. Returns it as the hooks see it."""
        self._errors.append(attempt.named(error.failure, error.__cause__))
        failed = attempt.failed(error, usage)
        attempt.record.follow_up = follow_up
        return failed

    def _plan(self, attempt: Attempt, error: ProviderError) -> RetryPlan:
        """Mark the failure, and say what follows. Raises when nothing can."""
        failed = self._failed(attempt, error, "")
        self._choice.failed.append(failed)
        budget = self._router.retry_budgets[attempt.pool.id]
        settings = attempt.pool.settings.retry
        tries, rotations = self._tries[attempt.model], self.record.rotations + self.record.hedges
        state = AttemptState(tries, rotations, self._left(), budget.is_left)
        relay = attempt.pool.relay
        try:
            plan: RetryPlan = relay.call.plan_retry(context=self._choice.context, failed=failed, state=state)
        except Exception as bug:
            raise relay.failure("plan_retry", bug) from bug
        if plan.action is RetryAction.RETRY and (
            tries >= settings.max_attempts
            or plan.delay >= self._left()
            or not self._choice.is_back_by(attempt.member, self._clock.now() + plan.delay)
        ):
            plan = RetryPlan(RetryAction.ROTATE, f"{error.failure.kind.value}: it cannot be asked again now")
        if plan.action is RetryAction.ROTATE and rotations >= settings.max_rotations:
            plan = RetryPlan(RetryAction.GIVE_UP, f"all {settings.max_rotations} rotations are used up")
        attempt.record.follow_up = f"{plan.action.value}: {plan.reason}"
        if plan.action is RetryAction.RETRY:
            budget.take()
        elif plan.action is RetryAction.ROTATE:
            self._choice.rotate_away(attempt, f"failed in this request ({error.failure.kind.value})", error.failure)
        else:
            raise self._final(self._errors[-1], plan)
        return plan

    def _final(self, error: ProviderError, plan: RetryPlan) -> ModelMeshError:
        """The error to give the caller when nothing follows: the provider's own where it is the caller's to mend."""
        if error.failure.kind in _CALLERS:
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
        told = Counter(f"{error.model} at {error.provider}: {error.message}" for error in self._errors)
        story = "; ".join(text if times == 1 else f"{text} ({times} times)" for text, times in told.items())
        exhausted = AllProvidersExhaustedError(
            f"all {len(self._errors)} attempts for {self._request.model!r} failed, and {why}: {story}.",
            self.record.attempts,
            hint="`modelmesh pools` shows who is on standby and until when.",
            retry_after=self._choice.earliest_return(self._clock.now()),
            status_code=status,
        )
        exhausted.__cause__ = last
        return exhausted

    # --- endings -----------------------------------------------------------------------------------------------------

    def succeeded(self, usage: Usage | None, headroom: Headroom, body: Body | None = None) -> None:
        """A whole answer came."""
        self.attempt.succeeded(usage if usage is not None else self.estimate(_answer_tokens(body)), headroom)
        self._close("success", None)

    def estimate(self, output: int) -> Usage:
        """What was used, where the provider has not said so: ``output`` in tokens."""
        return Usage(input=self._requirements.input_tokens, output=output, estimated=True)

    def _close(self, status: str, error: ModelMeshError | None) -> None:
        self._router.in_flight -= 1
        record = self.record
        record.status = status
        record.ended = self._clock.now()
        record.error = str(error) if error is not None else None
        self._router.accounting.observe(record)


class AttemptFailedError(Exception):
    """An attempt failed with ``error``."""

    def __init__(self, attempt: Attempt, error: ProviderError) -> None:
        super().__init__(str(error))
        self.attempt = attempt
        self.error = error


def _answer_tokens(body: Body | None) -> int:
    """A count for a chat answer without usage, by its length."""
    length = 0
    for choice in cast(list[Any], (body or {}).get("choices") or []):
        message = cast(Body, choice).get("message") if isinstance(choice, dict) else None
        content = cast(Body, message).get("content") if isinstance(message, dict) else None
        length += len(content) if isinstance(content, str) else 0
    return int(length / BYTES_PER_TOKEN)
