"""CapabilityPool: members, where each stands, and the policy that moves them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .catalogue.definitions import ModelDefinition
from .interfaces.routing import (
    Candidate,
    Deactivation,
    FailedAttempt,
    LiveModel,
    ModelSnapshot,
    PoolView,
    Reason,
    RoutingContext,
    Status,
)
from .members import Member, UsedUp
from .registry import HookRelay
from .settings import PoolSettings
from .state.allowances import Allowance
from .state.models import LiveStates, Model
from .state.standby import Standing
from .values import Clock

logger = logging.getLogger("modelmesh.pools")

Emit = Callable[[str, Mapping[str, Any]], None]
"""Takes an event's name and data; never blocks."""

_NEVER = float("inf")


class CapabilityPool:
    """A group of interchangeable models for one capability, and the policy that rotates among them.

    Active and standby are per (pool, model): a model may rest here and serve elsewhere.
    """

    def __init__(
        self,
        settings: PoolSettings,
        *,
        node: str | None,
        relay: HookRelay,
        states: LiveStates,
        clock: Clock,
        emit: Emit,
        guards: Mapping[str, tuple[Allowance, ...]] | None = None,
        is_predefined: bool = False,
    ) -> None:
        self.id = settings.id
        self.settings = settings
        self.node = node
        """Full path in the capability tree; None for a pool of explicit models only."""
        self.relay = relay
        self.states = states
        self._clock = clock
        self.is_predefined = is_predefined
        self._guards = guards or {}
        """Provider → what all its models, and all models of this pool, share; under "" for the other providers."""
        self._emit = emit
        self.members: dict[str, Member] = {}
        """By full model id, in pool order. Changed here only."""
        self._ids: tuple[str, ...] = ()
        self._at: dict[str, frozenset[str]] = {}
        self._next_change = 0.0
        self._view: PoolView | None = None
        limits = settings.deactivation
        self.has_usage_limits = not (limits.request_limit is limits.token_limit is limits.budget_limit is None)
        self.judges_successes = self.has_usage_limits or relay.implementations("evaluate_deactivation") > 1
        """Whether a success can put a model on standby: by a usage limit, or by a plugin's judgement."""
        self._check_maintenance = settings.deactivation.maintenance_window is not None
        self.current_model: str | None = None
        self.last_selected: str | None = None

    # --- membership --------------------------------------------------------------------------------------------------

    def wants(self, model: ModelDefinition) -> bool:
        """Whether the settings make ``model`` a member."""
        settings = self.settings
        if model.provider in settings.excluded_providers or (
            settings.providers and model.provider not in settings.providers
        ):
            return False
        if model.id in settings.models:
            return True
        if self.node is None or (settings.models and settings.capability is None):
            return False
        below = self.node + "."
        return any(path == self.node or path.startswith(below) for path in model.capabilities)

    def follow(self, definitions: Iterable[ModelDefinition]) -> None:
        """Take the members from the registry: explicit ones first, in their order, then registration order."""
        wanted = {model.id: model for model in definitions if self.wants(model)}
        listed = [model for model in self.settings.models if model in wanted]
        ordered = dict.fromkeys([*listed, *wanted])
        with self.states.lock:
            before = set(self.members)
            self.members = {model: self._member(wanted[model], place) for place, model in enumerate(ordered)}
            for member in self.members.values():
                if member.is_limited:
                    member.allowances()  # known to the ledger from the start, with what others have used
            self._membership_changed(before)

    def _member(self, definition: ModelDefinition, order: int) -> Member:
        member = self.members.get(definition.id)
        if member is None or member.definition is not definition:
            fresh = Member(Model(definition, self.states), self, order)
            if member is not None:
                fresh.standing = member.standing
            member = fresh
        member.order = order
        return member

    def _membership_changed(self, before: set[str]) -> None:
        self._ids = tuple(self.members)
        self.states.membership += 1
        self._view = None
        self._at.clear()
        after = set(self.members)
        if before and before != after:
            self._emit(
                "pool_membership_changed",
                {"pool": self.id, "added": sorted(after - before), "removed": sorted(before - after)},
            )

    def add_model(self, definition: ModelDefinition) -> None:
        """Add a member by hand, at the end of the pool order."""
        with self.states.lock:
            before = set(self.members)
            self.members[definition.id] = self._member(definition, len(self.members))
            self._membership_changed(before)

    def remove_model(self, model_id: str) -> None:
        """Take a member out by hand. Unknown ids are no error: it is gone either way."""
        with self.states.lock:
            before = set(self.members)
            if self.members.pop(model_id, None) is not None:
                for order, member in enumerate(self.members.values()):
                    member.order = order
                self._membership_changed(before)

    def members_at(self, path: str) -> frozenset[str]:
        """Ids of the members that have the capability ``path`` (or something below it)."""
        found = self._at.get(path)
        if found is None:
            below = path + "."
            found = self._at[path] = frozenset(
                member.model.id
                for member in self.members.values()
                if any(own == path or own.startswith(below) for own in member.definition.capabilities)
                or member.model.id in self.settings.models
            )
        return found

    # --- what decisions see ------------------------------------------------------------------------------------------

    def view(self) -> PoolView:
        """The pool as it is now; the same object as before when nothing has changed."""
        view = self._view
        if view is None or view.last_selected != self.last_selected or view.current_model != self.current_model:
            view = self._view = PoolView(self.id, self.settings, self.current_model, self.last_selected, self._ids)
        return view

    def candidates(self, context: RoutingContext) -> list[Candidate]:
        """A candidate for every member that this request may use, in pool order."""
        members = self.members_for(context)
        path = context.capability
        if path is not None and path != self.node:
            at = self.members_at(path)
            if len(at) < len(self.members):
                members = [member for member in members if member.model.id in at]
        return self.candidates_of(members, context)

    def candidates_of(self, members: Iterable[Member], context: RoutingContext) -> list[Candidate]:
        """A candidate for each of ``members``, who are some of the pool's."""
        now = context.now
        if now >= self._next_change:
            self.refresh(now)
        if not self._guards:
            return [Candidate(context, member.definition, member, member.order) for member in members]
        live = self._guarded(now)
        return [Candidate(context, member.definition, live(member), member.order) for member in members]

    def guards_of(self, member: Member) -> tuple[Allowance, ...]:
        """What ``member`` shares with others: what its provider, and what this pool, may use in all."""
        guards = self._guards
        return (guards.get(member.definition.provider) or guards.get("", ())) if guards else ()

    def _guarded(self, now: float) -> Callable[[Member], LiveModel]:
        """What tells the state of a member: none is available whose provider or pool has nothing left."""
        reached = {
            provider: [one for guard in guards if (one := guard.used_up(now)) is not None]
            for provider, guards in self._guards.items()
        }
        others = reached.get("", [])

        def guarded(member: Member) -> LiveModel:
            for limit in reached.get(member.definition.provider, others):
                if member.is_priced or not limit.is_budget:
                    return UsedUp(member, limit)
            return member

        return guarded

    def members_for(self, context: RoutingContext) -> Iterable[Member]:
        """The members that this request may use, in pool order."""
        return self.members.values()

    def select(self, context: RoutingContext, candidates: list[Candidate]) -> Candidate | None:
        """What the pool's strategy chooses among ``candidates``; changes nothing."""
        return self.relay.call.select_model(context=context, candidates=candidates)

    def commit(self, model_id: str, now: float) -> bool:
        """Note that ``model_id`` was chosen: for strategies that stay or take turns, and for half-open probes.

        Returns whether this request is its probe.
        """
        self.last_selected = model_id
        standing = self.members[model_id].standing
        if standing.reason is None and self.current_model == model_id:
            return False
        status = standing.status(now)
        if self.current_model != model_id or status is not Status.ACTIVE:
            current = self.members.get(self.current_model) if self.current_model else None
            if current is None or current.standing.status(now) is not Status.ACTIVE:
                self.current_model = model_id
        if status is not Status.HALF_OPEN:
            return False
        standing.probe_in_flight = True
        standing.version += 1
        return True

    # --- standby -----------------------------------------------------------------------------------------------------

    def refresh(self, now: float) -> None:
        """Let every deadline that has passed take effect. Cheap when none has."""
        with self.states.lock:
            if self._check_maintenance:
                self._begin_maintenance(now)
            deadlines = [_NEVER]
            for member in self.members.values():
                standing = member.standing
                if standing.until is not None and now >= standing.until:
                    self._let_back(member, now)
                if standing.until is not None and now < standing.until:
                    deadlines.append(standing.until)
            self._next_change = min(deadlines)
            if self._check_maintenance:
                self._next_change = min(self._next_change, now // 60 * 60 + 60)

    def _let_back(self, member: Member, now: float) -> None:
        allowed = self._ask("evaluate_recovery", snapshot=member.snapshot(now), settings=self.settings, now=now)
        if not allowed:
            member.standing.until = now + 1.0  # asked again then; a hook may hold it as long as it likes
            member.standing.version += 1
        elif not member.standing.needs_probe:
            self._activate(member, "its deadline has passed")

    def _begin_maintenance(self, now: float) -> None:
        for member in self.members.values():
            if member.standing.reason is not Reason.MAINTENANCE:
                self.evaluate(member, None, now)

    def evaluate(self, member: Member, failed: FailedAttempt | None, now: float) -> Deactivation | None:
        """Ask whether ``member`` goes on standby, and put it there if so."""
        deactivation: Deactivation | None = self._ask(
            "evaluate_deactivation", snapshot=member.snapshot(now), settings=self.settings, failed=failed, now=now
        )
        if deactivation is not None:
            self.put_on_standby(member, deactivation, now)
        return deactivation

    def _ask(self, hook_name: str, **arguments: Any) -> Any:
        """A hook's answer; None if a plugin fails in it: what it judges must not cost a caller the answer that came."""
        try:
            return getattr(self.relay.call, hook_name)(**arguments)
        except Exception as error:
            logger.error("%s", self.relay.failure(hook_name, error))
            return None

    def put_on_standby(self, member: Member, deactivation: Deactivation, now: float) -> None:
        with self.states.lock:
            newly = member.standing.deactivate(deactivation, now)
            until = member.standing.until
            if until is not None:
                self._next_change = min(self._next_change, until)
        if newly:
            self._emit(
                "model_deactivated",
                {
                    "pool": self.id,
                    "model": member.model.id,
                    "provider": member.definition.provider,
                    "reason": deactivation.reason.value,
                    "until": until,
                    "detail": deactivation.detail,
                },
            )

    def probe_succeeded(self, member: Member) -> None:
        """A success of a half-open model: it is active again."""
        if member.standing.reason is not None and member.standing.needs_probe:
            self._activate(member, "its probe succeeded")

    def probe_ended(self, member: Member) -> None:
        """A probe ended without a verdict (cancelled, or the caller's own fault): another may go."""
        if member.standing.probe_in_flight:
            member.standing.probe_in_flight = False
            member.standing.version += 1

    def _activate(self, member: Member, why: str) -> None:
        with self.states.lock:
            reason = member.standing.reason
            changed = member.standing.activate()
            state = member.model.state
            if state is not None and reason in (Reason.ERROR, Reason.AUTH, Reason.MODEL_NOT_FOUND, Reason.MANUAL):
                state.health.reset()
        if changed:
            self._emit(
                "model_activated",
                {
                    "pool": self.id,
                    "model": member.model.id,
                    "provider": member.definition.provider,
                    "reason": reason.value if reason else None,
                    "detail": why,
                },
            )

    def deactivate(self, model_id: str, reason: str = "") -> None:
        """Put a member on standby by hand; only ``recover`` brings it back. Raises KeyError if it is no member."""
        self.put_on_standby(self.members[model_id], Deactivation(Reason.MANUAL, None, reason), self._clock.now())

    def hear(self, standby: Mapping[str, Any], now: float) -> None:
        """Another process has these models on standby (as ``Standing.export`` gives them): so they are here, too."""
        for model, saved in standby.items():
            member = self.members.get(model)
            told = Standing.heard(saved) if member is not None else None
            if member is None or told is None or told.until is None or told.until <= now:
                continue
            if member.standing.reason is None:
                self.put_on_standby(member, told, now)

    def recover(self, model_id: str) -> None:
        """Bring a member back by hand, whatever the reason. Raises KeyError if it is no member."""
        self._activate(self.members[model_id], "by hand")

    def get_active_models(self) -> list[str]:
        """Full ids, in pool order."""
        now = self._clock.now()
        self.refresh(now)
        return [m.model.id for m in self.members.values() if m.standing.status(now) is Status.ACTIVE]

    def get_standby_models(self) -> list[str]:
        """Full ids, in pool order; half-open ones included."""
        now = self._clock.now()
        self.refresh(now)
        return [m.model.id for m in self.members.values() if m.standing.status(now) is not Status.ACTIVE]

    def get_state(self) -> list[ModelSnapshot]:
        """A snapshot of every member, in pool order."""
        now = self._clock.now()
        self.refresh(now)
        live = self._guarded(now)
        return [live(member).snapshot(now) for member in self.members.values()]

    # --- persistence -------------------------------------------------------------------------------------------------

    def export(self) -> dict[str, Any]:
        standings = {member.model.id: member.standing.export() for member in self.members.values()}
        return {
            "current_model": self.current_model,
            "last_selected": self.last_selected,
            "standby": {model: standing for model, standing in standings.items() if standing is not None},
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take up what ``export`` gave; members that are gone are passed over."""
        with self.states.lock:
            self.current_model = saved.get("current_model")
            self.last_selected = saved.get("last_selected")
            for model, standing in saved.get("standby", {}).items():
                if model in self.members:
                    self.members[model].standing.restore(standing)
            self._next_change = 0.0
