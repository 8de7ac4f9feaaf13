"""Output: the one way to standard output and standard error.

On a terminal, rich tables and colour; in a pipe, aligned plain text without a single escape code. ``NO_COLOR`` and
``TERM=dumb`` are honoured. rich is imported only when a terminal is written to.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_NOTHING = "-"
_CONTROL = {code: None for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"}


class Cell(NamedTuple):
    """A value of a table, or a line, that has a style of rich's on a terminal: ``red``, ``bold``, ``dim``."""

    value: object
    style: str

    def __str__(self) -> str:
        return shown(self.value)


class Output:
    """What commands write to. The streams are those of this moment."""

    def __init__(self) -> None:
        self._out: TextIO = sys.stdout
        self._err: TextIO = sys.stderr
        for stream in (self._out, self._err):
            # A model may answer in letters that the other side's encoding lacks; that must not end the answer.
            with contextlib.suppress(AttributeError, ValueError):
                stream.reconfigure(errors="backslashreplace")  # type: ignore[attr-defined]  # pyright: ignore
        self.is_terminal = _is_terminal(self._out)
        self.has_error_terminal = _is_terminal(self._err)

    # --- standard output ---------------------------------------------------------------------------------------------

    def text(self, text: str = "", style: str = "") -> None:
        """One line, or several."""
        if self.is_terminal and style:
            self._console(self._out).print(self._styled(text, style), soft_wrap=True)
        else:
            self.write(text + "\n")

    def write(self, text: str) -> None:
        """``text`` as it is, at once. On a terminal its control characters are left out: it may come from a model."""
        self._out.write(text.translate(_CONTROL) if self.is_terminal else text)
        self._out.flush()

    def json(self, value: Any) -> None:
        """One JSON document."""
        import json

        self.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=str) + "\n")

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """A table; a value may be a Cell. None and empty values show as ``-``."""
        table = [list(row) for row in rows]
        if self.is_terminal:
            self._rich_table(columns, table)
        else:
            self._plain_table(columns, [[shown(value) for value in row] for row in table])

    def _plain_table(self, columns: Sequence[str], rows: list[list[str]]) -> None:
        lines = [[column.upper() for column in columns], *rows]
        widths = [max(len(line[place]) for line in lines) for place in range(len(columns))]
        self.write(
            "".join(
                "  ".join(value.ljust(width) for value, width in zip(line, widths, strict=True)).rstrip() + "\n"
                for line in lines
            )
        )

    def _rich_table(self, columns: Sequence[str], rows: list[list[object]]) -> None:
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(
                *(self._styled(shown(value), value.style if isinstance(value, Cell) else "") for value in row)
            )
        self._console(self._out).print(table)

    def flush(self) -> None:
        """Raises BrokenPipeError if nobody reads any more."""
        self._out.flush()

    # --- standard error ----------------------------------------------------------------------------------------------

    def error(self, text: str) -> None:
        """What went wrong, and what can be done."""
        self._report("error: ", "bold red", text)

    def warning(self, text: str) -> None:
        """What may not be what was meant."""
        self._report("warning: ", "bold yellow", text)

    def _report(self, word: str, style: str, text: str) -> None:
        if self.has_error_terminal:
            line = self._styled(word, style).append(text.translate(_CONTROL), "default not bold")
            self._console(self._err).print(line, soft_wrap=True)
        else:
            self._err.write(f"{word}{text}\n")
            self._err.flush()

    def note(self, text: str) -> None:
        """A dim line beside the result, on a terminal only."""
        if self.has_error_terminal:
            self._console(self._err).print(self._styled(text, "dim"), soft_wrap=True)

    # --- rich --------------------------------------------------------------------------------------------------------

    def _console(self, stream: TextIO) -> Console:
        from rich.console import Console

        return Console(file=stream, highlight=False, markup=False, emoji=False)

    def _styled(self, text: str, style: str) -> Text:
        from rich.text import Text

        return Text(text.translate(_CONTROL), style)


def shown(value: object) -> str:
    """A value of a table as one line."""
    if isinstance(value, Cell):
        value = value.value
    text = _NOTHING if value is None else str(value)
    return " ".join(text.split()) or _NOTHING


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty() and os.environ.get("TERM") != "dumb"
    except ValueError:  # closed
        return False
