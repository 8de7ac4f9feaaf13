"""Which of a vendor's own events go on with the message that the caller is being told."""

from __future__ import annotations

from typing import Any

from ...wire.shapes import as_object, as_text
from .blocks import TOOL, BlockWriter, Key, OpenBlock
from .pieces import TEXT, THOUGHT, DeltaReader
from .reading import Json


class Forwarder:
    """Follows the events that are handed on, so that another model's answer can go on where they end."""

    def __init__(self, blocks: BlockWriter, deltas: DeltaReader) -> None:
        self._blocks = blocks
        self._deltas = deltas
        self._is_started = self._is_ending = False
        self._open: dict[int, OpenBlock] = {}
        self._calls = self._thoughts = 0

    def take(self, kind: str, body: Json) -> bool:
        """Whether the event is the next of this message. A second beginning is none: another model has taken over."""
        if kind == "message_start":
            is_first, self._is_started = not self._is_started, True
            return is_first
        if not self._is_started:
            return not kind.startswith(("content_block_", "message_"))
        index = body.get("index")
        if kind == "content_block_start":
            return self._begin(index, as_object(body.get("content_block")))
        if kind == "content_block_delta":
            block = self._open.get(index) if isinstance(index, int) else None
            if block is not None:
                piece = as_text(as_object(body.get("delta")).get("partial_json"))
                block.arguments += [piece] if piece else []
            return block is not None
        if kind == "content_block_stop":
            block = self._open.pop(index, None) if isinstance(index, int) else None
            if block is not None:
                self._blocks.forget(block.index)
            return block is not None
        if kind == "message_delta":
            self._is_ending = not self._open
            return self._is_ending
        return True

    def _begin(self, index: Any, block: Json) -> bool:
        if not isinstance(index, int) or index < self._blocks.next_index or self._open or self._is_ending:
            return False
        self._open[index] = self._blocks.adopt(index, self._key(index, as_text(block.get("type"))))
        return True

    def _key(self, index: int, kind: str) -> Key:
        if kind == "text":
            return TEXT
        if kind in ("thinking", "redacted_thinking"):
            self._thoughts += 1
            return (THOUGHT, self._thoughts - 1)
        if kind == "tool_use":
            self._calls += 1
            self._deltas.adopt_call(self._calls - 1)
            return (TOOL, self._calls - 1)
        return ("whole", index)
