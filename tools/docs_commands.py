"""The commands of ``modelmesh`` and their options, as Markdown: read from the parser that runs them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from modelmesh_core.cli import _parser

_SHARED = ("-h", "--config", "--json", "--verbose")


def commands() -> str:
    """Every command with its arguments and options, the shared options named only."""
    return "\n".join(line for parser in _leaves(_parser()) for line in _command(parser))


def _leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        yield parser
    for choices in below:
        for child in choices.choices.values():
            yield from _leaves(child)


def _command(parser: argparse.ArgumentParser) -> Iterator[str]:
    own = [action for action in parser._actions if action.option_strings[:1] != ["-h"]]
    shared = [action for action in own if action.option_strings and action.option_strings[0] in _SHARED]
    yield f"### `{parser.prog}`"
    yield ""
    yield (parser.description or "").replace("${secrets:NAME}", "`${secrets:NAME}`")
    yield ""
    rows = [action for action in own if action not in shared]
    if rows:
        yield "| argument | meaning |"
        yield "|---|---|"
        for action in rows:
            text = (action.help or "").replace("%(default)s", str(action.default)).replace("|", "&#124;")
            yield f"| `{_written(action)}` | {text} |"
        yield ""
    if shared:
        yield f"Also {', '.join(f'`{_written(action)}`' for action in shared)}."
        yield ""


def _written(action: argparse.Action) -> str:
    name = action.option_strings[0] if action.option_strings else ""
    value = action.metavar or ("" if action.nargs == 0 else "|".join(map(str, action.choices or ())))
    text = f"{name} {value}".strip()
    return f"[{text}]" if not name and action.nargs == "?" else text.replace("|", "&#124;")
