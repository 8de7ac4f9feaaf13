"""``modelmesh.console.v1``: one line an entry on standard error."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

import attrs
from modelmesh_core import Entry, ObservabilityConnector, ObservabilitySink, hookimpl, json_line

_PLAIN = re.compile(r"[^\s\"'={}\[\]]+")


@attrs.frozen
class ConsoleOptions:
    """Options of ``modelmesh.console.v1``."""

    format: Literal["text", "json"] = "text"
    """``text`` for people: time, type and ``name=value`` pairs. ``json`` for programs: the whole entry."""


class ConsoleSink(ObservabilitySink):
    """Writes to ``stream`` (default: what ``sys.stderr`` is at that moment)."""

    def __init__(self, options: ConsoleOptions | None = None, stream: TextIO | None = None) -> None:
        self._line = json_line if options is not None and options.format == "json" else text_line
        self._stream = stream

    async def write(self, entries: Sequence[Entry]) -> None:
        text = b"".join(self._line(entry) for entry in entries).decode()
        # Whoever reads the other end of a pipe may be slow.
        await asyncio.to_thread(self._print, text)

    def _print(self, text: str) -> None:
        stream = self._stream or sys.stderr
        encoding = stream.encoding or "utf-8"
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()


def text_line(entry: Entry) -> bytes:
    """``2026-11-23T08:00:00.000Z event name=model_activated model=acme.large`` and a line end, in UTF-8.

    No line end or escape code survives in it.
    """
    words = [_time(entry.get("at")), _word(entry.get("type", "entry"))]
    for name, value in entry.items():
        if name == "data" and isinstance(value, dict):
            words += [_pair(inner, found) for inner, found in value.items()]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        elif name not in ("type", "at"):
            words.append(_pair(name, value))
    return (" ".join(words) + "\n").encode("utf-8", "backslashreplace")


def _time(at: Any) -> str:
    if not isinstance(at, (int, float)):
        return "-"
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _pair(name: Any, value: Any) -> str:
    return f"{_word(name)}={_word(value)}"


def _word(value: Any) -> str:
    if isinstance(value, str) and value.isprintable() and _PLAIN.fullmatch(value):
        return value
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    return text if text.isprintable() else json.dumps(value, separators=(",", ":"), default=str)


@hookimpl
def observability_connectors() -> Iterable[ObservabilityConnector]:
    yield ObservabilityConnector(
        id="modelmesh.console.v1",
        create=ConsoleSink,
        options=ConsoleOptions,
        description="One line an entry on standard error.",
    )
