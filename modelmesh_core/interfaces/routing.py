"""What a routing decision sees: the request, what it needs, immutable snapshots, and a clock reading.

Stages and strategies are pure functions of these. Nothing here can reach a socket, and nothing here changes while a
decision is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from random import Random
from types import MappingProxyType
from typing import NamedTuple, Protocol

import attrs
import pluggy

from ..catalogue.definitions import ModelDefinition
from ..errors import Failure
from ..settings import PoolSettings
from ..wire.messages import Headroom, Request

hookimpl = pluggy.HookimplMarker("modelmesh")
"""Marks a function of a plugin as an implementation of the hook of its name."""


class Status(StrEnum):
    """Where a model stands in one pool."""

    ACTIVE = "active"
    STANDBY = "standby"
    HALF_OPEN = "half-open"
    """Its cooldown is over: one probe request may go through."""


class Reason(StrEnum):
    """Why a model is on standby. The first that holds, in this order, is the reason given."""

    MANUAL = "manual"
    MAINTENANCE = "maintenance"
    BUDGET = "budget"
    QUOTA = "quota"
    AUTH = "auth"
    RATE_LIMIT = "rate limit"
    ERROR = "error"
    TOKEN = "token"
    REQUEST = "request"
    MODEL_NOT_FOUND = "model not found"

    @property
    def rank(self) -> int:
        return _RANKS[self]


_RANKS = {reason: rank for rank, reason in enumerate(Reason)}


class WindowUsage(NamedTuple):
    """What was used in one window so far, reservations in flight included."""

    requests: int = 0
    tokens: int = 0
    cost: Decimal = Decimal(0)
    resets_at: float | None = None
    """UTC epoch seconds."""


_NOTHING_USED: Mapping[str, WindowUsage] = MappingProxyType({})
_NO_HEADROOM: Headroom = MappingProxyType({})


class ModelSnapshot(NamedTuple):
    """The one immutable view of a model in a pool that policies get. Times are UTC epoch seconds, durations seconds."""

    model: str
    provider: str
    pool: str
    status: Status = Status.ACTIVE
    deactivation_reason: Reason | None = None
    until: float | None = None
    """When it may come back; None while active, or where only a person can bring it back."""
    consecutive_failures: int = 0
    error_rate: float = 0.0
    """Over the pool's ``error_window``."""
    samples: int = 0
    """Attempts in that window."""
    used: Mapping[str, WindowUsage] = _NOTHING_USED
    """Window (``minute``, ``hour``, ``day``, ``month``) → what was used."""
    headroom: Headroom = _NO_HEADROOM
    """Limit and remaining, as the provider last reported them."""
    latency_mean: float | None = None
    latency_p50: float | None = None
    latency_p95: float | None = None
    time_to_first_token: float | None = None
    """Recent mean."""
    in_flight: int = 0
    quota: WindowUsage = WindowUsage()
    """What was used through this pool in its ``quota_window``; counted only where the pool has a usage limit."""
    failed_probes: int = 0
    """Cooldowns in a row; each is twice as long as the one before."""
    is_available: bool = True
    """Whether a request may go to it: not on standby, not being probed, no limit used up."""
    exhausted: str | None = None
    """The limit in ``models.<id>.limits`` that is used up, if any."""
    probe_in_flight: bool = False
    """Half-open, and its one probe is under way."""
    is_priced: bool = False
    """Whether a price above zero is known: money budgets never block a free model."""
    last_request: float | None = None
    last_failure: float | None = None


class PoolView(NamedTuple):
    """The pool, as a decision sees it."""

    id: str
    settings: PoolSettings
    current_model: str | None = None
    """The model that served last, for strategies that stay."""
    last_selected: str | None = None
    """The model that was chosen last, for strategies that take turns."""
    members: tuple[str, ...] = ()
    """Full model ids in pool order."""


class Requirements(Protocol):
    """What the request needs. Worked out when first asked for."""

    @property
    def features(self) -> frozenset[str]: ...
    @property
    def input_tokens(self) -> int:
        """Estimated."""
        ...

    @property
    def output_tokens(self) -> int:
        """The caller's own limit where there is one, else an expectation."""
        ...

    @property
    def max_output_tokens(self) -> int | None:
        """The caller's own limit on output, if any."""
        ...

    @property
    def images(self) -> int: ...
    @property
    def language(self) -> str | None: ...


class LiveModel(Protocol):
    """What a candidate's state is read from, by one reading of the clock."""

    def snapshot(self, now: float) -> ModelSnapshot: ...
    def is_available(self, now: float) -> bool:
        """What the snapshot says of it, without the work of making one."""
        ...


class Candidate:
    """One model that may serve the request."""

    __slots__ = ("_context", "_snapshot", "live", "model", "order")

    def __init__(self, context: RoutingContext, model: ModelDefinition, live: LiveModel, order: int) -> None:
        self._context = context
        self.live = live
        """What its state is read from."""
        self._snapshot: ModelSnapshot | None = None
        self.model = model
        """Its definition: capabilities, features, constraints, prices, limits."""
        self.order = order
        """Place in pool order, from 0."""

    @property
    def snapshot(self) -> ModelSnapshot:
        """Its live state at the decision's moment. Made when first asked for: most decisions need few."""
        snapshot = self._snapshot
        if snapshot is None:
            snapshot = self._snapshot = self.live.snapshot(self._context.now)
        return snapshot

    @property
    def is_available(self) -> bool:
        """Whether a request may go to it: not on standby, not being probed, no limit used up."""
        return self.live.is_available(self._context.now)

    @property
    def id(self) -> str:
        """Full model id."""
        return self.model.id

    @property
    def provider(self) -> str:
        return self.model.provider

    @property
    def estimated_cost(self) -> float:
        """USD for this request, by estimated input and expected output tokens; infinite where no price is known."""
        return self._context.estimate_cost(self.model)

    def __repr__(self) -> str:
        return f"Candidate({self.model.id})"


class RoutingContext:
    """One decision: made anew for each attempt, over one reading of the clock."""

    __slots__ = (
        "attempts",
        "capability",
        "delay",
        "drops",
        "estimate_cost",
        "excluded",
        "named_pool",
        "now",
        "pinned_model",
        "pool",
        "queue",
        "random",
        "request",
        "requirements",
        "stage",
    )

    def __init__(
        self,
        request: Request,
        requirements: Requirements,
        now: float,
        random: Random,
        estimate_cost: Callable[[ModelDefinition], float],
        attempts: Sequence[FailedAttempt] = (),
        excluded: Mapping[str, str] | None = None,
    ) -> None:
        self.request = request
        self.requirements = requirements
        self.now = now
        """UTC epoch seconds of this decision."""
        self.random = random
        """The only randomness a decision may use: a seeded mesh decides the same again."""
        self.estimate_cost = estimate_cost
        self.attempts = attempts
        """What failed before in this request, in order."""
        self.excluded: Mapping[str, str] = excluded or {}
        """Full model id → why it is out of this request (tried already, too small, outside the retry scope)."""
        self.pool: PoolView = _NO_POOL
        """The pool being looked at; set from the select_pool stage on."""
        self.named_pool: str | None = None
        """The pool that the caller named itself, if any."""
        self.pinned_model: str | None = None
        """The model that the caller pinned, if any."""
        self.capability: str | None = None
        """Full path of the capability that was asked for, if the name is one."""
        self.drops: list[Drop] = []
        self.stage = ""
        self.delay = 0.0
        self.queue = False

    def wait(self, seconds: float, *, decide_again: bool = False) -> None:
        """Ask the router to wait before the attempt (never past the deadline), or to wait and decide anew."""
        self.delay = seconds
        self.queue = decide_again

    def drop(self, candidate: Candidate, reason: str) -> None:
        """Record why a filter leaves ``candidate`` out, for the decision record and ``explain``."""
        self.drops.append(Drop(self.stage, candidate.id, self.pool.id, reason))


_NO_POOL = PoolView("", PoolSettings(""))


@attrs.frozen
class Drop:
    """A candidate that a stage left out."""

    stage: str
    model: str
    pool: str
    reason: str


@attrs.frozen
class FailedAttempt:
    """A failed attempt of the request under way."""

    model: str
    provider: str
    failure: Failure


class RetryAction(StrEnum):
    """What to do after a failed attempt."""

    RETRY = "retry"
    ROTATE = "rotate"
    GIVE_UP = "give up"


@attrs.frozen
class RetryPlan:
    """The answer of the ``plan_retry`` hook."""

    action: RetryAction
    reason: str
    """For the decision record."""
    delay: float = 0.0
    """Seconds to wait before a RETRY."""


@attrs.frozen
class AttemptState:
    """What ``plan_retry`` is told beside the failure."""

    tries_of_model: int
    """Attempts at this model in this request, the failed one included."""
    rotations: int
    """Changes of model so far."""
    remaining: float
    """Seconds left until the deadline."""
    retry_budget_left: bool
    """Whether the pool's retry budget allows another retry."""


@attrs.frozen
class Deactivation:
    """The answer of the ``evaluate_deactivation`` hook: put the model on standby."""

    reason: Reason
    until: float | None
    """UTC epoch seconds; None for by hand only."""
    detail: str = ""


class SelectionStrategy:
    """Base for strategies written as a class: implement ``score`` or ``select``.

    Scores: higher is better; ties go to pool order. ``candidates`` is never empty.
    """

    def score(self, candidate: Candidate, context: RoutingContext) -> float:
        """How well ``candidate`` suits."""
        return -float(candidate.order)

    def select(self, candidates: Sequence[Candidate], context: RoutingContext) -> Candidate | None:
        """The chosen one; None leaves the choice to the fallback strategy."""
        best = candidates[0]
        best_score = self.score(best, context)
        for candidate in candidates[1:]:
            score = self.score(candidate, context)
            if score > best_score:
                best, best_score = candidate, score
        return best

    @hookimpl
    def select_model(self, context: RoutingContext, candidates: Sequence[Candidate]) -> Candidate | None:
        return self.select(candidates, context)

    @hookimpl
    def score_model(self, context: RoutingContext, candidate: Candidate) -> float:
        return self.score(candidate, context)
