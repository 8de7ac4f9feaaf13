"""What the deltas of a streamed chat completion say, as content blocks."""

from __future__ import annotations

from functools import partial
from typing import Any

import orjson

from ...wire.shapes import as_list, as_object, as_text
from .blocks import TOOL, BlockWriter
from .citations import citations_of
from .reading import Json
from .reply import image_block, is_readable, is_redacted, texts_of
from .seals import FORMAT, hidden_block, mark_block, readable_key

TEXT = ("text", None)
THOUGHT = "thought"
_SAYABLE = frozenset({"text", "thinking", "redacted_thinking", "tool_use"})
_SAID_ONCE = frozenset({"type", "format", "id"})
"""Strings that are repeated in each piece; every other string grows."""


class _Call:
    """One tool call while it arrives."""

    __slots__ = ("identity", "is_done", "is_started", "mark", "name", "unsaid")

    def __init__(self) -> None:
        self.identity = self.name = ""
        self.mark: Any = None
        self.unsaid: list[str] = []
        self.is_started = self.is_done = False


class DeltaReader:
    """Reads deltas, in order, into a BlockWriter."""

    def __init__(self, blocks: BlockWriter) -> None:
        self._blocks = blocks
        self._calls: dict[int, _Call] = {}
        self._hidden: dict[Any, Json] = {}
        """Reasoning that nobody can read, until the text has ended."""
        self._citations: list[Json] = []
        """Citations that came before the text, or long after it."""
        self._verbatim: list[Json] = []
        self._unnumbered = 0
        self.is_refused = False

    @property
    def has_calls(self) -> bool:
        """Whether a tool was called."""
        return bool(self._calls)

    def adopt_call(self, index: int) -> None:
        """A call that the vendor's own events began."""
        call = self._calls[index] = _Call()
        call.is_started = call.is_done = True

    def read(self, delta: Json, *, explained: bool = False) -> None:
        """One delta. ``explained``: the vendor tells of a refusal beside it."""
        self._reason(delta)
        for text in texts_of(delta.get("content")):
            self._blocks.when_free(TEXT, partial(self._text, text))
        refusal = as_text(delta.get("refusal"))
        self.is_refused = self.is_refused or bool(refusal)
        if refusal and not explained:
            self._blocks.when_free(TEXT, partial(self._text, refusal))
        for citation in citations_of(delta.get("annotations")):
            self._cite(citation)
        for image in as_list(delta.get("images")):
            if block := image_block(as_object(image)):
                self._blocks.when_free(("image", object()), partial(self._blocks.whole, block))
        for position, call in enumerate(as_list(delta.get("tool_calls"))):
            self._call(as_object(call), position)
        self._verbatim += [as_object(block) for block in as_list(delta.get("anthropic_content"))]

    def finish(self) -> None:
        """Nothing more comes: write what waits, and what of an answer of Anthropic's no delta can say."""
        self._blocks.flush()
        for index, call in self._calls.items():
            if not call.is_started:
                self._start(index, call)
                self._blocks.flush()
        self._show_hidden()
        for call in self._calls.values():
            if call.mark is not None:
                self._blocks.whole(mark_block(call.identity, call.mark))
        if self._citations:
            self._text("")
        for block in self._verbatim:
            kind = as_text(block.get("type"))
            if kind and kind not in _SAYABLE:
                self._blocks.whole(block)
        self._blocks.close()

    def _text(self, text: str) -> None:
        block = self._blocks.enter(TEXT, {"type": "text", "text": ""})
        cited, self._citations = self._citations, []
        for citation in cited:
            self._blocks.delta(block, "citations_delta", citation=citation)
        if text:
            self._blocks.delta(block, "text_delta", text=text)

    def _cite(self, citation: Json) -> None:
        self._citations.append(citation)
        if self._blocks.open_key == TEXT:
            self._text("")

    def _reason(self, delta: Json) -> None:
        details = [as_object(detail) for detail in as_list(delta.get("reasoning_details"))]
        readable = as_text(delta.get("reasoning_content")) or as_text(delta.get("reasoning"))
        if readable and not any(is_readable(detail) for detail in details):
            self._blocks.when_free((THOUGHT, None), partial(self._thought, (THOUGHT, None), readable, "", {}))
        for detail in details:
            number: Any = detail.get("index")
            if not isinstance(number, int):
                self._unnumbered += 1
                number = f"unnumbered {self._unnumbered}"
            self._detail(detail, number)

    def _detail(self, detail: Json, number: Any) -> None:
        text_key = readable_key(detail)
        if text_key is None:
            if is_redacted(detail):
                self._blocks.when_free((THOUGHT, object()), partial(self._blocks.whole, hidden_block(detail)))
            elif detail:
                _grow(self._hidden.setdefault(number, {}), detail)
            return
        text, signature, rest = as_text(detail.get(text_key)), "", {}
        if detail.get("format") == FORMAT and text_key == "text":
            signature = as_text(detail.get("signature"))
        else:
            rest = {key: value for key, value in detail.items() if key != text_key}
        key = (THOUGHT, number)
        self._blocks.when_free(key, partial(self._thought, key, text, signature, rest))

    def _thought(self, key: tuple[str, Any], text: str, signature: str, rest: Json) -> None:
        block = self._blocks.enter(key, {"type": "thinking", "thinking": "", "signature": ""})
        if text:
            self._blocks.delta(block, "thinking_delta", thinking=text)
        if signature:
            self._blocks.delta(block, "signature_delta", signature=signature)
        _grow(block.rest, rest)

    def _call(self, piece: Json, position: int) -> None:
        index = piece.get("index")
        if not isinstance(index, int):
            index = position
        call = self._calls.setdefault(index, _Call())
        function = as_object(piece.get("function"))
        call.identity = as_text(piece.get("id")) or call.identity
        call.name = as_text(function.get("name")) or call.name
        if piece.get("extra_content"):
            call.mark = piece["extra_content"]
        call.unsaid.append(_argument_text(function.get("arguments")))
        if call.is_started:
            self._blocks.when_free((TOOL, index), partial(self._say, index, call))
        elif call.name and call.identity:
            self._start(index, call)

    def _start(self, index: int, call: _Call) -> None:
        call.is_started = True
        call.identity = call.identity or f"call_{index}"
        self._blocks.when_free((TOOL, index), partial(self._say, index, call))

    def _say(self, index: int, call: _Call) -> None:
        """Write what of a call is not written yet. A call that was left is whole: what comes after is no input."""
        key = (TOOL, index)
        if self._blocks.open_key != key:
            if call.is_done:
                return
            call.is_done = True
            if self._citations:
                self._text("")
            self._show_hidden()
            if call.mark is not None:
                self._blocks.whole(mark_block(call.identity, call.mark))
                call.mark = None
        block = self._blocks.enter(key, {"type": "tool_use", "id": call.identity, "name": call.name, "input": {}})
        text = "".join(call.unsaid)
        call.unsaid.clear()
        if text:
            block.arguments.append(text)
            self._blocks.delta(block, "input_json_delta", partial_json=text)

    def _show_hidden(self) -> None:
        hidden, self._hidden = self._hidden, {}
        for detail in hidden.values():
            self._blocks.whole(hidden_block(detail))


def _argument_text(arguments: Any) -> str:
    if isinstance(arguments, dict):
        try:
            return orjson.dumps(arguments).decode()
        except TypeError:
            return ""
    return arguments if isinstance(arguments, str) else ""


def _grow(into: Json, new: Json) -> None:
    for key, value in new.items():
        known = into.get(key) if key not in _SAID_ONCE else None
        into[key] = known + value if isinstance(value, str) and isinstance(known, str) else value
