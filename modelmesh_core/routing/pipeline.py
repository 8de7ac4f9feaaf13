"""RoutingPipeline: ordered stages, each a hook, each replaceable, ending in one model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import NamedTuple

import attrs

from ..errors import ModelMeshError, PermissionDeniedError
from ..interfaces.routing import Candidate, RoutingContext
from ..pools import CapabilityPool
from ..registry import HookRelay
from .decision import KEY, RoutingDecision, nobody_left
from .shortlist import LASTING, Shortlist, Shortlists

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
FILTERS = (*LASTING, "filter_state")


class _Filters(NamedTuple):
    """The filters of one pool, by their names, as its relay calls them."""

    lasting: Sequence[tuple[str, Callable[..., Sequence[Candidate]]]]
    """The first ones, as far as their outcome is the same for every request of a kind."""
    rest: Sequence[tuple[str, Callable[..., Sequence[Candidate]]]]


class RoutingPipeline:
    """Resolve a name to pools, take one, filter its candidates, choose. Called anew for each attempt."""

    def __init__(self, relay: HookRelay, pools: Mapping[str, CapabilityPool]) -> None:
        self._relay = relay
        self._pools = pools
        self._stages = [Stage(name) for name in FILTERS]
        self._filters: dict[str, _Filters] = {}
        """Pool → its filters, once they were asked for."""
        self._shortlists: Shortlists | None = None
        """None where a plugin resolves names or selects pools."""
        self._forget()

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
        self._forget()

    def remove_stage(self, name: str) -> None:
        """Remove a filter. The stages that resolve and select can be replaced by a plugin, but not removed."""
        kept = [stage for stage in self._stages if stage.name != name]
        if len(kept) == len(self._stages):
            raise ValueError(f"no filter is named {name!r}; the filters are {', '.join(s.name for s in self._stages)}")
        self._stages = kept
        self._forget()

    def _forget(self) -> None:
        """Prepare the filters anew. Whoever prepares or decides meanwhile fills the old ones."""
        self._filters = {}
        is_own = all(self._relay.implementations(stage) == 1 for stage in FIRST)
        self._shortlists = Shortlists() if is_own else None

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
        shortlists = self._shortlists
        known = shortlists.find(context) if shortlists is not None and timings is None else None
        pools = known.pools if known is not None else self._resolved(context, timings)
        left = pools if known is not None else [pool for pool in pools if pool in self._pools]
        tried: list[str] = []
        while left:
            pool = known.pool if known is not None else self._select_pool(context, left)
            tried.append(pool.id)
            try:
                decision = self._in_pool(context, pool, pools, timings, known, None if len(tried) > 1 else shortlists)
            except ModelMeshError:
                raise
            except Exception as error:
                raise pool.relay.failure(context.stage, error) from error
            if decision is not None:
                return decision
            known = None
            left = [other for other in left if other != pool.id]
            if pool.id == context.named_pool or pool.settings.on_exhausted == "error":
                break
        raise nobody_left(context, [self._pools[pool] for pool in tried])

    def _resolved(self, context: RoutingContext, timings: dict[str, float] | None) -> tuple[str, ...]:
        """The pools, best first, that the caller's key may ask."""
        started = perf_counter()
        pools = self.resolve(context)
        if timings is not None:
            timings[FIRST[0]] = perf_counter() - started
        limits = context.request.key_limits
        if limits is not None and limits.narrows:
            pools = _permitted(context, pools)
        return tuple(pools)

    def _select_pool(self, context: RoutingContext, left: Sequence[str]) -> CapabilityPool:
        context.stage = FIRST[1]
        try:
            return self._pools[self._relay.call.select_pool(context=context, pools=left)]
        except ModelMeshError:
            raise
        except Exception as error:
            raise self._relay.failure(context.stage, error) from error

    def _in_pool(
        self,
        context: RoutingContext,
        pool: CapabilityPool,
        pools: tuple[str, ...],
        timings: dict[str, float] | None,
        known: Shortlist | None,
        shortlists: Shortlists | None,
    ) -> RoutingDecision | None:
        """The decision for a model of ``pool``, None if nobody is left. ``known`` is of this pool."""
        context.pool = pool.view()
        filters = self._filters.get(pool.id) or self._prepare(pool)
        if known is None:
            everybody = self._everybody(context, pool)
            lasting = self._filtered(context, everybody, filters.lasting, timings)
            if shortlists is not None and lasting:
                shortlists.keep(context, pools, pool, everybody, lasting)
        else:
            lasting = known.candidates(context)
        candidates = self._filtered(context, lasting, filters.rest, timings)
        if not candidates:
            return None
        context.stage = LAST
        started = perf_counter() if timings is not None else 0.0
        chosen: Candidate | None = pool.relay.call.select_model(context=context, candidates=candidates)
        if timings is not None:
            _timed(timings, LAST, started)
        if chosen is None:
            for candidate in candidates:
                context.drop(candidate, "the strategy found nothing to choose, and its fallback is error")
            return None
        members = context.pool.members
        return RoutingDecision(
            context.request.id,
            context.request.model,
            pools,
            pool.id,
            chosen.model,
            members if len(candidates) == len(members) else tuple([candidate.model.id for candidate in candidates]),
            tuple(context.drops),
            context.estimate_cost,
            context.delay,
            context.queue,
        )

    def _everybody(self, context: RoutingContext, pool: CapabilityPool) -> Sequence[Candidate]:
        """The candidates of ``pool`` that may answer the caller's key."""
        candidates = pool.candidates(context)
        limits = context.request.key_limits
        return _allowed(context, candidates) if limits is not None and limits.models else candidates

    def _filtered(
        self,
        context: RoutingContext,
        candidates: Sequence[Candidate],
        filters: Sequence[tuple[str, Callable[..., Sequence[Candidate]]]],
        timings: dict[str, float] | None,
    ) -> Sequence[Candidate]:
        """Those whom all ``filters`` keep."""
        started = perf_counter() if timings is not None else 0.0
        for name, run in filters:
            if not candidates:
                break
            context.stage = name
            kept = run(context=context, candidates=candidates)
            if timings is not None:
                started = _timed(timings, name, started)
            if len(kept) != len(candidates):
                self._explain_silent_drops(context, candidates, kept)
            candidates = kept
        return candidates

    def _prepare(self, pool: CapabilityPool) -> _Filters:
        relay, filters = pool.relay, self._filters
        every = [
            (stage.name, getattr(relay.call, stage.name) if stage.run is None else _named(stage.run))
            for stage in self._stages
        ]
        lasting = 0
        for stage in self._stages:
            if stage.run is not None or stage.name not in LASTING or relay.implementations(stage.name) > 1:
                break
            lasting += 1
        found = filters[pool.id] = _Filters(every[:lasting], every[lasting:])
        return found

    def _explain_silent_drops(
        self, context: RoutingContext, before: Sequence[Candidate], kept: Sequence[Candidate]
    ) -> None:
        explained = {drop.model for drop in context.drops if drop.stage == context.stage}
        ids = {candidate.id for candidate in kept}
        for candidate in before:
            if candidate.id not in ids and candidate.id not in explained:
                context.drop(candidate, f"a plugin's {context.stage} left it out")


def _named(run: Filter) -> Callable[..., Sequence[Candidate]]:
    """A filter, to be called as hooks are: by the names of its arguments, which are a stranger's to choose."""

    def call(context: RoutingContext, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        return run(context, candidates)

    return call


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
