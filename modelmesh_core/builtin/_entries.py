"""How observability entries are written as JSON, for the sinks that send or keep them."""

from __future__ import annotations

import json
from collections.abc import Sequence

import orjson
from modelmesh_core import Entry


def json_line(entry: Entry) -> str:
    """``entry`` on one line. What JSON has no form for becomes its ``str``, which for a secret is ``***``."""
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":"), default=str)


def json_lines(entries: Sequence[Entry]) -> list[bytes]:
    """One line of UTF-8 an entry, each with its line end."""
    return [_line(entry) for entry in entries]


def _line(entry: Entry) -> bytes:
    try:
        return orjson.dumps(entry, default=str, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # half a surrogate, a number past 64 bits, a key that is no text
        return json_line(entry).encode("utf-8", "backslashreplace") + b"\n"
