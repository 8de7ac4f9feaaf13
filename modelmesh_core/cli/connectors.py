"""``modelmesh connectors``: what is installed, and where it comes from."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from .exits import Exit
from .output import Cell
from .parser import Commands

if TYPE_CHECKING:
    from .output import Output

KINDS = ("provider", "rotation", "secret-store", "storage", "observability", "discovery")
_STYLES = {"broken": "red", "conflict": "red", "loaded": "green"}


def declare(commands: Commands) -> None:
    group = commands.group("connectors", "list the installed connectors")
    listing = group.add(
        "list",
        run_list,
        "list the installed connectors of all kinds, and the packages that they come from",
        details="Imports none of them: `modelmesh doctor` tries each one.",
        config=False,
    )
    listing.add_argument("--kind", choices=KINDS, help="only connectors of this kind")


def run_list(arguments: Namespace, output: Output) -> int:
    import attrs

    from ..registry import ConnectorRegistry

    found = ConnectorRegistry().list_connectors(arguments.kind)
    if arguments.json:
        output.json([attrs.asdict(info) for info in found])
        return Exit.SUCCESS
    output.table(
        ("kind", "id", "distribution", "state"),
        ((info.kind, info.id, info.distribution, Cell(info.state, _STYLES.get(info.state, ""))) for info in found),
    )
    for info in found:
        if info.error is not None:
            output.warning(f"{info.kind}.{info.id}: {info.error}")
    return Exit.SUCCESS
