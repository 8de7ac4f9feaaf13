"""How commands are declared: what every command line shares. Imports argparse and nothing heavier."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .output import Output

Run = Callable[[argparse.Namespace, "Output"], int]
"""A command: does its work, writes to the Output, returns the exit code. Errors are raised, and told by ``main``."""

EXIT_CODES = """\
exit codes:
  0  success
  1  what was asked for failed: every provider refused, or a check found a problem
  2  wrong usage
  3  mistakes in the configuration, or a secret or connector that it names is missing
  4  nothing goes by that name, or no model can serve it now
  130  interrupted
"""

CONFIG_HELP = (
    "configuration file; default: $MODELMESH_CONFIG, else ./modelmesh.yaml, else the providers whose variables are set"
)


class Commands:
    """A parser's commands, each with the options that all share."""

    def __init__(self, parser: argparse.ArgumentParser, dest: str) -> None:
        self._parsers = parser.add_subparsers(dest=dest, metavar="COMMAND", required=True, title="commands")
        self._dest = dest

    def add(
        self,
        name: str,
        run: Run,
        summary: str,
        *,
        details: str = "",
        examples: str = "",
        config: bool = True,
        json: bool = True,
    ) -> argparse.ArgumentParser:
        """Declare a command. ``config`` and ``json`` give it the options of these names."""
        parser = self._parser(name, summary, details, examples)
        parser.set_defaults(run=run)
        if config:
            parser.add_argument("--config", metavar="FILE", help=CONFIG_HELP)
        if json:
            parser.add_argument("--json", action="store_true", help="print JSON, for programs")
        add_verbose(parser)
        return parser

    def group(self, name: str, summary: str) -> Commands:
        """Declare a command that has commands of its own."""
        return Commands(self._parser(name, summary, "", ""), f"{self._dest}_{name}")

    def _parser(self, name: str, summary: str, details: str, examples: str) -> argparse.ArgumentParser:
        description = f"{summary[0].upper()}{summary[1:]}.\n\n{details}".strip()
        return self._parsers.add_parser(
            name,
            help=summary,
            description=description,
            epilog=f"examples:\n{examples}" if examples else None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )


def add_verbose(parser: argparse.ArgumentParser) -> None:
    """``--verbose`` may stand before and after the command's name."""
    parser.add_argument(
        "--verbose",
        action="store_true",
        default=argparse.SUPPRESS,
        help="log to standard error what happens, and show the traceback of an error",
    )


def whole_number(lowest: int, highest: int | None = None) -> Callable[[str], int]:
    """For ``type=``: a whole number within these limits, both included."""
    limits = f"from {lowest} up" if highest is None else f"from {lowest} to {highest}"

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = lowest - 1
        if number < lowest or (highest is not None and number > highest):
            raise argparse.ArgumentTypeError(f"expected a whole number {limits}, found {text!r}")
        return number

    return read


def time_span(text: str) -> float:
    """For ``type=``: seconds in a duration such as ``30d`` or ``90s``."""
    from ..values import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
