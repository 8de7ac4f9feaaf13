"""``modelmesh pools``: who is in each pool, and how each one stands."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from .exits import Exit
from .meshes import open_mesh
from .output import Cell
from .parser import Commands
from .words import duration, moment

if TYPE_CHECKING:
    from ..interfaces.routing import ModelSnapshot
    from ..pools import CapabilityPool
    from .output import Output

_STYLES = {"active": "green", "standby": "red", "half-open": "yellow"}


def declare(commands: Commands) -> None:
    commands.add(
        "pools",
        run,
        "list the pools, their members, and who is on standby and why",
        details="Health and standby are those that were saved last.",
    )


def run(arguments: Namespace, output: Output) -> int:
    with open_mesh(arguments, read_only=True) as mesh:
        now = mesh.clock.now()
        found = [(mesh.engine.pools[name], snapshots) for name, snapshots in mesh.pool_status().items()]
    if arguments.json:
        output.json({pool.id: _described(pool, snapshots) for pool, snapshots in found})
        return Exit.SUCCESS
    for place, (pool, snapshots) in enumerate(found):
        if place:
            output.text()
        output.text(f"{pool.id}: {pool.node or 'explicit models'}, {pool.settings.strategy}", "bold")
        output.table(
            ("model", "provider", "standing", "reason", "until", "in flight", "error rate", "p50"),
            [_row(snapshot, now) for snapshot in snapshots],
        )
    return Exit.SUCCESS


def _row(snapshot: ModelSnapshot, now: float) -> tuple[object, ...]:
    reason = snapshot.deactivation_reason
    until = "recovered by hand" if reason is not None else None
    if snapshot.until is not None:
        until = moment(snapshot.until, now)
    status = snapshot.status.value
    return (
        snapshot.model,
        snapshot.provider,
        Cell(status, _STYLES.get(status, "")),
        reason.value if reason is not None else None,
        until,
        snapshot.in_flight,
        f"{snapshot.error_rate:.0%}" if snapshot.samples else None,
        duration(snapshot.latency_p50) if snapshot.latency_p50 is not None else None,
    )


def _described(pool: CapabilityPool, snapshots: list[ModelSnapshot]) -> dict[str, Any]:
    return {
        "capability": pool.node,
        "strategy": pool.settings.strategy,
        "predefined": pool.is_predefined,
        "current_model": pool.current_model,
        "models": [
            {
                "model": snapshot.model,
                "provider": snapshot.provider,
                "status": snapshot.status.value,
                "reason": snapshot.deactivation_reason.value if snapshot.deactivation_reason else None,
                "until": snapshot.until,
                "in_flight": snapshot.in_flight,
                "error_rate": snapshot.error_rate,
                "consecutive_failures": snapshot.consecutive_failures,
                "latency_p50": snapshot.latency_p50,
                "latency_p95": snapshot.latency_p95,
            }
            for snapshot in snapshots
        ],
    }
