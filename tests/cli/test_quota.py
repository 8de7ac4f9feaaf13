"""``modelmesh quota``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Write = Callable[..., Path]
Run = Callable[..., Any]

LIMITS = """
storage: {connector: modelmesh.sqlite.v1, path: state.db}
"""


def limited(write_config: Write) -> None:
    path = write_config(more=LIMITS)
    text = path.read_text().replace(
        "  local: {connector", "  local: {quota: {requests_per_day: 4}, budget: {daily_limit: 5}, connector"
    )
    path.write_text(text)


def test_what_is_used_is_shown_with_a_bar_and_its_reset(run: Run, write_config: Write) -> None:
    limited(write_config)
    assert "requests" in run("quota").out
    assert run("chat", "Hello", "--model", "talk", "--no-stream").code == 0
    shown = run("quota")
    assert shown.code == 0
    row = next(line for line in shown.out.splitlines() if "provider:local " in line)
    assert "█████░░░░░░░░░░░░░░░" in row, "a quarter"
    assert row.split()[:6] == ["provider:local", "day", "requests", "1", "4", "█████░░░░░░░░░░░░░░░"]
    assert "UTC" in row


def test_the_same_as_json(run: Run, write_config: Write) -> None:
    limited(write_config)
    run("chat", "Hello", "--model", "talk", "--no-stream")
    rows = json.loads(run("quota", "--json").out)
    by_measure = {(row["account"], row["measure"]): row for row in rows}
    requests = by_measure["provider:local", "requests"]
    assert (requests["used"], requests["limit"], requests["left"], requests["window"]) == (1, 4, 3, "day")
    assert requests["resets_at"] % 86400 == 0
    money = by_measure["provider:local/budget", "USD"]
    assert 0 < money["used"] < 0.01 and money["limit"] == 5


def test_looking_uses_nothing_up(run: Run, write_config: Write) -> None:
    limited(write_config)
    run("chat", "Hello", "--model", "talk", "--no-stream")
    first, second = run("quota", "--json").out, run("quota", "--json").out
    assert [row["used"] for row in json.loads(first)] == [row["used"] for row in json.loads(second)]


def test_a_mesh_without_limits_says_so(run: Run, write_config: Write) -> None:
    write_config()
    assert "Nothing is limited" in run("quota").out
