"""``modelmesh config``: check a configuration, begin one, describe what one may hold."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .exits import Exit, UsageError
from .meshes import CONFIG_FILE, config_file, load_config
from .parser import CONFIG_HELP, Commands

if TYPE_CHECKING:
    from ..errors import Problem
    from .output import Output


def declare(commands: Commands) -> None:
    group = commands.group("config", "check a configuration, or begin one")
    check = group.add(
        "check",
        run_check,
        "say everything that is wrong with a configuration, each with its line and column",
        details="Reads no secret and calls nobody. Exit code 3 says that there are mistakes.",
        config=False,
    )
    check.add_argument("config", metavar="FILE", nargs="?", help=CONFIG_HELP)
    begin = group.add("init", run_init, "write a commented configuration to begin with", config=False, json=False)
    begin.add_argument("file", metavar="FILE", nargs="?", default=CONFIG_FILE, help="default: %(default)s")
    begin.add_argument("--force", action="store_true", help="overwrite a file that exists")
    group.add("schema", run_schema, "print the JSON Schema of a configuration, for editors", config=False, json=False)


def run_check(arguments: Namespace, output: Output) -> int:
    from ..errors import ConfigurationError

    name = str(config_file(arguments) or "environment")
    problems: list[Problem] = []
    try:
        load_config(arguments)
    except ConfigurationError as error:
        if not arguments.json:
            raise
        problems = error.problems
    if arguments.json:
        output.json({"config": name, "valid": not problems, "problems": [_described(problem) for problem in problems]})
    else:
        output.text(f"{name}: no problems")
    return Exit.CONFIGURATION if problems else Exit.SUCCESS


def _described(problem: Problem) -> dict[str, Any]:
    return {
        "message": problem.message,
        "path": list(problem.path),
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
    }


def run_init(arguments: Namespace, output: Output) -> int:
    from ..config import template

    file = Path(arguments.file)
    try:
        with file.open("w" if arguments.force else "x", encoding="utf-8") as stream:
            stream.write(template())
    except FileExistsError:
        output.error(f"{file} exists already. --force overwrites it.")
        return Exit.FAILED
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}.") from error
    output.text(f"{file} is written. Next: edit it, then `modelmesh config check {file}`.")
    return Exit.SUCCESS


def run_schema(arguments: Namespace, output: Output) -> int:
    from ..config import json_schema

    output.json(json_schema())
    return Exit.SUCCESS
