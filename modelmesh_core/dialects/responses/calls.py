"""The tool calls of an answer while they grow."""

from __future__ import annotations

from typing import Protocol

from ...wire.messages import Body
from ...wire.shapes import as_object, as_text
from .growing import GrowingItem
from .items import MARKS


class _Items(Protocol):
    def open(self, item: Body) -> GrowingItem: ...

    def new_id(self, prefix: str) -> str: ...


class _Call:
    def __init__(self) -> None:
        self.id = self.name = ""
        self.custom = False
        self.marks: Body = {}
        self.waiting: list[str] = []
        """Arguments that came before the name."""
        self.item: GrowingItem | None = None


class CallItems:
    """By the index that a chat completion's pieces carry. A call begins as an item once its name is known."""

    def __init__(self, items: _Items) -> None:
        self._items = items
        self._calls: dict[int, _Call] = {}

    def take(self, piece: Body, position: int) -> None:
        """More of a call; ``position`` stands in for an index that is missing."""
        index = piece.get("index")
        call = self._calls.setdefault(index if isinstance(index, int) else position, _Call())
        call.custom = call.custom or piece.get("type") == "custom" or "custom" in piece
        own = as_object(piece.get("custom" if call.custom else "function"))
        call.id = call.id or as_text(piece.get("id"))
        call.name = call.name or as_text(own.get("name"))
        call.marks |= as_object(piece.get(MARKS))
        text = as_text(own.get("input" if call.custom else "arguments"))
        if call.item is None and call.name:
            self._begin(call)
        if call.item is None:
            call.waiting.append(text)
        elif text:
            call.item.argue(text)
        if call.item is not None and call.marks:
            call.item.item[MARKS] = call.marks

    def flush(self) -> None:
        """Begin what never got a name."""
        for call in self._calls.values():
            if call.item is None:
                self._begin(call)

    def _begin(self, call: _Call) -> None:
        item: Body = {
            "id": self._items.new_id("ctc" if call.custom else "fc"),
            "type": "custom_tool_call" if call.custom else "function_call",
            "call_id": call.id or self._items.new_id("call"),
            "name": call.name,
            "input" if call.custom else "arguments": "",
        }
        call.item = self._items.open(item if call.custom else {**item, "status": "in_progress"})
        for text in call.waiting:
            call.item.argue(text)
        call.waiting.clear()
