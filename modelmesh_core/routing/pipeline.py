"""RoutingPipeline: ordered stages, each a hook, each replaceable, ending in one model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import NamedTuple

import attrs

from ..catalogue.definitions import ModelDefinition
from ..errors import ModelMeshError, NoActiveModelError, PermissionDeniedError
from ..interfaces.routing import Candidate, Drop, RoutingContext
from ..pools import CapabilityPool
from ..registry import HookRelay

Filter = Callable[[RoutingContext, Sequence[Candidate]], Sequence[Candidate]]


@attrs.frozen
class Stage:
    """One stage of the pipeline. A stage of your own is a filter: ``run`` takes the context and the candidates left,
    and returns those it keeps (calling ``context.drop`` for the others)."""

    name: str
    run: Filter | None = None
    """None for the built-in stages, which are hooks."""


FIRST = ("resolve_capability", "select_pool")
LAST = "select_model"
_LASTING = ("filter_delivery", "filter_requirements")
KEY = "key"
"""Stage of the drops that a caller's key brings about. No hook: a plugin cannot let anybody in."""
FILTERS = ("filter_delivery", "filter_requirements", "filter_state")


class RoutingDecision(NamedTuple):
    """What the pipeline decided for one attempt, and why."""

    request_id: str
    requested: str
    """What the caller named."""
    pools: tuple[str, ...]
    """Every pool that was resolved, best first."""
    pool: str
    """The one that was taken."""
    model: ModelDefinition
    candidates: tuple[str, ...]
    """Full ids that were left for the last stage, in pool order."""
    drops: tuple[Drop, ...]
    """Who was left out, at which stage, and why."""
    estimate: Callable[[ModelDefinition], float]
    """USD that the request is expected to cost at a model."""
    delay: float = 0.0
    """Seconds to wait before the attempt, as the strategy asked."""
    decide_again: bool = False
    """Whether to decide anew after that wait."""

    @property
    def estimated_cost(self) -> float:
        """USD that the request is expected to cost; infinite where no price is known."""
        return self.estimate(self.model)


class RoutingPipeline:
    """Resolve a name to pools, take one, filter its candidates, choose. Called anew for each attempt."""

    def __init__(self, relay: HookRelay, pools: Mapping[str, CapabilityPool]) -> None:
        self._relay = relay
        self._pools = pools
        self._stages = [Stage(name) for name in FILTERS]
        self._filters: dict[str, list[tuple[str, Callable[..., Sequence[Candidate]]]]] = {}
        """Pool → its filters, once they were asked for."""

    def get_stages(self) -> list[str]:
        """Names of all stages, in order."""
        return [*FIRST, *(stage.name for stage in self._stages), LAST]

    def add_stage(self, stage: Stage, *, before: str | None = None, after: str | None = None) -> None:
        """Insert a filter before or after a named stage (by default just before ``select_model``)."""
        names = [own.name for own in self._stages]
        if stage.name in self.get_stages():
            raise ValueError(f"there is a stage named {stage.name!r} already")
        if stage.run is None and stage.name not in FILTERS:
            raise ValueError(f"stage {stage.name!r} has nothing to run")
        place = len(names)
        anchor = before or after
        if anchor in FIRST and before is None:
            place = 0
        elif anchor in names:
            place = names.index(anchor) + (0 if before is not None else 1)
        elif anchor is not None and (anchor != LAST or before is None):
            raise ValueError(f"no filter can stand there; the stages are {', '.join(self.get_stages())}")
        self._stages = [*self._stages[:place], stage, *self._stages[place:]]
        self._filters = {}  # a new one: whoever prepares meanwhile fills the old

    def remove_stage(self, name: str) -> None:
        """Remove a filter. The stages that resolve and select can be replaced by a plugin, but not removed."""
        kept = [stage for stage in self._stages if stage.name != name]
        if len(kept) == len(self._stages):
            raise ValueError(f"no filter is named {name!r}; the filters are {', '.join(s.name for s in self._stages)}")
        self._stages = kept
        self._filters = {}

    def resolve(self, context: RoutingContext) -> Sequence[str]:
        """The pools for the name that was asked for, best first. Raises CapabilityNotFoundError."""
        context.stage = FIRST[0]
        try:
            return self._relay.call.resolve_capability(context=context, name=context.request.model)
        except ModelMeshError:
            raise
        except Exception as error:
            raise self._relay.failure(context.stage, error) from error

    def execute(self, context: RoutingContext, timings: dict[str, float] | None = None) -> RoutingDecision:
        """Decide. Raises CapabilityNotFoundError for an unknown name, NoActiveModelError when nobody is left.

        ``timings``, if given, gets the seconds that each stage took.
        """
        started = perf_counter()
        pools = self.resolve(context)
        if timings is not None:
            timings[FIRST[0]] = perf_counter() - started
        limits = context.request.key_limits
        if limits is not None and limits.narrows:
            pools = _permitted(context, pools)
        left = [pool for pool in pools if pool in self._pools]
        tried: list[str] = []
        while left:
            pool = self._select_pool(context, left)
            tried.append(pool.id)
            try:
                decision = self._in_pool(context, pool, tuple(pools), timings)
            except ModelMeshError:
                raise
            except Exception as error:
                raise pool.relay.failure(context.stage, error) from error
            if decision is not None:
                return decision
            left.remove(pool.id)
            if pool.id == context.named_pool or pool.settings.on_exhausted == "error":
                break
        raise self._nobody(context, tried)

    def _select_pool(self, context: RoutingContext, left: Sequence[str]) -> CapabilityPool:
        context.stage = FIRST[1]
        try:
            return self._pools[self._relay.call.select_pool(context=context, pools=left)]
        except ModelMeshError:
            raise
        except Exception as error:
            raise self._relay.failure(context.stage, error) from error

    def _in_pool(
        self, context: RoutingContext, pool: CapabilityPool, pools: tuple[str, ...], timings: dict[str, float] | None
    ) -> RoutingDecision | None:
        context.pool = pool.view()
        candidates: Sequence[Candidate] = pool.candidates(context)
        limits = context.request.key_limits
        if limits is not None and limits.models:
            candidates = _allowed(context, candidates)
        if not candidates:
            return None
        started = perf_counter() if timings is not None else 0.0
        for name, run in self._filters.get(pool.id) or self._prepare(pool):
            context.stage = name
            kept = run(context=context, candidates=candidates)
            if timings is not None:
                started = _timed(timings, name, started)
            if len(kept) != len(candidates):
                self._explain_silent_drops(context, candidates, kept)
                if not kept:
                    return None
            candidates = kept
        context.stage = LAST
        chosen: Candidate | None = pool.relay.call.select_model(context=context, candidates=candidates)
        if timings is not None:
            _timed(timings, LAST, started)
        if chosen is None:
            for candidate in candidates:
                context.drop(candidate, "the strategy found nothing to choose, and its fallback is error")
            return None
        return RoutingDecision(
            context.request.id,
            context.request.model,
            pools,
            pool.id,
            chosen.model,
            _ids_of(candidates, context.pool.members),
            tuple(context.drops),
            context.estimate_cost,
            context.delay,
            context.queue,
        )

    def _prepare(self, pool: CapabilityPool) -> list[tuple[str, Callable[..., Sequence[Candidate]]]]:
        """The filters of a pool, by their names, as its relay calls them."""
        call, filters = pool.relay.call, self._filters
        found = filters[pool.id] = [
            (stage.name, getattr(call, stage.name) if stage.run is None else _named(stage.run))
            for stage in self._stages
        ]
        return found

    def _explain_silent_drops(
        self, context: RoutingContext, before: Sequence[Candidate], kept: Sequence[Candidate]
    ) -> None:
        explained = {drop.model for drop in context.drops if drop.stage == context.stage}
        ids = {candidate.id for candidate in kept}
        for candidate in before:
            if candidate.id not in ids and candidate.id not in explained:
                context.drop(candidate, f"a plugin's {context.stage} left it out")

    def _nobody(self, context: RoutingContext, tried: Sequence[str]) -> NoActiveModelError:
        waits: list[float] = []
        used_up: set[str] = set()
        for pool_id in tried:
            for snapshot in self._pools[pool_id].get_state():
                if snapshot.until is not None and snapshot.until > context.now:
                    waits.append(snapshot.until - context.now)
                if snapshot.exhausted is not None and snapshot.deactivation_reason is None:
                    used_up.add(snapshot.model)
        if context.drops and all(drop.stage == KEY for drop in context.drops):
            raise PermissionDeniedError(
                f"the key {context.request.key!r} may not use any model that serves {context.request.model!r}.",
                hint="`GET /v1/models` lists what it may use.",
            )
        dropped = {drop.model: drop.reason for drop in context.drops}
        reasons = "; ".join(f"{model} {reason}" for model, reason in dropped.items()) or "its pools have no members"
        retry_after = min(waits) if waits else None
        back = f" The first may be back in {retry_after:.0f} s." if retry_after is not None else ""
        error = NoActiveModelError(
            f"no model can serve {context.request.model!r} now: {reasons}.{back}",
            hint="`modelmesh explain` shows each stage; `modelmesh pools` shows who is on standby.",
            retry_after=retry_after,
            dropped=dropped,
        )
        if context.drops and all(drop.stage in _LASTING for drop in context.drops) and not context.excluded:
            # Waiting changes nothing: the caller asks for what none of these models can do.
            error.status_code, error.error_type = 400, "invalid_request_error"
        elif used_up.issuperset(dropped) and dropped:
            error.status_code, error.error_type = 429, "insufficient_quota"
        return error


def _named(run: Filter) -> Callable[..., Sequence[Candidate]]:
    """A filter, to be called as hooks are: by the names of its arguments, which are a stranger's to choose."""

    def call(context: RoutingContext, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        return run(context, candidates)

    return call


def _ids_of(candidates: Sequence[Candidate], members: tuple[str, ...]) -> tuple[str, ...]:
    """Full ids of ``candidates``, who are some of ``members`` or all of them."""
    return members if len(candidates) == len(members) else tuple([candidate.model.id for candidate in candidates])


def _timed(timings: dict[str, float], stage: str, started: float) -> float:
    """Note what ``stage`` took since ``started``; now."""
    now = perf_counter()
    timings[stage] = timings.get(stage, 0.0) + now - started
    return now


def _permitted(context: RoutingContext, pools: Sequence[str]) -> Sequence[str]:
    """Those of ``pools`` that the caller's key may ask. Raises PermissionDeniedError if it may ask none."""
    request, limits = context.request, context.request.key_limits
    assert limits is not None
    left = [pool for pool in pools if pool in limits.pools] if limits.pools else pools
    is_out = context.named_pool is not None and context.named_pool not in left
    if is_out or not left or not (context.pinned_model is None or limits.allows_model(context.pinned_model)):
        raise PermissionDeniedError(
            f"the key {request.key!r} may not ask for {request.model!r}.",
            hint="`GET /v1/models` lists what it may ask for.",
        )
    return left


def _allowed(context: RoutingContext, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
    """Those of ``candidates`` that may answer the caller's key."""
    limits, context.stage = context.request.key_limits, KEY
    kept: list[Candidate] = []
    for candidate in candidates:
        if limits is None or limits.allows_model(candidate.id):
            kept.append(candidate)
        else:
            context.drop(candidate, "is not open to the caller's key")
    return kept
