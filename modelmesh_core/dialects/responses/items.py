"""What an assistant put out, item by item ↔ one assistant message.

A message says it as ``reasoning_details``, ``content``, ``refusal``, ``annotations`` and ``tool_calls``. Where these
cannot say all of it (calls of tools that the vendor ran, several messages, another order), the items themselves stand
beside them, under VERBATIM.
"""

from __future__ import annotations

from typing import Any

from ...wire.messages import Body
from ...wire.shapes import as_list, as_object, as_text
from .parts import annotation_from_chat, annotation_to_chat
from .reasoning import details_of, is_sealed_here, items_of_details, shown_text, unseal

VERBATIM = "responses_items"
"""Field of an assistant message with all its items as they came, where the other fields cannot say them."""
EXTRA = "modelmesh"
"""Field of an item with what the Responses API has no place for, such as another vendor's ``anthropic_content``."""
MARKS = "extra_content"
"""Field of a function call with a vendor's mark on it."""
_RESERVED = frozenset({"role", "content", "refusal", "annotations", "tool_calls", "reasoning_content", VERBATIM})


def message_of(items: list[Body]) -> Body:
    """The assistant message that ``items`` are. A value of the wrong type counts as absent."""
    said = _Said()
    for item in items:
        said.add(item)
    message = said.message()
    again = items_of(message)
    if _comparable(again, message) != _comparable([item for item in items if not is_sealed_here(item)], message):
        message[VERBATIM] = items
    return message


class _Said:
    """The fields of a message, as its items fill them."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.length = 0
        self.thoughts: list[str] = []
        self.refusals: list[str] = []
        self.lists: dict[str, list[Body]] = {"reasoning_details": [], "annotations": [], "tool_calls": [], "images": []}
        self.extra: Body = {}

    def add(self, item: Body) -> None:
        kind = item.get("type")
        own = as_object(item.get(EXTRA))
        self.extra |= {key: value for key, value in own.items() if key not in _RESERVED}
        for key in ("annotations", "images"):
            self.lists[key] += map(as_object, as_list(self.extra.pop(f"{key}_beside", None)))
        if kind == "reasoning":
            self._reasoning(item)
        elif kind == "message":
            for part in map(as_object, as_list(item.get("content"))):
                self._part(part)
        elif kind in ("function_call", "custom_tool_call"):
            self.lists["tool_calls"].append(call_of(item))
        elif kind == "image_generation_call" and as_text(item.get("result")):
            url = f"data:image/{as_text(item.get('output_format')) or 'png'};base64,{item['result']}"
            self.lists["images"].append({"type": "image_url", "image_url": {"url": url}})

    def _reasoning(self, item: Body) -> None:
        known = self.lists["reasoning_details"]
        known += unseal(item) if is_sealed_here(item) else details_of(item, len(known))
        if text := shown_text(item):
            self.thoughts.append(text)

    def _part(self, part: Body) -> None:
        refused = part.get("refusal")
        if part.get("type") == "refusal" and isinstance(refused, str):
            self.refusals.append(refused)
        text = part.get("text")
        if isinstance(text, str):
            found = map(as_object, as_list(part.get("annotations")))
            self.lists["annotations"] += [annotation_to_chat(one, self.length) for one in found]
            self.texts.append(text)
            self.length += len(text)

    def message(self) -> Body:
        message: Body = {"role": "assistant", "content": "".join(self.texts) if self.texts else None}
        if self.refusals:
            message["refusal"] = "".join(self.refusals)
        if self.thoughts:
            message["reasoning_content"] = "\n\n".join(self.thoughts)
        filled = {key: value for key, value in self.lists.items() if value}
        return {**self.extra, **message, **filled}


def call_of(item: Body) -> Body:
    """A tool call."""
    marks = {MARKS: item[MARKS]} if isinstance(item.get(MARKS), dict) else {}
    identity, name = as_text(item.get("call_id")) or as_text(item.get("id")), as_text(item.get("name"))
    if item.get("type") == "custom_tool_call":
        text = item.get("input")
        own: Body = {"name": name, "input": text if isinstance(text, str) else ""}
        return {"id": identity, "type": "custom", "custom": own, **marks}
    text = item.get("arguments")
    own = {"name": name, "arguments": text if isinstance(text, str) else ""}
    return {"id": identity, "type": "function", "function": own, **marks}


def items_of(message: Body) -> list[Body]:
    """The items that an assistant message is, for sending it to a vendor of the Responses API."""
    kept = [as_object(item) for item in as_list(message.get(VERBATIM))]
    if kept and _still_says(kept, message):
        return kept
    items = items_of_details(as_list(message.get("reasoning_details")))
    if parts := _parts(message):
        items.append({"type": "message", "role": "assistant", "content": parts})
    return items + [item_of_call(as_object(call)) for call in as_list(message.get("tool_calls"))]


def item_of_call(call: Body) -> Body:
    """A tool call as an item."""
    custom = call.get("type") == "custom"
    own = as_object(call.get("custom" if custom else "function"))
    key = "input" if custom else "arguments"
    return {
        "type": "custom_tool_call" if custom else "function_call",
        "call_id": as_text(call.get("id")),
        "name": as_text(own.get("name")),
        key: as_text(own.get(key)),
    }


def _parts(message: Body) -> list[Body]:
    content, parts = message.get("content"), list[Body]()
    texts = [as_object(part).get("text") for part in as_list(content)] if isinstance(content, list) else [content]
    for text in texts:
        if isinstance(text, str) and text:
            parts.append({"type": "output_text", "text": text, "annotations": []})
    if parts:
        found = [annotation_from_chat(as_object(one), 0) for one in as_list(message.get("annotations"))]
        parts[0]["annotations"] = [one for one in found if one is not None]
    if as_text(message.get("refusal")):
        parts.append({"type": "refusal", "refusal": message["refusal"]})
    return parts


def _still_says(items: list[Body], message: Body) -> bool:
    """Whether ``items`` say what the message says: the caller may have edited it."""
    said = _Said()
    for item in items:
        said.add(item)
    own = said.message()
    content = message.get("content")
    parts = [as_text(as_object(part).get("text")) for part in as_list(content)]
    text = content if isinstance(content, str) else "".join(parts)
    calls = [as_object(call).get("id") for call in as_list(message.get("tool_calls"))]
    return (own["content"] or "") == text and [call["id"] for call in as_list(own.get("tool_calls"))] == calls


def _comparable(items: list[Body], message: Body) -> list[Any]:
    """What has to be the same. The ids of messages and calls matter only beside reasoning, which belongs to them."""
    ids_matter = any(item.get("type") == "reasoning" for item in items)
    return [_bare(item, ids_matter) for item in items]


def _bare(item: Body, with_id: bool) -> Body:
    empty: tuple[Any, ...] = (None, [], "completed")
    bare = {key: value for key, value in item.items() if value not in empty and key not in (EXTRA, MARKS)}
    if not with_id and item.get("type") in ("message", "function_call", "custom_tool_call"):
        bare.pop("id", None)
    if item.get("type") == "message":
        parts = map(as_object, as_list(item.get("content")))
        bare["content"] = [{key: value for key, value in part.items() if value not in empty} for part in parts]
    return bare
