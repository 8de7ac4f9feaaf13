"""The core's own implementation of each pipeline stage: pure functions of a request, snapshots and a clock reading."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ..capabilities import CapabilityTree
from ..catalogue import Constraints, ModelDefinition, ModelRegistry
from ..catalogue.definitions import UNCONSTRAINED
from ..errors import CapabilityNotFoundError
from ..interfaces.routing import (
    Candidate,
    Requirements,
    RoutingContext,
    Status,
    hookimpl,
)
from ..pools import CapabilityPool
from ..wire.messages import NAMES
from .unlisted import UnlistedModels


class CapabilityResolver:
    """A name → the pools that serve it, best first.

    In order: the pool of that id; pools at that node; pools at ancestors, nearest first; pools at descendants,
    breadth first. Ties by ``priority`` (higher first), then configuration order. A pinned model resolves to the pools
    that hold it.
    """

    def __init__(
        self,
        tree: CapabilityTree,
        pools: Mapping[str, CapabilityPool],
        registry: ModelRegistry,
        *,
        allow_pinned_models: bool = True,
        unlisted: UnlistedModels | None = None,
    ) -> None:
        """``unlisted`` takes the names that mean nothing else."""
        self._tree = tree
        self._pools = pools
        self._registry = registry
        self._allow_pinned_models = allow_pinned_models
        self._unlisted = unlisted if allow_pinned_models else None
        self._known: dict[str, tuple[list[str], str | None]] = {}
        registry.subscribe(self._known.clear)

    def resolve(self, name: str) -> list[str]:
        """Ids of the pools that serve ``name``. Raises CapabilityNotFoundError if there is none."""
        return self._look_up(name)[0]

    @hookimpl
    def resolve_capability(self, context: RoutingContext, name: str) -> Sequence[str]:
        if name in self._pools:
            context.named_pool = name
            if self._pools[name].node is not None:
                return self._look_up(name)[0]
            return [name]
        pinned = self._pinned(name)
        if pinned is not None:
            context.pinned_model = pinned.id
            return self._holding(pinned)
        if self._unlisted is not None and self._tree.find(name) is None:
            context.pinned_model = self._unlisted.take_up(name).id
            return [self._unlisted.pool.id]
        pools, context.capability = self._look_up(name)
        return pools

    def _look_up(self, name: str) -> tuple[list[str], str | None]:
        found = self._known.get(name)
        if found is None:
            if len(self._known) > 10_000:  # names come from callers: the memory of them stays bounded
                self._known.clear()
            found = self._known[name] = self._work_out(name)
        return found

    def _work_out(self, name: str) -> tuple[list[str], str | None]:
        named = self._pools.get(name)
        node = self._tree.find(named.node if named is not None and named.node is not None else name)
        if node is None:
            raise self._unknown(name)
        order = [node, *self._tree.get_ancestors(node.path), *self._tree.get_descendants(node.path)]
        place = {found.path: index for index, found in enumerate(order)}
        pools = [pool for pool in self._pools.values() if pool.node in place and pool.members]
        pools.sort(key=lambda pool: (place[str(pool.node)], -pool.settings.priority))
        ids = [pool.id for pool in pools if pool is not named]
        if named is not None:
            ids.insert(0, named.id)
        elif not any(self._serves(self._pools[pool_id], node.path) for pool_id in ids):
            raise CapabilityNotFoundError(
                f"no configured model has the capability {node.path!r}.",
                hint="Add a provider or a model that has it; `modelmesh models list` shows what there is.",
            )
        return ids, None if named is not None else node.path

    def _serves(self, pool: CapabilityPool, path: str) -> bool:
        return bool(pool.node == path or pool.members_at(path))

    def _pinned(self, name: str) -> ModelDefinition | None:
        if not self._allow_pinned_models or self._tree.find(name) is not None:
            return None
        return self._registry.find(name)

    def _holding(self, model: ModelDefinition) -> list[str]:
        pools = [pool.id for pool in self._pools.values() if model.id in pool.members]
        if not pools:
            raise CapabilityNotFoundError(f"model {model.id} is in no pool.", hint="Add a pool that holds it.")
        return pools

    def _unknown(self, name: str) -> CapabilityNotFoundError:
        if self._registry.find(name) is not None:
            return CapabilityNotFoundError(
                f"{name!r} is a model, and pinned models are switched off.",
                hint="Ask for a pool or a capability, or set allow_pinned_models: true.",
            )
        near = list(dict.fromkeys([*self._tree.suggest(name), *_near(name, list(self._pools))]))
        hint = f"Did you mean {', '.join(near[:3])}?" if near else "`modelmesh pools` lists what can be asked for."
        return CapabilityNotFoundError(f"no pool, capability or model is named {name!r}.", hint=hint)


def _near(name: str, known: Sequence[str]) -> list[str]:
    import difflib

    return difflib.get_close_matches(name, known, n=3, cutoff=0.5)


class PoolSelection:
    """Takes the first of the resolved pools."""

    @hookimpl
    def select_pool(self, context: RoutingContext, pools: Sequence[str]) -> str:
        return pools[0]


class DeliveryFilter:
    """Keeps candidates that support synchronous, streaming or batch delivery, as asked."""

    @hookimpl
    def filter_delivery(self, context: RoutingContext, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        delivery, operation = context.request.delivery, context.request.operation
        attribute = NAMES[delivery]
        kept = [
            candidate
            for candidate in candidates
            if operation in candidate.model.operations and getattr(candidate.model.delivery, attribute)
        ]
        if len(kept) == len(candidates):
            return kept

        def why(candidate: Candidate) -> str:
            if operation not in candidate.model.operations:
                return f"is not a model for {operation.value}"
            return f"has no {attribute} delivery"

        return _explained(context, candidates, kept, why)


class RequirementFilter:
    """Keeps candidates that can do what the request needs; what is unknown of a model never excludes it."""

    @hookimpl
    def filter_requirements(self, context: RoutingContext, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        features = context.requirements.features
        excluded, pinned = context.excluded, context.pinned_model
        simple = not features and not excluded and pinned is None
        kept = [
            candidate
            for candidate in candidates
            if (simple and candidate.model.constraints is UNCONSTRAINED) or self._refusal(candidate, context) is None
        ]
        if len(kept) == len(candidates):
            return kept
        return _explained(context, candidates, kept, lambda candidate: str(self._refusal(candidate, context)))

    def _refusal(self, candidate: Candidate, context: RoutingContext) -> str | None:
        model, needs = candidate.model, context.requirements
        if context.pinned_model is not None and model.id != context.pinned_model:
            return "is not the pinned model"
        if model.id in context.excluded:
            return context.excluded[model.id]
        if not needs.features.isdisjoint(model.missing_features):
            return f"lacks {', '.join(sorted(needs.features & model.missing_features))}"
        return None if model.constraints is UNCONSTRAINED else _constraint(model.constraints, needs)


def _constraint(constraints: Constraints, needs: Requirements) -> str | None:
    """Which constraint the request does not fit, if any."""
    window, longest, asked = constraints.context_window, constraints.max_output_tokens, needs.max_output_tokens
    if window is not None and needs.input_tokens + (asked or 0) > window:
        return f"its context window of {window} tokens is too small for about {needs.input_tokens}"
    if longest is not None and asked is not None and asked > longest:
        return f"gives at most {longest} tokens, {asked} are asked for"
    if constraints.max_images is not None and needs.images > constraints.max_images:
        return f"takes at most {constraints.max_images} images"
    languages = constraints.supported_languages
    if languages and needs.language is not None and needs.language not in languages:
        return f"does not know the language {needs.language!r}"
    return None


class StateFilter:
    """Drops models on standby, models whose limits are used up, and half-open ones that are being probed."""

    @hookimpl
    def filter_state(self, context: RoutingContext, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        now = context.now
        for candidate in candidates:
            if not candidate.live.is_available(now):
                break
        else:
            return candidates  # mostly
        kept = [candidate for candidate in candidates if candidate.is_available]
        return _explained(context, candidates, kept, _why_unavailable)


def _why_unavailable(candidate: Candidate) -> str:
    snapshot = candidate.snapshot
    if snapshot.status is Status.STANDBY:
        reason = snapshot.deactivation_reason.value if snapshot.deactivation_reason else "unknown"
        return f"is on standby ({reason})"
    return "is half-open and being probed" if snapshot.probe_in_flight else f"its {snapshot.exhausted} is used up"


def _explained(
    context: RoutingContext,
    candidates: Sequence[Candidate],
    kept: Sequence[Candidate],
    why: Callable[[Candidate], str],
) -> Sequence[Candidate]:
    """``kept``, with a reason noted for everybody else."""
    ids = {candidate.model.id for candidate in kept}
    for candidate in candidates:
        if candidate.model.id not in ids:
            context.drop(candidate, why(candidate))
    return kept


class SelectorStage:
    """For pools with a ``selector``: the candidate with the highest ``score_model``; ties go to pool order."""

    def __init__(self, score_model: Callable[..., float | None]) -> None:
        self._score_model = score_model

    @hookimpl
    def select_model(self, context: RoutingContext, candidates: Sequence[Candidate]) -> Candidate | None:
        best: tuple[float, Candidate] | None = None
        for candidate in candidates:
            score = self._score_model(context=context, candidate=candidate)
            if score is not None and (best is None or score > best[0]):
                best = (score, candidate)
        return best[1] if best is not None else None


class FirstCandidate:
    """The last word on selection: pool order."""

    @hookimpl
    def select_model(self, context: RoutingContext, candidates: Sequence[Candidate]) -> Candidate:
        return candidates[0]
