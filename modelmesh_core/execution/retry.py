"""RetryPolicy: what follows a failed attempt, by the error table."""

from __future__ import annotations

import attrs
from tenacity import RetryCallState, wait_exponential_jitter, wait_fixed
from tenacity.wait import wait_base

from ..errors import Failure, FailureKind, ProviderError
from ..interfaces.routing import AttemptState, FailedAttempt, RetryAction, RetryPlan, RoutingContext, hookimpl
from ..settings import HedgeSettings, RetrySettings


@attrs.frozen
class Rule:
    """One row of the error table."""

    retry: bool
    """Whether the same model may be asked again."""
    rotate: bool
    """Whether another model may be asked."""


TABLE: dict[FailureKind, Rule] = {
    FailureKind.CONNECTION: Rule(retry=True, rotate=True),
    FailureKind.TIMEOUT: Rule(retry=False, rotate=True),
    FailureKind.SERVER: Rule(retry=True, rotate=True),
    FailureKind.RATE_LIMIT: Rule(retry=True, rotate=True),
    FailureKind.QUOTA: Rule(retry=False, rotate=True),
    FailureKind.AUTHENTICATION: Rule(retry=False, rotate=True),
    FailureKind.MODEL_NOT_FOUND: Rule(retry=False, rotate=True),
    FailureKind.CONTEXT_LENGTH: Rule(retry=False, rotate=True),
    FailureKind.INVALID_REQUEST: Rule(retry=False, rotate=False),
    FailureKind.CONTENT_FILTER: Rule(retry=False, rotate=False),
    FailureKind.UNDECODABLE: Rule(retry=True, rotate=True),
    FailureKind.STREAM_CUT: Rule(retry=True, rotate=True),
    FailureKind.CANCELLED: Rule(retry=False, rotate=False),
}


class RetryPolicy:
    """Decides between asking again, asking another, and giving up. Pure; made once per pool."""

    def __init__(self, settings: RetrySettings, *, rotate_on_content_filter: bool = False) -> None:
        self.settings = settings
        self._rotate_on_content_filter = rotate_on_content_filter
        self._wait: wait_base = (
            wait_fixed(settings.initial_delay)
            if settings.backoff == "fixed"
            else wait_exponential_jitter(
                multiplier=settings.initial_delay, max=settings.max_delay, jitter=settings.initial_delay
            )
        )

    def classify_error(self, error: BaseException) -> FailureKind:
        """The row of the error table that ``error`` belongs to; a bug in a connector counts as undecodable."""
        return error.failure.kind if isinstance(error, ProviderError) else FailureKind.UNDECODABLE

    def get_delay(self, failure: Failure, tries: int) -> float:
        """Seconds to wait before try number ``tries + 1`` of the same model."""
        if self.settings.honor_retry_after and failure.retry_after is not None:
            return failure.retry_after
        state = RetryCallState(retry_object=None, fn=None, args=(), kwargs={})  # pyright: ignore[reportArgumentType]
        state.attempt_number = tries
        return min(self._wait(state), self.settings.max_delay)

    def should_retry(self, failure: Failure, state: AttemptState) -> RetryPlan | None:
        """A RETRY plan for the same model, or None where the table, a limit or the wait forbids it."""
        settings = self.settings
        if not TABLE[failure.kind].retry or state.tries_of_model >= settings.max_attempts:
            return None
        if not state.retry_budget_left:
            return None
        if failure.kind is FailureKind.RATE_LIMIT and failure.retry_after is None:
            return None
        delay = self.get_delay(failure, state.tries_of_model)
        if delay > settings.max_delay or delay >= state.remaining:
            return None
        return RetryPlan(RetryAction.RETRY, f"{failure.kind.value}: asking the same model again", delay)

    def plan(self, failure: Failure, state: AttemptState) -> RetryPlan:
        """What follows ``failure``."""
        rule = TABLE[failure.kind]
        retry = self.should_retry(failure, state)
        if retry is not None:
            return retry
        may_rotate = rule.rotate or (failure.kind is FailureKind.CONTENT_FILTER and self._rotate_on_content_filter)
        if not may_rotate:
            return RetryPlan(RetryAction.GIVE_UP, f"{failure.kind.value}: no other model would help")
        if self.settings.scope == "same_model":
            return RetryPlan(RetryAction.GIVE_UP, "the retry scope is same_model")
        if state.rotations >= self.settings.max_rotations:
            return RetryPlan(RetryAction.GIVE_UP, f"all {self.settings.max_rotations} rotations are used up")
        return RetryPlan(RetryAction.ROTATE, f"{failure.kind.value}: asking another model")

    @hookimpl
    def plan_retry(self, context: RoutingContext, failed: FailedAttempt, state: AttemptState) -> RetryPlan:
        return self.plan(failed.failure, state)


class ShareBudget:
    """A token bucket: each request puts ``ratio`` tokens in, each extra call takes one out.

    So extra calls are at most that share of the requests, beyond the ``reserve`` that it begins with.
    """

    __slots__ = ("_capacity", "_ratio", "tokens")

    def __init__(self, ratio: float, reserve: float, capacity: float | None = None) -> None:
        self._ratio = ratio
        self._capacity = reserve if capacity is None else capacity
        self.tokens = reserve

    def request(self) -> None:
        if self.tokens < self._capacity:
            self.tokens = min(self._capacity, self.tokens + self._ratio)

    @property
    def is_left(self) -> bool:
        return self.tokens >= 1.0

    def take(self) -> None:
        self.tokens -= 1.0


def retry_budget(settings: RetrySettings) -> ShareBudget:
    """For retries of the same model."""
    return ShareBudget(settings.budget_ratio, float(settings.budget_reserve))


def hedge_budget(settings: HedgeSettings | None) -> ShareBudget:
    """For second attempts: one to begin with, then their share of about the last hundred requests."""
    if settings is None:
        return ShareBudget(0.0, 0.0)
    return ShareBudget(settings.max_share, 1.0, max(1.0, 100 * settings.max_share))
