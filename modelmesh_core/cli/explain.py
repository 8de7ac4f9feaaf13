"""``modelmesh explain``: what would happen to a request, without calling anyone."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from .exits import Exit, UsageError, exit_of
from .meshes import open_mesh
from .output import Cell
from .parser import Commands
from .words import money

if TYPE_CHECKING:
    from ..execution.router import Explanation
    from ..mesh import ModelMesh
    from .output import Output

_EXAMPLES = """\
  modelmesh explain --config modelmesh.yaml --model chat-completion
  modelmesh explain --request body.json --timings
"""
_KEPT = {
    "filter_delivery": "can deliver it",
    "filter_requirements": "has what the request needs",
    "filter_state": "is available",
}
_RESOLVE, _SELECT_POOL, _SELECT = "resolve_capability", "select_pool", "select_model"


def declare(commands: Commands) -> None:
    parser = commands.add(
        "explain",
        run,
        "show each stage of routing, who stays and who goes, and why; calls nobody",
        details="Exit code 4 says that nobody could serve the request.",
        examples=_EXAMPLES,
    )
    parser.add_argument(
        "--model", metavar="NAME", help="a capability, a pool or a model; default: the request's, else chat-completion"
    )
    parser.add_argument("--request", metavar="FILE.json", help="the request's body, in the OpenAI shape")
    parser.add_argument("--timings", action="store_true", help="show how long each stage took")


def run(arguments: Namespace, output: Output) -> int:
    body = _body(arguments.request) if arguments.request else {}
    name = arguments.model or body.get("model") or "chat-completion"
    if not isinstance(name, str):
        raise UsageError(f"{arguments.request}: model is no text.")
    with open_mesh(arguments, read_only=True) as mesh:
        explanation = _explain(mesh, {**body, "model": name})
        if arguments.json:
            output.json(explanation.to_dict())
        else:
            _show(explanation, mesh, output, timings=arguments.timings)
    if explanation.error is None:
        return Exit.SUCCESS
    output.error(str(explanation.error))
    return exit_of(explanation.error)


def _body(file: str) -> dict[str, Any]:
    import json

    try:
        body: Any = json.loads(Path(file).read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"--request {file} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise UsageError(f"--request {file} is not JSON: {error}.") from error
    if not isinstance(body, dict):
        raise UsageError(f"--request {file} holds no request: expected one JSON object.")
    return cast(dict[str, Any], body)


def _explain(mesh: ModelMesh, body: dict[str, Any]) -> Explanation:
    from ..wire.messages import Operation

    if len(body) == 1:
        return mesh.explain(body["model"])
    operation = Operation.CHAT if "messages" in body else mesh.get_router().operation_for(body["model"])
    return mesh.explain(mesh.get_async_client().request(operation, body))


# --- what people see -------------------------------------------------------------------------------------------------


class Verdict(NamedTuple):
    """What a stage made of one candidate."""

    model: str
    kept: bool
    reason: str


class StageView(NamedTuple):
    """One stage over one pool."""

    pool: str
    stage: str
    verdicts: list[Verdict]


def stage_views(explanation: Explanation) -> Iterator[StageView]:
    """Every stage that ran, in order, pool by pool, with its verdict on each candidate that reached it."""
    decision = explanation.decision
    for pool in explanation.pools:
        drops = {(drop.stage, drop.model): drop.reason for drop in explanation.dropped if drop.pool == pool}
        is_chosen = decision is not None and decision.pool == pool
        if not drops and not is_chosen:
            continue  # never looked at, or nobody in it has the capability
        entered = set(decision.candidates) if decision is not None and is_chosen else set[str]()
        entered |= {model for _, model in drops}
        left = list(explanation.considered[pool])
        if entered != set(left):
            others = [Verdict(model, False, "lacks the capability") for model in left if model not in entered]
            left = [model for model in left if model in entered]
            yield StageView(pool, _SELECT_POOL, [*(Verdict(model, True, "is a member") for model in left), *others])
        for stage in explanation.stages:
            if stage in (_RESOLVE, _SELECT_POOL) or not left:
                continue
            yield StageView(pool, stage, [_verdict(explanation, stage, model, drops, is_chosen) for model in left])
            left = [model for model in left if (stage, model) not in drops]


def _verdict(
    explanation: Explanation, stage: str, model: str, drops: dict[tuple[str, str], str], is_chosen: bool
) -> Verdict:
    if (stage, model) in drops:
        return Verdict(model, False, drops[stage, model])
    if stage != _SELECT:
        return Verdict(model, True, _KEPT.get(stage, "passes"))
    chosen = is_chosen and explanation.decision is not None and explanation.decision.model.id == model
    return Verdict(model, chosen, "is chosen" if chosen else "another one is chosen")


def _show(explanation: Explanation, mesh: ModelMesh, output: Output, *, timings: bool) -> None:
    def took(stage: str) -> str:
        seconds = explanation.timings.get(stage)
        return f", {seconds * 1e6:.0f} µs" if timings and seconds is not None else ""

    output.text(f"{explanation.requested}", "bold")
    pools = ", ".join(explanation.pools) or "no pool"
    output.text(f"\n{_RESOLVE}{took(_RESOLVE)}: {pools}")
    for pool, stage, verdicts in stage_views(explanation):
        output.text(f"\n{stage} in {pool}{took(stage)}")
        output.table(
            ("model", "verdict", "reason", "estimated cost"),
            _rows(verdicts, explanation),
        )
    decision = explanation.decision
    if decision is None:
        output.text("\nNobody can serve it.", "bold red")
        return
    strategy = mesh.engine.pools[decision.pool].settings.strategy
    output.text(f"\n{decision.model.id} at {decision.model.provider}", "bold green")
    output.text(f"chosen by {strategy} in pool {decision.pool}, {money(decision.estimated_cost)} estimated")
    if decision.delay:
        output.text(f"after a wait of {decision.delay:.3g} s, as the strategy asks")


def _rows(verdicts: Sequence[Verdict], explanation: Explanation) -> Iterator[tuple[object, ...]]:
    for model, kept, reason in verdicts:
        verdict = Cell("kept", "green") if kept else Cell("dropped", "red")
        yield model, verdict, reason, money(explanation.costs.get(model))
