"""The recorded exchanges with providers, for tests that replay them."""

from __future__ import annotations

import json
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from documents import DOCS, ROOT

RECORDINGS = ROOT.parent / "shared" / "recordings"
KINDS = ("chat", "responses", "completions", "embeddings", "rerank", "audio", "images", "moderations", "search")
"""Those with an operation of their own."""


def rows(provider: str) -> list[dict[str, Any]]:
    """One provider's recordings of ``KINDS``. Skips the test where there are none."""
    path = RECORDINGS / f"{provider}.jsonl"
    if not path.is_file():
        pytest.skip("needs the recorded exchanges in ../shared/recordings, which are not here")
    return list(rows_of(path))


@cache
def rows_of(path: Path) -> tuple[dict[str, Any], ...]:
    with path.open(encoding="utf-8") as lines:
        return tuple(row for row in map(json.loads, lines) if row["kind"] in KINDS)


def coverage() -> dict[str, Any]:
    """What the run that docs/recordings.md tells of found."""
    return json.loads((DOCS / "data" / "recordings.json").read_text(encoding="utf-8"))


def reasons() -> dict[str, dict[str, Any]]:
    """Those that do not replay as equal → why, and whether they are of a kind that is supported."""
    listed = tomllib.loads((DOCS / "data" / "unequal_recordings.toml").read_text(encoding="utf-8"))
    return {identity: reason for reason in listed["reason"] for identity in reason["ids"]}
