"""The generated parts of docs/recordings.md, from docs/data: nobody needs the recordings to make the page."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[1] / "docs" / "data"


@cache
def results() -> Mapping[str, Any]:
    """What tools/make_recordings.py found."""
    return json.loads((DATA / "recordings.json").read_text(encoding="utf-8"))


@cache
def _reasons() -> list[dict[str, Any]]:
    return tomllib.loads((DATA / "unequal_recordings.toml").read_text(encoding="utf-8"))["reason"]


def covered_by(connector: str) -> str:
    """Kinds and counts of the recordings that replay through ``connector``."""
    counts = results()["connectors"].get(connector, {})
    return ", ".join(f"{kind} {count}" for kind, count in counts.items()) or "–"


def recordings() -> str:
    """A row a provider, and the sums."""
    equal, seen = results()["equal"], results()["recordings"]
    rows = [
        (provider, kind, count, equal[provider].get(kind, 0))
        for provider, kinds in seen.items()
        for kind, count in kinds.items()
    ]
    total, same = sum(row[2] for row in rows), sum(row[3] for row in rows)
    outside = sum(len(reason["ids"]) for reason in _reasons() if not reason["supported"])
    supported = total - outside
    lines = [
        f"Of {total} recordings, {outside} are of another protocol or endpoint than their kind's name says.",
        f"Of the other {supported}, {same} replay as equal: {same / supported:.1%}.",
        "",
        "| provider | kind | recordings | equal |",
        "|---|---|---|---|",
    ]
    lines += [f"| {' | '.join(map(str, row))} |" for row in rows]
    return "\n".join(lines)


def unequal_recordings() -> str:
    """Every recording that does not replay as equal, under its reason."""
    return "\n".join(line for supported in (True, False) for line in _listed(supported))


def _listed(supported: bool) -> Iterator[str]:
    yield "### Of kinds that are supported" if supported else "### Of another protocol or endpoint"
    for reason in _reasons():
        if reason["supported"] is supported:
            yield ""
            yield f"It {reason['why']}:"
            yield ""
            yield from (f"- `{identity}`" for identity in reason["ids"])
    yield ""
