"""One item of an answer while it grows, and the events that tell of it."""

from __future__ import annotations

from typing import Any

import attrs
import orjson

from ...wire.messages import Body


class EventLog:
    """Numbers events and writes them down; ``muted``, it does neither."""

    def __init__(self) -> None:
        self.number = 0
        self.muted = False
        self._written: list[bytes] = []

    def add(self, kind: str, **fields: Any) -> None:
        """One event."""
        if self.muted:
            return
        body = {"type": kind, "sequence_number": self.number, **fields}
        self._written += (b"event: ", kind.encode(), b"\ndata: ", orjson.dumps(body), b"\n\n")
        self.number += 1

    def take(self) -> bytes:
        """What was written since the last time."""
        written, self._written = b"".join(self._written), []
        return written


@attrs.frozen
class _Words:
    """How events speak of one type of part."""

    field: str
    text: str
    part: str = "response.content_part"
    place: str = "content"

    @property
    def index_key(self) -> str:
        return f"{self.place}_index"


_WORDS = {
    "output_text": _Words("text", "response.output_text"),
    "refusal": _Words("refusal", "response.refusal"),
    "reasoning_text": _Words("text", "response.reasoning_text"),
    "summary_text": _Words(
        "text", "response.reasoning_summary_text", "response.reasoning_summary_part", place="summary"
    ),
}
_ARGUMENTS = {
    "function_call": ("arguments", "response.function_call_arguments"),
    "custom_tool_call": ("input", "response.custom_tool_call_input"),
}
PART_OF_EVENT = {words.text: kind for kind, words in _WORDS.items()}
"""The name of an event, without its ending → the type of the part that it is about."""
ARGUMENT_EVENTS = frozenset(name for _, name in _ARGUMENTS.values())


class _Part:
    def __init__(self, kind: str, index: int) -> None:
        self.kind, self.index = kind, index
        self.key: Any = None
        self.pieces: list[str] = []
        self.annotations: list[Body] = []
        self.logprobs: list[Body] = []
        self.is_said = False
        """Whether its text has ended already, as a vendor's own events told."""

    def body(self) -> Body:
        made: Body = {"type": self.kind, _WORDS[self.kind].field: "".join(self.pieces)}
        if self.kind == "output_text":
            made |= {"annotations": list(self.annotations), "logprobs": list(self.logprobs)}
        return made


class GrowingItem:
    """A message, a reasoning item or a tool call, from its beginning to its end."""

    def __init__(self, log: EventLog, item: Body, index: int) -> None:
        self.item = item
        self.index = index
        self.is_open = True
        self._log = log
        self._parts: list[_Part] = []
        self._open: _Part | None = None
        self._arguments: list[str] = []
        self._is_argued = False
        log.add("response.output_item.added", output_index=index, item=item)

    @property
    def kind(self) -> str:
        return str(self.item.get("type"))

    def say(self, kind: str, text: str, key: Any = None, logprobs: list[Body] | None = None) -> None:
        """More of a part of type ``kind``; another ``key`` begins another part."""
        part, words = self.part(kind, key), _WORDS[kind]
        part.pieces.append(text)
        fields: Body = {"delta": text}
        if kind == "output_text":
            part.logprobs += logprobs or []
            fields["logprobs"] = logprobs or []
        self._log.add(f"{words.text}.delta", **self._place(part), **fields)

    def part(self, kind: str, key: Any = None) -> _Part:
        """The part that is open, or a new one."""
        known = self._open
        if known is not None and (known.kind, known.key, known.is_said) == (kind, key, False):
            return known
        self._close_part()
        place = _WORDS[kind].place
        part = _Part(kind, sum(_WORDS[one.kind].place == place for one in self._parts))
        part.key = key
        self._parts.append(part)
        self._open = part
        self._log.add(f"{_WORDS[kind].part}.added", **self._place(part), part=part.body())
        return part

    def annotate(self, annotation: Body) -> None:
        """A citation in what was said; it belongs to the text that was said last."""
        texts = [part for part in self._parts if part.kind == "output_text"]
        if not texts:
            return
        part = texts[-1]
        part.annotations.append(annotation)
        count = len(part.annotations) - 1
        if self.is_open:  # what comes after the end of its message stands in the whole response only
            place = {**self._place(part), "annotation_index": count}
            self._log.add("response.output_text.annotation.added", **place, annotation=annotation)

    def argue(self, text: str) -> None:
        """More of a call's arguments."""
        self._arguments.append(text)
        if text and self.kind in _ARGUMENTS:
            self._log.add(f"{_ARGUMENTS[self.kind][1]}.delta", **self._where(), delta=text)

    def close(self, status: str = "completed", **fields: Any) -> None:
        """The end of the item."""
        if not self.is_open:
            return
        self.is_open = False
        self._close_part()
        if self.kind in _ARGUMENTS:
            key, name = _ARGUMENTS[self.kind]
            self.item = {**self.item, key: "".join(self._arguments)}
            named = {"name": self.item.get("name")} if key == "arguments" else {}
            if not self._is_argued:
                self._log.add(f"{name}.done", **self._where(), **named, **{key: self.item[key]})
        self.item = self.snapshot() | fields
        if "status" in self.item:
            self.item["status"] = status
        self._log.add("response.output_item.done", output_index=self.index, item=self.item)

    @property
    def has_text(self) -> bool:
        """Whether there is something to cite."""
        return any(part.kind == "output_text" for part in self._parts)

    def end_text(self) -> None:
        """The vendor's own events told the end of a text, or of arguments."""
        if self._open is not None:
            self._open.is_said = True
        self._is_argued = self.kind in _ARGUMENTS

    def end_part(self) -> None:
        """The vendor's own events told the end of a part."""
        self._open = None

    def replace(self, item: Body) -> None:
        """The item as its own vendor ended it."""
        self.item, self.is_open, self._open = item, False, None
        self._parts.clear()

    def snapshot(self) -> Body:
        """The item as far as it has grown."""
        made = dict(self.item)
        for place in ("summary", "content"):
            if parts := [part.body() for part in self._parts if _WORDS[part.kind].place == place]:
                made[place] = parts
        if self.is_open and self.kind in _ARGUMENTS:
            made[_ARGUMENTS[self.kind][0]] = "".join(self._arguments)
        return made

    def _close_part(self) -> None:
        part, self._open = self._open, None
        if part is None:
            return
        words, body = _WORDS[part.kind], part.body()
        logprobs = {"logprobs": body["logprobs"]} if "logprobs" in body else {}
        if not part.is_said:
            self._log.add(f"{words.text}.done", **self._place(part), **{words.field: body[words.field]}, **logprobs)
        self._log.add(f"{words.part}.done", **self._place(part), part=body)

    def _where(self) -> Body:
        return {"item_id": self.item.get("id"), "output_index": self.index}

    def _place(self, part: _Part) -> Body:
        return {**self._where(), _WORDS[part.kind].index_key: part.index}
