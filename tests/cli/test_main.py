"""What every command line shares: help, exit codes, pipes, terminals, where the configuration comes from."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from modelmesh_core.cli import connectors, meshes
from modelmesh_core.config.detection import CONFIG_VARIABLE
from modelmesh_core.registry import KINDS

Write = Callable[..., Path]
Run = Callable[..., Any]
Spawn = Callable[..., subprocess.Popen[str]]


def test_version(run: Run) -> None:
    from modelmesh_core import __version__

    assert run("--version").out == f"modelmesh {__version__}\n"


def test_help_names_every_command_and_exit_code(run: Run) -> None:
    result = run("--help")
    assert result.code == 0
    for word in ("chat", "serve", "explain", "config", "connectors", "models", "pools", "secrets", "doctor", "130"):
        assert word in result.out


def test_help_imports_next_to_nothing() -> None:
    program = (
        "import sys; from modelmesh_core.cli import main; main(['--help']);"
        "print(sorted({'attrs', 'attr', 'httpx', 'rich', 'ruamel', 'pluggy', 'asyncio', 'json'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "arguments",
    [(), ("chatt",), ("chat", "--modle", "x", "Hi"), ("chat", "--max-tokens", "0", "Hi"), ("config",), ("secrets",)],
)
def test_wrong_usage(run: Run, arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert (result.code, result.out) == (2, "")
    assert "usage: modelmesh" in result.err


def test_names_that_the_parser_repeats_are_those_of_the_core() -> None:
    assert connectors.KINDS == KINDS
    assert meshes.CONFIG_VARIABLE == CONFIG_VARIABLE


def test_the_configuration_is_the_one_named_then_the_variables_then_the_folders(
    run: Run, write_config: Write, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def models(*arguments: str) -> list[str]:
        return [model["id"] for model in run("models", "list", "--json", *arguments).json]

    write_config(("named",)).rename(home / "named.yaml")
    write_config(("variable",)).rename(home / "variable.yaml")
    write_config(("here",))
    assert models() == ["local.here"]
    monkeypatch.setenv("MODELMESH_CONFIG", "variable.yaml")
    assert models() == ["local.variable"]
    assert models("--config", "named.yaml") == ["local.named"]


def test_without_a_file_providers_are_detected(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-a-key")
    result = run("models", "list", "--json")
    assert {model["provider"] for model in result.json} == {"openai"}


def test_verbose_logs_and_shows_the_traceback(run: Run, write_config: Write) -> None:
    write_config(("broken",))
    for arguments in (("--verbose", "chat", "Hi"), ("chat", "--verbose", "Hi")):
        result = run(*arguments)
        assert result.code == 1
        assert "step 1 of 11" in result.err
        assert "Traceback" in result.err


def test_a_bug_is_one_line_unless_verbose(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelmesh_core.registry.ConnectorRegistry.list_connectors", lambda *_: 1 / 0)
    result = run("connectors", "list")
    assert result.code == 1
    assert result.err.count("\n") == 1
    assert "ZeroDivisionError" in result.err


def test_a_reader_that_goes_away_is_no_error(spawn: Spawn) -> None:
    process = spawn("config", "schema")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.wait(60) == 141
    assert process.stderr.read() == ""


def test_a_pipe_gets_no_escape_codes(spawn: Spawn, write_config: Write) -> None:
    write_config(("good", "broken"))
    for command in ("models list", "pools", "explain", "doctor", "connectors list", "capabilities"):
        out, err = spawn(*command.split(), env={**os.environ, "FORCE_COLOR": "1"}).communicate(timeout=60)
        assert out
        assert "\x1b" not in out + err


def _on_a_terminal(spawn: Spawn, *arguments: str, **variables: str) -> str:
    own, other = pty.openpty()
    process = spawn(*arguments, stdout=other, stderr=other, env={**os.environ, "TERM": "xterm-256color", **variables})
    os.close(other)
    data = b""
    while True:
        try:
            piece = os.read(own, 65536)
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        data += piece
    os.close(own)
    process.wait(60)
    return data.decode()


def test_a_terminal_gets_colour_unless_it_does_not_want_any(spawn: Spawn, write_config: Write) -> None:
    write_config()
    colour = re.compile(r"\x1b\[[0-9;]*3[0-9]m")
    assert colour.search(_on_a_terminal(spawn, "pools"))
    assert not colour.search(_on_a_terminal(spawn, "pools", NO_COLOR="1"))
    assert "\x1b" not in _on_a_terminal(spawn, "pools", TERM="dumb")


def test_names_are_no_markup(spawn: Spawn) -> None:
    seen = _on_a_terminal(spawn, "chat", "--model", "[red]x[/red]", "Hi", OPENAI_API_KEY="sk-not-a-key")
    assert "[red]x[/red]" in seen


def test_letters_that_the_encoding_lacks_do_not_end_the_output(spawn: Spawn, write_config: Write) -> None:
    write_config(("größe",))
    out, err = spawn("models", "list", env={**os.environ, "PYTHONIOENCODING": "ascii"}).communicate(timeout=60)
    assert "local.gr\\xf6\\xdfe" in out
    assert err == ""
