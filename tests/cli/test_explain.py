"""``modelmesh explain``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Write = Callable[..., Path]
Run = Callable[..., Any]

NO_STREAM = "  local.whole: {delivery: {streaming: false}}"


def line_of(text: str, *words: str) -> str:
    """The first line that holds all the words."""
    found = [line for line in text.splitlines() if all(word in line for word in words)]
    assert found, f"no line with {words} in:\n{text}"
    return found[0]


@pytest.fixture
def mixed(write_config: Write) -> Path:
    """A pool of one model that streams and one that does not."""
    path = write_config(("good",))
    path.write_text(path.read_text().replace("pools:", f"{NO_STREAM}\npools:"))
    return path


@pytest.fixture
def streamed(home: Path) -> str:
    body = {"model": "talk", "stream": True, "messages": [{"role": "user", "content": "Hello"}]}
    (home / "body.json").write_text(json.dumps(body))
    return "body.json"


def test_shows_who_stayed_who_went_why_and_at_what_cost(run: Run, mixed: Path, streamed: str, upstream: Any) -> None:
    result = run("explain", "--config", str(mixed), "--request", streamed)
    assert result.code == 0
    assert "dropped" in line_of(result.out, "local.whole", "streaming")
    kept = line_of(result.out, "local.good", "kept")
    assert "$0.0" in kept
    after = result.out[result.out.index("filter_requirements") :]
    assert "local.whole" not in after
    assert "is chosen" in line_of(after, "local.good", "kept", "is chosen")
    assert "modelmesh.stick-until-failure.v1" in result.out
    assert upstream.asked == []


def test_json_is_the_explanation_itself(run: Run, mixed: Path, streamed: str) -> None:
    told = run("explain", "--json", "--request", streamed).json
    assert told["requested"] == "talk"
    assert told["model"] == "local.good"
    assert [(drop["stage"], drop["model"]) for drop in told["dropped"]] == [("filter_delivery", "local.whole")]
    assert told["estimated_cost"]["local.good"] > 0


def test_model_on_the_command_line_wins_over_the_requests(run: Run, mixed: Path, streamed: str) -> None:
    assert run("explain", "--json", "--model", "local.good", "--request", streamed).json["requested"] == "local.good"


def test_timings_are_told_for_each_stage_when_asked(run: Run, mixed: Path) -> None:
    assert "µs" not in run("explain").out
    shown = run("explain", "--timings").out
    for stage in ("resolve_capability", "filter_delivery", "filter_requirements", "filter_state", "select_model"):
        assert "µs" in line_of(shown, stage)


def test_nobody_can_serve(run: Run, mixed: Path, streamed: str) -> None:
    mixed.write_text(mixed.read_text().replace("  local.good: {", "  local.good: {delivery: {streaming: false}, "))
    result = run("explain", "--request", streamed)
    assert result.code == 4
    assert "Nobody can serve it" in result.out
    assert "local.good" in result.err
    as_json = run("explain", "--json", "--request", streamed)
    assert as_json.code == 4
    assert as_json.json["model"] is None


def test_a_member_without_the_capability_is_shown_as_such(run: Run, write_config: Write) -> None:
    path = write_config(("good",))
    coder = "  local.coder: {capabilities: [code-generation]}"
    text = path.read_text().replace("pools:", f"{coder}\npools:")
    path.write_text(text.replace("capability: chat-completion", "capability: text-generation"))
    result = run("explain", "--model", "code-generation")
    assert "lacks the capability" in line_of(result.out, "local.good", "dropped")
    assert "is chosen" in line_of(result.out, "local.coder", "is chosen")


def test_an_unknown_name(run: Run, mixed: Path) -> None:
    result = run("explain", "--model", "chat-completon")
    assert result.code == 4
    assert "chat-completion" in result.err


@pytest.mark.parametrize("content", [None, "{", "[]", '{"model": 1}'])
def test_a_request_that_is_none_is_wrong_usage(run: Run, mixed: Path, home: Path, content: str | None) -> None:
    if content is not None:
        (home / "bad.json").write_text(content)
    result = run("explain", "--request", "bad.json")
    assert (result.code, result.out) == (2, "")
    assert "bad.json" in result.err
