"""The content blocks of a streamed answer, put together from their pieces."""

from __future__ import annotations

from typing import Any

import orjson
from modelmesh_core import Json, as_text


class OpenBlock:
    """One content block while it arrives."""

    __slots__ = ("_pieces", "block", "call", "detail", "is_open", "start")

    def __init__(self, block: Json) -> None:
        self.block = dict(block)
        self.is_open = True
        self.start = 0
        """Character of the answer at which its text begins."""
        self.call: int | None = None
        """Its index among the tool calls."""
        self.detail: int | None = None
        """Its index among the reasoning blocks."""
        self._pieces: dict[str, list[str]] = {}

    def add(self, delta: Json) -> None:
        """Take a piece in. Fields of the piece grow those of the block, whatever the vendor names them."""
        if delta.get("type") == "citations_delta":
            known = self.block.get("citations")
            self.block["citations"] = [*(known if isinstance(known, list) else ()), delta.get("citation")]  # pyright: ignore[reportUnknownVariableType]
            return
        for key, value in delta.items():
            if key != "type" and isinstance(value, str):
                self._pieces.setdefault(key, []).append(value)

    def text(self, key: str) -> str:
        """What pieces named ``key`` say so far."""
        return "".join(self._pieces.get(key, ()))

    def whole(self) -> Json:
        """The block as a whole answer would hold it."""
        made = dict(self.block)
        for key in self._pieces:
            if key != "partial_json":
                made[key] = as_text(made.get(key)) + self.text(key)
        if self.text("partial_json").strip():
            made["input"] = _decoded(self.text("partial_json"))
        return made


def _decoded(text: str) -> Any:
    try:
        return orjson.loads(text)
    except ValueError:
        return text  # cut short by max_tokens: kept as it is
