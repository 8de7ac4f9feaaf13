"""Keys of the documented configuration that do nothing yet. They are refused, never silently ignored."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Any

import attrs

from .document import Items, Section, without
from .mistakes import Path, shown


@attrs.frozen
class Unbuilt:
    """One row: a key, or some values of a key."""

    pattern: str
    """Keys from the root, joined by dots; ``*`` stands for any."""
    values: Container[Any] | None = None
    """The values that are refused; None refuses the key whatever its value."""
    instead: str = "remove it"

    def refuses(self, value: Any) -> bool:
        if value is None or isinstance(value, (Section, Items)):
            return self.values is None and value is not None
        return self.values is None or value in self.values


UNBUILT = (
    Unbuilt("providers.*.auth.method", ("oauth", "service_account"), "use api_key"),
    Unbuilt("providers.*.auth.key_rotation"),
    Unbuilt("providers.*.quota.query_current"),
    Unbuilt("providers.*.quota.query_remaining"),
    Unbuilt("providers.*.quota.reset_schedule", None, "use timezone and rolling"),
    Unbuilt("providers.*.discovery"),
    Unbuilt("observability.logging.redact", None, "remove it: prompts and answers are never logged"),
    Unbuilt("observability.logging.max_payload_size", None, "remove it: prompts and answers are never logged"),
    Unbuilt("observability.statistics.retention"),
    Unbuilt("observability.tracing"),
)


def refuse_unbuilt(root: Section) -> tuple[Section, list[tuple[Path, str]]]:
    """``root`` without what is not built yet, and a message for each key that was taken out."""
    found: list[tuple[Path, str]] = []
    for row in UNBUILT:
        for path, value in _matches(root, tuple(row.pattern.split(".")), ()):
            if row.refuses(value):
                what = "" if row.values is None else f": {shown(value)}"
                found.append((path, f"{path[-1]}{what} is not built yet; {row.instead}."))
            elif value is None and row.values is None:
                root = _taken_out(root, path)  # an empty section says nothing
    for path, _ in found:
        root = _taken_out(root, path)
    return root, found


def _matches(node: Any, pattern: tuple[str, ...], path: Path) -> Iterator[tuple[Path, Any]]:
    if not pattern:
        yield path, node
    elif isinstance(node, Section):
        keys = list(node) if pattern[0] == "*" else [key for key in pattern[:1] if key in node]
        for key in keys:
            yield from _matches(node[key], pattern[1:], (*path, key))


def _taken_out(section: Section, path: Path) -> Section:
    """A copy of ``section`` without what stands at ``path``."""
    key = str(path[0])
    if len(path) == 1:
        return without(section, [key])
    copy = without(section, [])
    copy[key] = _taken_out(section[key], path[1:])
    return copy
