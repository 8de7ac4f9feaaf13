"""Commands that look: connectors, models, pools, capabilities."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Write = Callable[..., Path]
Run = Callable[..., Any]


def line_of(text: str, *words: str) -> str:
    """The first line that holds all the words."""
    found = [line for line in text.splitlines() if all(word in line for word in words)]
    assert found, f"no line with {words} in:\n{text}"
    return found[0]


# --- connectors ------------------------------------------------------------------------------------------------------


def test_connectors_are_listed_with_their_distribution_and_imported_never(run: Run) -> None:
    result = run("connectors", "list")
    assert result.code == 0
    line = line_of(result.out, "modelmesh.openai-compatible.v1")
    assert line.startswith("provider ")
    assert "modelmesh-core" in line
    assert line.endswith("available")


def test_connectors_of_one_kind_as_json(run: Run) -> None:
    found = run("connectors", "list", "--kind", "storage", "--json").json
    assert {connector["kind"] for connector in found} == {"storage"}
    assert "modelmesh.sqlite.v1" in [connector["id"] for connector in found]


def test_an_unknown_kind_is_wrong_usage(run: Run) -> None:
    result = run("connectors", "list", "--kind", "storge")
    assert result.code == 2
    assert "secret-store" in result.err


# --- models ----------------------------------------------------------------------------------------------------------


def test_models_are_listed_with_their_prices(run: Run, write_config: Write) -> None:
    write_config()
    result = run("models", "list")
    assert result.code == 0
    line = line_of(result.out, "local.good")
    assert "chat-completion" in line
    assert "$2" in line
    assert "$10" in line


def test_models_by_capability_and_provider(run: Run, write_config: Write) -> None:
    path = write_config()
    path.write_text(path.read_text().replace("pools:", "  local.vectors: {capabilities: [text-embeddings]}\npools:"))

    def found(*arguments: str) -> list[str]:
        return [model["id"] for model in run("models", "list", "--json", *arguments).json]

    assert found() == ["local.good", "local.vectors"]
    assert found("--capability", "embeddings") == ["local.vectors"]
    assert found("--provider", "local", "--capability", "text-generation") == ["local.good"]
    assert found("--provider", "another") == []


def test_a_model_shows_where_each_fact_came_from(run: Run, write_config: Write) -> None:
    write_config()
    result = run("models", "show", "good")
    assert result.code == 0
    assert line_of(result.out, "pricing.input").split() == ["pricing.input", "2", "configuration"]
    assert "default" in line_of(result.out, "upstream_model", "good")
    assert "talk" in line_of(result.out, "pools")
    told = run("models", "show", "local.good", "--json").json
    assert told["pricing"]["input"] == "2"
    assert told["sources"]["pricing.input"] == "configuration"
    assert told["pools"] == ["talk", "text-generation"]


def test_an_unknown_model_or_capability(run: Run, write_config: Write) -> None:
    write_config()
    shown = run("models", "show", "local.god")
    assert shown.code == 4
    assert "local.good" in shown.err
    listed = run("models", "list", "--capability", "embedings")
    assert listed.code == 4
    assert "embeddings" in listed.err


# --- pools -----------------------------------------------------------------------------------------------------------


def test_pools_show_who_is_on_standby_since_an_earlier_command(run: Run, write_config: Write) -> None:
    write_config(("broken", "good"), pool="deactivation: {retry_limit: 1}")
    assert "active" in line_of(run("pools").out, "local.broken")
    assert run("chat", "--model", "talk", "Hello").code == 0
    result = run("pools")
    assert result.code == 0
    line = line_of(result.out, "local.broken")
    assert "standby" in line
    assert "error" in line
    assert " in " in line
    assert "UTC)" in line
    assert "active" in line_of(result.out, "local.good")
    members = run("pools", "--json").json["talk"]["models"]
    broken, good = members
    assert (broken["status"], broken["reason"]) == ("standby", "error")
    assert 0 < broken["until"] - time.time() <= 60
    assert (good["status"], good["reason"], good["until"]) == ("active", None, None)


def test_pools_of_a_configuration_with_mistakes(run: Run, write_config: Write) -> None:
    write_config(pool="strategy: no-such-strategy")
    result = run("pools")
    assert (result.code, result.out) == (3, "")
    assert "modelmesh.yaml:9:" in result.err
    assert "no-such-strategy" in result.err


# --- capabilities ----------------------------------------------------------------------------------------------------


def test_capabilities_are_a_tree(run: Run) -> None:
    lines = run("capabilities").out.splitlines()
    assert lines[0] == "generation"
    assert lines[1:3] == ["  text-generation", "    chat-completion"]
    assert "evaluation" in lines


def test_capabilities_that_hold_a_word(run: Run) -> None:
    result = run("capabilities", "speech")
    assert result.code == 0
    assert "understanding.audio-understanding.speech-to-text" in result.out.splitlines()
    assert "chat-completion" not in result.out
    found = run("capabilities", "speech", "--json").json
    assert {"name": "text-to-speech", "path": "generation.audio-generation.text-to-speech", "is_leaf": True} in found


def test_capabilities_of_the_configuration_are_among_them(run: Run, write_config: Write) -> None:
    write_config(more="capabilities: [chat-completion.pirate-speak]")
    assert run("capabilities", "pirate").out == "generation.text-generation.chat-completion.pirate-speak\n"


def test_a_word_that_nothing_holds(run: Run) -> None:
    result = run("capabilities", "embedings")
    assert (result.code, result.out) == (1, "")
    assert "embeddings" in result.err


def test_models_sync_shows_what_providers_list_and_changes_nothing(run: Run, write_config: Write) -> None:
    path = write_config(models=("other",))
    shown = run("models", "sync")
    assert shown.code == 0
    assert [line.split() for line in shown.out.splitlines() if "local.good" in line] == [
        ["local", "new", "local.good", "-"]
    ]
    assert json.loads(run("models", "sync", "--json").out)["providers"][0]["new"] == ["local.good"]
    assert "local.good" not in run("models", "list").out
    path.write_text(path.read_text().replace("local.other", "local.good"))
    assert "Everything that the providers list is known." in run("models", "sync").out


def test_models_sync_names_who_could_not_be_asked(run: Run, write_config: Write, upstream: Any) -> None:
    write_config()
    upstream.listing_status = 401
    shown = run("models", "sync")
    assert shown.code == 1
    assert "local lists no models, or could not be asked" in shown.err
