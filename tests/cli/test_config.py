"""``modelmesh config``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

Write = Callable[..., Path]
Run = Callable[..., Any]


def test_check_finds_no_problems(run: Run, write_config: Write) -> None:
    path = write_config()
    result = run("config", "check", str(path))
    assert (result.code, result.out, result.err) == (0, f"{path}: no problems\n", "")


def test_check_takes_the_configuration_that_other_commands_would_take(run: Run, write_config: Write) -> None:
    write_config()
    assert run("config", "check").out == "modelmesh.yaml: no problems\n"


def test_check_reports_every_problem_with_its_place(run: Run, write_config: Write) -> None:
    path = write_config(pool="strategi: round-robin", more="storage: {sync_interval: soon}")
    result = run("config", "check", str(path))
    assert (result.code, result.out) == (3, "")
    lines = result.err.splitlines()
    assert len(lines) == 2
    assert f"{path}:9:5" in lines[0]
    assert "strategy" in lines[0]
    assert f"{path}:10:" in lines[1]


def test_check_reports_problems_as_json(run: Run, write_config: Write) -> None:
    path = write_config(pool="strategi: round-robin")
    result = run("config", "check", str(path), "--json")
    assert result.code == 3
    assert result.json["valid"] is False
    (problem,) = result.json["problems"]
    assert (problem["file"], problem["line"], problem["column"]) == (str(path), 9, 5)
    assert problem["path"] == ["pools", "talk", "strategi"]


def test_check_of_a_file_that_is_not_there(run: Run) -> None:
    result = run("config", "check", "nowhere.yaml")
    assert result.code == 3
    assert "nowhere.yaml" in result.err


def test_init_writes_a_configuration_that_is_valid(run: Run, home: Path) -> None:
    result = run("config", "init")
    assert result.code == 0
    assert "modelmesh.yaml" in result.out
    assert "providers:" in (home / "modelmesh.yaml").read_text()
    assert run("config", "check").code == 0


def test_init_overwrites_only_by_force(run: Run, home: Path) -> None:
    mine = home / "mine.yaml"
    mine.write_text("precious")
    refused = run("config", "init", "mine.yaml")
    assert (refused.code, refused.out) == (1, "")
    assert "--force" in refused.err
    assert mine.read_text() == "precious"
    assert run("config", "init", "mine.yaml", "--force").code == 0
    assert "providers:" in mine.read_text()


def test_init_where_nothing_can_be_written(run: Run) -> None:
    result = run("config", "init", "no/such/folder/modelmesh.yaml")
    assert result.code == 2
    assert "no/such/folder" in result.err


def test_schema_is_one_of_the_configuration(run: Run) -> None:
    schema = run("config", "schema").json
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert {"providers", "pools", "proxy"} <= set(schema["properties"])


def test_schema_takes_no_arguments(run: Run) -> None:
    assert run("config", "schema", "modelmesh.yaml").code == 2
