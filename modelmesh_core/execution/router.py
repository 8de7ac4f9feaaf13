"""Router: runs the pipeline, then the attempts, until somebody answers or the deadline passes."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from random import Random
from typing import Any, cast

import attrs

from ..errors import CapabilityNotFoundError, ModelMeshError
from ..interfaces.provider import ProviderCall
from ..interfaces.records import DecisionRecord
from ..interfaces.routing import FailedAttempt, RoutingContext
from ..pools import CapabilityPool
from ..routing import RequestRequirements, RoutingDecision, RoutingPipeline
from ..state.allowances import Allowance
from ..state.models import LiveStates
from ..values import Clock, quick_frozen
from ..wire.messages import Delivery, Operation, Reply, Request
from .accounting import Accounting
from .attempt import Attempt
from .provider_service import ProviderService
from .resources import Resources
from .retry import hedge_budget, retry_budget
from .run import Run
from .stream_run import StreamRun
from .streams import StreamingReply

_ids = Random()
"""Seeded by the system. Request ids have to be unique, not secret."""


@quick_frozen
class Completion:
    """A whole answer with its story."""

    reply: Reply
    record: DecisionRecord


@attrs.frozen
class Explanation:
    """What ``explain`` found: what would happen, without calling anyone."""

    requested: str
    pools: tuple[str, ...]
    decision: RoutingDecision | None
    """None if nobody could serve the request."""
    error: ModelMeshError | None
    stages: tuple[str, ...]
    considered: Mapping[str, Sequence[str]]
    """Pool → full ids of its members."""
    dropped: Sequence[Any]
    costs: Mapping[str, float]
    """Full model id → USD expected; infinite where no price is known."""
    timings: Mapping[str, float]
    """Stage → seconds."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        known = {model: (None if cost == float("inf") else cost) for model, cost in self.costs.items()}
        return {
            "requested": self.requested,
            "pools": list(self.pools),
            "pool": self.decision.pool if self.decision else None,
            "model": self.decision.model.id if self.decision else None,
            "provider": self.decision.model.provider if self.decision else None,
            "candidates": list(self.decision.candidates) if self.decision else [],
            "considered": {pool: list(models) for pool, models in self.considered.items()},
            "dropped": [attrs.asdict(drop) for drop in self.dropped],
            "stages": list(self.stages),
            "estimated_cost": known,
            "timings_us": {stage: round(seconds * 1e6, 1) for stage, seconds in self.timings.items()},
            "error": str(self.error) if self.error else None,
        }


class Router:
    """Routes requests. One mesh has one; the client and the gateway both call it."""

    def __init__(
        self,
        pipeline: RoutingPipeline,
        pools: Mapping[str, CapabilityPool],
        providers: Mapping[str, ProviderService],
        states: LiveStates,
        accounting: Accounting,
        clock: Clock,
        random: Random,
    ) -> None:
        self.pipeline = pipeline
        self.pools = pools
        self.providers = providers
        self.states = states
        self.accounting = accounting
        self.clock = clock
        self.random = random
        self.retry_budgets = {name: retry_budget(pool.settings.retry) for name, pool in pools.items()}
        self.hedge_budgets = {name: hedge_budget(pool.settings.hedge) for name, pool in pools.items()}
        self.resources = Resources(self)
        """What providers keep: files, batches, stored answers."""
        self.in_flight = 0
        self.propagates = False
        """Whether providers are told of the trace that a request belongs to."""

    def allowances_of(self, request: Request) -> tuple[Allowance, ...]:
        """What binds the caller, whatever the model: the limits of its key."""
        limits = request.key_limits
        if limits is None or request.key is None or (limits.quota is None and limits.budget is None):
            return ()
        return self.states.ledger.allowances_of_key(request.key, limits)

    # --- deciding ----------------------------------------------------------------------------------------------------

    def context(
        self,
        request: Request,
        requirements: RequestRequirements | None = None,
        attempts: Sequence[FailedAttempt] = (),
        excluded: Mapping[str, str] | None = None,
    ) -> RoutingContext:
        """A context for one decision, at the clock's present."""
        needs: Any = requirements or RequestRequirements(request)  # its cached properties are properties to readers
        # By place: names would double what it costs to make one, and every request does.
        return RoutingContext(request, needs, self.clock.now(), self.random, needs.cost, attempts, excluded)

    def route(self, capability: str, options: Mapping[str, Any] | None = None) -> RoutingDecision:
        """Which model would serve ``capability`` now. Calls nobody, changes nothing.

        ``options``: ``operation``, ``delivery``, ``body``, ``session_id``. Raises as ``complete`` would.
        """
        options = options or {}
        request = Request(
            Operation(options.get("operation", self.operation_for(capability))),
            capability,
            cast(dict[str, Any], options.get("body", {})),
            Delivery(options.get("delivery", Delivery.SYNCHRONOUS)),
            session_id=options.get("session_id"),
        )
        with self.states.lock:
            return self.pipeline.execute(self.context(request))

    def operation_for(self, name: str) -> Operation:
        """The operation that most members of the named pool or capability are for."""
        request = Request(Operation.CHAT, name, {})
        for pool_id in self.pipeline.resolve(self.context(request)):
            for member in self.pools[pool_id].members.values():
                operations = member.definition.operations
                return Operation.CHAT if Operation.CHAT in operations else next(iter(operations))
        return Operation.CHAT

    def explain(self, request: Request) -> Explanation:
        """Each stage, each candidate, why it stayed or went, and what it would cost. Calls nobody."""
        timings: dict[str, float] = {}
        decision: RoutingDecision | None = None
        failure: ModelMeshError | None = None
        with self.states.lock:
            context = self.context(request)
            context.random = Random(0)  # an explanation must not advance the mesh's own sequence
            try:
                decision = self.pipeline.execute(context, timings)
            except ModelMeshError as error:
                failure = error
            pools = decision.pools if decision else self._resolved(request)
            considered = {pool: tuple(self.pools[pool].members) for pool in pools}
            models = {m.model.id: m.definition for pool in pools for m in self.pools[pool].members.values()}
            costs = {model: context.estimate_cost(definition) for model, definition in models.items()}
        return Explanation(
            request.model,
            tuple(pools),
            decision,
            failure,
            tuple(self.pipeline.get_stages()),
            considered,
            tuple(context.drops),
            costs,
            timings,
        )

    def _resolved(self, request: Request) -> tuple[str, ...]:
        try:
            return tuple(self.pipeline.resolve(self.context(request)))
        except CapabilityNotFoundError:
            return ()

    def get_pool(self, name: str) -> CapabilityPool:
        """The pool of that id. Raises CapabilityNotFoundError."""
        if name not in self.pools:
            raise CapabilityNotFoundError(f"no pool is named {name!r}.", hint=f"There are {', '.join(self.pools)}.")
        return self.pools[name]

    def list_pools(self) -> list[CapabilityPool]:
        return list(self.pools.values())

    # --- doing -------------------------------------------------------------------------------------------------------

    async def complete(self, request: Request) -> Completion:
        """A whole answer.

        Raises ProviderError for what is the caller's to mend, CapabilityNotFoundError and NoActiveModelError when
        nobody was asked, AllProvidersExhaustedError when everybody who was asked failed.
        """
        run: Run[Reply] = Run(self, self._identified(request))
        reply = await run.until_answered(_ask)
        run.succeeded(reply.usage, reply.headroom, reply.body)
        if run.attempt.reservation.kept:
            await run.kept()
        return Completion(reply, run.record)

    async def stream(self, request: Request) -> StreamingReply:
        """A streamed answer, from its first content on. Raises as ``complete`` does until then."""
        request.delivery = Delivery.STREAMING
        return await StreamRun(self, self._identified(request)).stream()

    async def batch(self, requests: Iterable[Request], *, concurrency: int = 8) -> list[Completion | ModelMeshError]:
        """Many requests, ``concurrency`` at a time; the answers, or each one's error, in order."""
        gate = asyncio.Semaphore(concurrency)

        async def one(request: Request) -> Completion | ModelMeshError:
            async with gate:
                try:
                    return await self.complete(request)
                except ModelMeshError as error:
                    return error

        return list(await asyncio.gather(*(one(request) for request in requests)))

    def _identified(self, request: Request) -> Request:
        if not request.id:
            request.id = f"req_{_ids.getrandbits(128):032x}"
        return request


def _ask(attempt: Attempt, call: ProviderCall, left: float) -> Coroutine[Any, Any, Reply]:
    answer: Any = attempt.service.execute(call, left)
    return answer  # what is not asked to stream gives no EventSource
