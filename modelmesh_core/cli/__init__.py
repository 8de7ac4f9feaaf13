"""The command line: ``modelmesh chat``, ``serve``, ``explain``, ``doctor`` and the rest.

Importing it, and printing its help, costs argparse and nothing more: each command imports what it needs when it runs.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

from . import capabilities, chaos, chat, config, connectors, doctor, explain, keys, models, pools, quota, secrets, serve
from .exits import Exit, UsageError, exit_of
from .parser import EXIT_CODES, Commands, add_verbose

if TYPE_CHECKING:
    from .output import Output

__all__ = ["Exit", "main"]

_GROUPS = (chat, serve, explain, chaos, config, connectors, models, pools, quota, keys, capabilities, secrets, doctor)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (without the program's name; default: ``sys.argv``) and return its exit code."""
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as stop:  # argparse has printed help, the version, or what is wrong
        return stop.code if isinstance(stop.code, int) else Exit.USAGE
    from .output import Output

    verbose = getattr(arguments, "verbose", False)
    output = Output()
    try:
        with _logging("DEBUG" if verbose else getattr(arguments, "log_level", None)):
            code = int(arguments.run(arguments, output))
            output.flush()
        return code
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        _abandon_output()
        return Exit.BROKEN_PIPE
    except Exception as error:
        return _failed(error, output, verbose=verbose)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="modelmesh",
        description="Ask for a capability, not a vendor: route AI requests over pools of models.",
        epilog=f"`modelmesh COMMAND --help` tells more about a command.\n\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"modelmesh {_version()}")
    add_verbose(parser)
    commands = Commands(parser, "command")
    for group in _GROUPS:
        group.declare(commands)
    return parser


def _version() -> str:
    from .. import __version__

    return __version__


@contextlib.contextmanager
def _logging(level: str | None) -> Generator[None]:
    """What the mesh logs from ``level`` on goes to standard error; without one, warnings do, as is Python's habit."""
    if level is None:
        yield
        return
    import logging

    logger = logging.getLogger("modelmesh")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def _failed(error: Exception, output: Output, *, verbose: bool) -> int:
    from ..errors import ModelMeshError

    if verbose:
        import traceback

        traceback.print_exception(error)
    if isinstance(error, (ModelMeshError, UsageError, OSError)):
        output.error(str(error))
    else:
        advice = "" if verbose else " This is a bug; --verbose shows where it happened."
        output.error(f"{type(error).__name__}: {error}{advice}")
    return exit_of(error)


def _abandon_output() -> None:
    """Point standard output nowhere, so that the interpreter's own flush at exit has nobody to miss."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
