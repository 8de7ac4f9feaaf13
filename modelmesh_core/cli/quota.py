"""``modelmesh quota``: what is used of every limit and budget, and what is left."""

from __future__ import annotations

from argparse import Namespace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from .exits import Exit
from .meshes import open_mesh
from .output import Cell
from .parser import Commands
from .words import moment

if TYPE_CHECKING:
    from ..state.forecast import LimitUsage
    from .output import Output

_BAR = 20
_WARN, _FULL = Decimal("0.8"), Decimal(1)


def declare(commands: Commands) -> None:
    commands.add(
        "quota",
        run,
        "show what is used of every limit and budget, what is left, and when it resets",
        details="Counts are those of all processes that share the storage, up to this moment.",
    )


def run(arguments: Namespace, output: Output) -> int:
    with open_mesh(arguments, read_only=True) as mesh:
        now = mesh.clock.now()
        found = mesh.quota()
    if arguments.json:
        output.json([_described(usage) for usage in found])
        return Exit.SUCCESS
    if not found:
        output.text("Nothing is limited: no model has limits, no provider a quota, nobody a budget.")
        return Exit.SUCCESS
    output.table(
        ("account", "window", "of", "used", "limit", "", "left", "resets", "runs dry"),
        [_row(usage, now) for usage in found],
    )
    return Exit.SUCCESS


def _row(usage: LimitUsage, now: float) -> tuple[object, ...]:
    share = usage.used / usage.limit if usage.limit else _FULL
    style = "red" if share >= _FULL else "yellow" if share >= _WARN else "green"
    filled = min(_BAR, int(share * _BAR))
    dry = None if usage.runs_dry_at is None else moment(usage.runs_dry_at, now)
    return (
        usage.account,
        usage.window,
        usage.measure,
        _number(usage.used),
        _number(usage.limit),
        Cell("█" * filled + "░" * (_BAR - filled), style),
        _number(usage.left),
        moment(usage.resets_at, now),
        dry,
    )


def _number(amount: Decimal) -> str:
    return f"{amount:f}" if amount == amount.to_integral_value() else f"{amount.normalize():f}"


def _described(usage: LimitUsage) -> dict[str, Any]:
    return {
        "account": usage.account,
        "window": usage.window,
        "measure": usage.measure,
        "used": float(usage.used),
        "limit": float(usage.limit),
        "left": float(usage.left),
        "resets_at": usage.resets_at,
        "runs_dry_at": usage.runs_dry_at,
    }
