"""Snapshots of several processes become one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from modelmesh_core import Snapshot

from .counting import Labels, Row
from .families import FAMILIES

Values = dict[str, dict[Labels, Any]]
"""Family → label values → value."""


def make_snapshot(at: float, rows: Iterable[Row]) -> Snapshot:
    """JSON-able. Rows of the same labels (two queues of one name) are added up."""
    values: Values = {}
    for name, labels, value in rows:
        _add(values, name, labels, value)
    return {
        "at": at,
        "rows": [[name, list(labels), value] for name, found in values.items() for labels, value in found.items()],
    }


def merged(snapshots: Sequence[Snapshot], *, only_counts: bool = False) -> Values:
    """The sum. ``only_counts``: without gauges."""
    values: Values = {}
    for snapshot in sorted(snapshots, key=lambda one: one["at"]):
        for name, labels, value in snapshot["rows"]:
            family = FAMILIES.get(name)
            # Another process may be of another version while a new one is rolled out.
            if family is not None and not (only_counts and family.kind == "gauge"):
                _add(values, name, tuple(labels), value)
    return values


def _add(values: Values, name: str, labels: Labels, value: Any) -> None:
    known = values.setdefault(name, {})
    before = known.get(labels)
    if before is None:
        known[labels] = value
        return
    family = FAMILIES[name]
    if family.kind == "histogram":
        known[labels] = _added(before, value)
    elif family.merge == "sum":
        known[labels] = before + value
    elif family.merge == "max":
        known[labels] = max(before, value)
    else:
        known[labels] = value


def _added(one: list[Any], other: list[Any]) -> list[Any]:
    if one[0] != other[0]:
        return other  # the bounds were changed, and the processes are being replaced one after the other
    return [one[0], [mine + theirs for mine, theirs in zip(one[1], other[1], strict=True)], one[2] + other[2]]
