"""``modelmesh chaos``: a configuration against every known fault of a provider, on loopback."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from .exits import Exit, UsageError
from .meshes import load_config
from .output import Cell
from .parser import Commands
from .words import duration

if TYPE_CHECKING:
    from ..testing.chaos import Score
    from .output import Output

_EXAMPLES = """\
  modelmesh chaos --config modelmesh.yaml
  modelmesh chaos --config modelmesh.yaml --pool chat --fault stream-cut --fault http-429-quota
  modelmesh chaos --list
"""
_LONGEST = 300
"""Characters of what went wrong; ``--json`` shows all."""


def declare(commands: Commands) -> None:
    parser = commands.add(
        "chaos",
        run,
        "try the configuration against every known fault of a provider, on loopback; calls no real provider",
        details=(
            "Your pools, models and settings are kept; in place of your providers stand local ones, and the one that "
            "is asked first misbehaves. Silence is cut short: see --patience. Exit code 1 says that a fault was not "
            "survived."
        ),
        examples=_EXAMPLES,
    )
    parser.add_argument("--pool", metavar="NAME", help="the pool to try; default: the first that has chat models")
    parser.add_argument("--fault", metavar="NAME", action="append", default=[], help="only this fault; may be repeated")
    parser.add_argument("--list", action="store_true", help="list the faults, and try none")
    parser.add_argument(
        "--patience", metavar="SECONDS", type=float, default=0.5, help="silence that stands for your timeouts (0.5)"
    )
    parser.add_argument(
        "--deadline", metavar="SECONDS", type=float, default=10.0, help="stands for the pool's deadline (10)"
    )


def run(arguments: Namespace, output: Output) -> int:
    from ..testing.faults import FAULTS

    if arguments.list:
        rows = [(fault.name, ", ".join(sorted(fault.applies_to)), fault.title) for fault in FAULTS.values()]
        output.table(("fault", "of", "what the provider does"), rows)
        return Exit.SUCCESS
    unknown = [name for name in arguments.fault if name not in FAULTS]
    if unknown:
        raise UsageError(f"--fault {unknown[0]}: there is no such fault; `modelmesh chaos --list` shows them all.")
    if not 0 < arguments.patience <= arguments.deadline <= 600:
        raise UsageError("--patience must be longer than 0, and --deadline longer than it, up to 600 seconds.")
    return _rehearse(arguments, output)


def _rehearse(arguments: Namespace, output: Output) -> int:
    from ..testing.chaos import Rehearsal

    rehearsal = Rehearsal(load_config(arguments), arguments.pool, arguments.patience, arguments.deadline)
    scores: list[Score] = []
    for score in rehearsal.run(arguments.fault):
        scores.append(score)
        output.note(f"{score.fault} ({score.delivery}): {'ok' if score.passed else score.why}")
    passed = sum(score.passed for score in scores)
    if arguments.json:
        import attrs

        output.json({"passed": passed, "total": len(scores), "scores": [attrs.asdict(score) for score in scores]})
    else:
        output.table(("fault", "of", "verdict", "what the caller got", "from", "calls", "took"), map(_row, scores))
        for score in scores:
            if not score.passed:
                output.error(f"{score.fault} ({score.delivery}), {score.title}: {_shortened(score.why)}")
        output.text(f"{passed} of {len(scores)} passed.", "bold")
    return Exit.SUCCESS if passed == len(scores) else Exit.FAILED


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " ..."


def _row(score: Score) -> tuple[object, ...]:
    verdict = Cell("ok", "green") if score.passed else Cell("FAILED", "bold red")
    took = duration(score.seconds)
    return score.fault, score.delivery, verdict, score.seen, score.answered_by, score.calls, took
