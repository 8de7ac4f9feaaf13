"""The turns of a Messages request → messages.

A user's turn with tool results becomes a message of role ``tool`` for each, and one of role ``user`` for what else it
says. An assistant's turn whose blocks the fields of a message cannot say, in their order, also keeps them as they came,
in ``anthropic_content``.
"""

from __future__ import annotations

from typing import Any

from ...wire.shapes import as_list, as_object, as_text
from .citations import annotations_of, own_citations
from .native import anthropic_blocks
from .parts import as_plain, blocks_at, content_of, part_of
from .reading import Json, flag_at, json_at, list_at, name_at, object_at, text_at, without, wrong
from .seals import FORMAT, details_in_order, is_sealed, opened, readable_key

VERBATIM = "anthropic_content"
"""Field of an assistant message with all its blocks as they came, where the other fields cannot say them."""

_RANKS = {"thinking": 0, "redacted_thinking": 0, "text": 1, "tool_use": 2}
_SAYABLE = {
    "text": frozenset({"type", "text", "cache_control", "citations"}),
    "thinking": frozenset({"type", "thinking", "signature"}),
    "redacted_thinking": frozenset({"type", "data"}),
    "tool_use": frozenset({"type", "id", "name", "input", "cache_control"}),
}


def messages_of(value: Any) -> list[Json]:
    """The messages. Raises DialectError for what cannot be understood."""
    turns = list_at(value, "messages")
    if not turns:
        raise wrong("messages", "at least one message")
    return [message for number, turn in enumerate(turns) for message in _messages(turn, f"messages.{number}")]


def _messages(turn: Any, place: str) -> list[Json]:
    given = object_at(turn, place)
    role, content, at = given.get("role"), given.get("content"), f"{place}.content"
    rest = without(given, "role", "content")
    if role == "assistant":
        return [{**rest, **_Answer(at).read(content)}]
    if role not in ("user", "system"):
        raise wrong(f"{place}.role", "user or assistant")
    if isinstance(content, str) or role == "system":
        return [{**rest, "role": role, "content": content_of(content, at)}]
    results: list[Json] = []
    parts: list[Json] = []
    for block, where in blocks_at(content, at):
        if block["type"] == "tool_result":
            results.append(_tool_result(block, where))
        else:
            parts.append(part_of(block, where))
    said = [{"role": "user", "content": as_plain(parts)}] if parts or not results else []
    messages = [*results, *said]
    messages[-1] = {**rest, **messages[-1]}
    return messages


def _tool_result(block: Json, place: str) -> Json:
    content = block.get("content")
    message: Json = {
        "role": "tool",
        "tool_call_id": name_at(block.get("tool_use_id"), f"{place}.tool_use_id"),
        "content": "" if content is None else content_of(content, f"{place}.content"),
    }
    if block.get("is_error") is not None:
        message["is_error"] = flag_at(block["is_error"], f"{place}.is_error")
    return {**without(block, "type", "tool_use_id", "content", "is_error"), **message}


class _Answer:
    """Reads an assistant's turn."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._parts: list[Json] = []
        self._thoughts: list[str] = []
        self._details: list[Json] = []
        self._calls: list[Json] = []
        self._marks: dict[str, Any] = {}
        self._annotations: list[Json] = []
        self._images: list[Json] = []
        self._length = 0
        self._is_foreign = False
        """Whether it came from another vendor, whose answers have one text."""

    def read(self, content: Any) -> Json:
        """The message. Raises DialectError for what cannot be understood."""
        if isinstance(content, str):
            return {"role": "assistant", "content": content}
        blocks = blocks_at(content, self._place)
        for block, place in blocks:
            self._take(block, place)
        for call in self._calls:
            if call["id"] in self._marks:
                call["extra_content"] = self._marks[call["id"]]
        plain = all(part.keys() == {"type", "text"} for part in self._parts)
        text = "".join(part["text"] for part in self._parts) if plain and self._is_foreign else as_plain(self._parts)
        message: Json = {"role": "assistant", "content": text or (None if self._calls else "")}
        fields = {
            "reasoning_content": "".join(self._thoughts),
            "reasoning_details": details_in_order(self._details),
            "tool_calls": self._calls,
            "annotations": self._annotations,
            "images": self._images,
            VERBATIM: _verbatim([block for block, _ in blocks]),
        }
        return message | {key: value for key, value in fields.items() if value}

    def _take(self, block: Json, place: str) -> None:
        kind = block["type"]
        if kind == "text":
            self._text(block, place)
        elif kind == "thinking":
            self._thought(text_at(block.get("thinking"), f"{place}.thinking"), block.get("signature"), place)
        elif kind == "redacted_thinking":
            self._hidden(text_at(block.get("data"), f"{place}.data"))
        elif kind == "tool_use":
            self._call(block, place)
        elif kind == "image":
            image = part_of(block, place)
            if image["type"] == "image_url":
                self._images.append(image)

    def _text(self, block: Json, place: str) -> None:
        text = text_at(block.get("text"), f"{place}.text")
        citations = block.get("citations")
        if citations is not None:
            found = [as_object(one) for one in list_at(citations, f"{place}.citations")]
            self._annotations += annotations_of(found, self._length, self._length + len(text))
        mark = {"cache_control": block["cache_control"]} if block.get("cache_control") is not None else {}
        self._length += len(text)
        if text:
            self._parts.append({"type": "text", "text": text, **mark})

    def _thought(self, text: str, signature: Any, place: str) -> None:
        self._thoughts.append(text)
        if signature is None or text_at(signature, f"{place}.signature") == "":
            self._is_foreign = True
        elif is_sealed(signature):
            self._is_foreign = True
            kept = opened(signature)
            if key := readable_key(kept):
                self._details.append({**kept, key: text})
        else:
            signed = {"type": "reasoning.text", "text": text, "signature": signature}
            self._details.append({**signed, "format": FORMAT, "index": len(self._details)})

    def _hidden(self, data: str) -> None:
        if not is_sealed(data):
            own = {"type": "reasoning.encrypted", "data": data, "format": FORMAT, "index": len(self._details)}
            self._details.append(own)
            return
        self._is_foreign = True
        kept = opened(data)
        if call := as_text(kept.get("tool_call")):
            self._marks[call] = kept.get("extra_content")
        elif as_text(kept.get("type")):
            self._details.append(kept)

    def _call(self, block: Json, place: str) -> None:
        arguments = json_at(object_at(block.get("input"), f"{place}.input"), f"{place}.input")
        function = {"name": name_at(block.get("name"), f"{place}.name"), "arguments": arguments}
        call: Json = {"id": name_at(block.get("id"), f"{place}.id"), "type": "function", "function": function}
        if block.get("cache_control") is not None:
            call["cache_control"] = block["cache_control"]
        self._calls.append(call)


def _verbatim(blocks: list[Json]) -> list[Json]:
    """The blocks that Anthropic is to be sent as they came; none where the fields of the message say it all."""
    own = anthropic_blocks(blocks)
    ranks = [_RANKS.get(block["type"], -1) for block in own]
    if -1 in ranks or ranks != sorted(ranks) or not all(map(_is_sayable, own)):
        return own
    return []


def _is_sayable(block: Json) -> bool:
    if as_list(block.get("citations")) and own_citations(block):
        return False
    said = {key for key, value in block.items() if value is not None}
    if as_object(block.get("caller")).get("type", "direct") == "direct":
        said.discard("caller")
    return said <= _SAYABLE[block["type"]]
