"""The content blocks of a streamed answer, put together from their pieces."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import attrs
import orjson
from modelmesh_core import Json, as_list, as_object, as_objects, as_text


@attrs.define
class OpenBlock:
    """One content block while it arrives."""

    start: Json
    """What ``contentBlockStart`` said; empty for blocks that begin with their first piece."""
    begins_at: int
    """Character of the answer at which its text begins."""
    call: int | None = None
    """Its index among the tool calls."""
    detail: int | None = None
    """Its index among the reasoning blocks."""
    is_open: bool = True
    citations: list[Json] = attrs.field(factory=list[Json])
    results: list[Any] = attrs.field(factory=list[Any])
    image: Json = attrs.field(factory=dict[str, Any])
    unknown: Json = attrs.field(factory=dict[str, Any])
    _pieces: dict[str, list[str]] = attrs.field(factory=dict[str, list[str]], init=False)

    def add(self, key: str, piece: str) -> None:
        self._pieces.setdefault(key, []).append(piece)

    def text(self, key: str) -> str:
        """What pieces named ``key`` say so far."""
        return "".join(self._pieces.get(key, ()))

    @property
    def use(self) -> Json:
        """The tool call that began; empty for other blocks."""
        return as_object(self.start.get("toolUse"))

    @property
    def redacted(self) -> str:
        """Encrypted reasoning: its pieces are each encoded, so they are joined as bytes."""
        pieces = self._pieces.get("redacted", [])
        if len(pieces) < 2:
            return "".join(pieces)
        try:
            return base64.b64encode(b"".join(base64.b64decode(piece) for piece in pieces)).decode()
        except (binascii.Error, ValueError):
            return "".join(pieces)

    @property
    def input(self) -> Any:
        """A tool's input; text that is no JSON, cut short by ``max_tokens``, is kept as it is."""
        text = self.text("input")
        if not text.strip():
            return self.use.get("input", {})
        try:
            return orjson.loads(text)
        except ValueError:
            return text

    def whole(self) -> Json:
        """The block as a whole answer would hold it."""
        if self.use:
            return {"toolUse": {**self.use, "input": self.input}}
        if "toolResult" in self.start:
            return {"toolResult": {**as_object(self.start["toolResult"]), "content": self.results}}
        if "image" in self.start or self.image:
            return {"image": {**as_object(self.start.get("image")), **self.image}}
        if self.detail is not None:
            return {"reasoningContent": self._reasoning()}
        if self.citations:
            return {"citationsContent": {"content": [{"text": self.text("text")}], "citations": self.citations}}
        return {"text": self.text("text")} if self.text("text") or not self._rest() else self._rest()

    def _rest(self) -> Json:
        return {**self.start, **self.unknown}

    def _reasoning(self) -> Json:
        if self.redacted and not self.text("reasoning"):
            return {"redactedContent": self.redacted}
        signature = self.text("signature")
        return {
            "reasoningText": {"text": self.text("reasoning"), **({"signature": signature} if signature else {})},
            **({"redactedContent": self.redacted} if self.redacted else {}),
        }


def take_in(block: OpenBlock, delta: Json) -> None:
    """Add a ``contentBlockDelta`` to its block."""
    thought = as_object(delta.get("reasoningContent"))
    for key, piece in (
        ("text", delta.get("text")),
        ("input", as_object(delta.get("toolUse")).get("input")),
        ("reasoning", thought.get("text")),
        ("signature", thought.get("signature")),
        ("redacted", thought.get("redactedContent")),
    ):
        if as_text(piece):
            block.add(key, as_text(piece))
    if citation := as_object(delta.get("citation")):
        block.citations.append(citation)
    block.results += as_objects(as_list(delta.get("toolResult")))
    block.image |= as_object(delta.get("image"))
    known = ("text", "toolUse", "reasoningContent", "citation", "toolResult", "image", "p")
    block.unknown |= {key: value for key, value in delta.items() if key not in known}
