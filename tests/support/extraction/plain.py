"""What an answer plainly says: the shape in which readings and replays are compared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import attrs

BUCKETS = ("input", "output", "cached_input", "cache_write", "reasoning")


@attrs.define
class Plain:
    """One answer, or one failure."""

    text: str = ""
    reasoning: str = ""
    tool_calls: list[tuple[str, Any]] = attrs.field(factory=list[tuple[str, Any]])
    """Name, and the arguments decoded; as text where they are no JSON."""
    finish_reason: str | None = None
    usage: tuple[int, ...] | None = None
    """By ``BUCKETS``; None where the answer counts no tokens."""
    failure: str | None = None
    embeddings: tuple[int, int] | None = None
    """How many, and of how many dimensions."""


def buckets(**counts: int) -> tuple[int, ...] | None:
    """None for an answer that counts nothing."""
    found = tuple(counts.get(name) or 0 for name in BUCKETS)
    assert min(found) >= 0, counts
    return found if any(found) else None


def arguments_of(text: str) -> Any:
    try:
        return json.loads(text) if text.strip() else {}
    except ValueError:
        return text


def plain_of(replayed: Mapping[str, Any]) -> Plain:
    """The same of a replay's dict."""
    usage, failure, embeddings = replayed["usage"], replayed["failure"], replayed["embeddings"]
    return Plain(
        replayed["text"],
        replayed["reasoning"],
        [(call["name"], call["arguments"]) for call in replayed["tool_calls"]],
        replayed["finish_reason"],
        None if usage is None else buckets(**usage),
        None if failure is None else failure["kind"],
        None if embeddings is None else tuple(embeddings),
    )
