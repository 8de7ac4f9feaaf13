"""The content blocks of a streamed message, written one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from .reading import Json
from .seals import sealed

Key = tuple[str, Any]
"""A block's kind, and which of its kind: another piece of the same key goes into the same block while it is open."""
Action = Callable[[], None]
TOOL = "tool"


class OpenBlock:
    """One block while it is written."""

    __slots__ = ("arguments", "index", "key", "rest")

    def __init__(self, index: int, key: Key) -> None:
        self.index = index
        self.key = key
        self.arguments: list[str] = []
        """Of a tool call, so far."""
        self.rest: Json = {}
        """Of a thought that is not Anthropic's: what goes into its seal."""


class BlockWriter:
    """Writes blocks, of which one is open at a time.

    A tool call stays open until its input is whole, or nothing else comes: what other blocks say meanwhile waits.
    """

    def __init__(self, emit: Callable[[Json], None]) -> None:
        self._emit = emit
        self._open: OpenBlock | None = None
        self._next = 0
        self._waiting: list[tuple[Key, Action]] = []

    @property
    def next_index(self) -> int:
        """Of the next block."""
        return self._next

    @property
    def open_key(self) -> Key | None:
        """Of the block that is open."""
        return self._open.key if self._open else None

    def when_free(self, key: Key, action: Action) -> None:
        """Do ``action``, which writes a piece of the block of ``key``, as soon as that block can be written."""
        if self.open_key == key:
            action()
            if self._waiting:
                self._go_on()
        elif self._waiting or not self._may_close():
            self._waiting.append((key, action))
        else:
            action()

    def flush(self) -> None:
        """Write what waits, whether the open tool call is whole or not: nothing more comes."""
        while self._waiting:
            self._next_in_line()

    def enter(self, key: Key, block: Json) -> OpenBlock:
        """The open block of ``key``, which starts as ``block`` if it is not open."""
        if self._open is not None and self._open.key == key:
            return self._open
        self.close()
        self._open = opened = OpenBlock(self._next, key)
        self._next += 1
        self._emit({"type": "content_block_start", "index": opened.index, "content_block": block})
        return opened

    def delta(self, block: OpenBlock, kind: str, **said: Any) -> None:
        """A piece of ``block``."""
        self._emit({"type": "content_block_delta", "index": block.index, "delta": {"type": kind, **said}})

    def whole(self, block: Json) -> None:
        """A block that comes in one piece."""
        self.enter(("whole", self._next), block)
        self.close()

    def close(self) -> None:
        """End the open block, if there is one."""
        block, self._open = self._open, None
        if block is None:
            return
        if block.rest:
            self.delta(block, "signature_delta", signature=sealed(block.rest))
        self._emit({"type": "content_block_stop", "index": block.index})

    def adopt(self, index: int, key: Key) -> OpenBlock:
        """Go on in a block that the vendor itself started."""
        self._next = max(self._next, index + 1)
        self._open = OpenBlock(index, key)
        return self._open

    def forget(self, index: int) -> None:
        """The vendor itself has ended its block."""
        if self._open is not None and self._open.index == index:
            self._open = None

    def _go_on(self) -> None:
        while self._waiting and self._may_close():
            self._next_in_line()

    def _next_in_line(self) -> None:
        key = self._waiting[0][0]
        mine = [action for own, action in self._waiting if own == key]
        self._waiting = [(own, action) for own, action in self._waiting if own != key]
        for action in mine:
            action()

    def _may_close(self) -> bool:
        block = self._open
        if block is None or block.key[0] != TOOL:
            return True
        try:
            orjson.loads("".join(block.arguments))
        except ValueError:
            return False
        return True
