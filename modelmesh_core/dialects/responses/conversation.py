"""``instructions`` and ``input`` of the Responses API ↔ messages."""

from __future__ import annotations

from typing import Any

from ...wire.messages import Body
from ...wire.shapes import as_text
from ..protocol import DialectError
from .checks import objects_of, text_at, wrong
from .items import items_of, message_of
from .parts import checked_output, content_from_chat, content_to_chat

_SPEAKERS = ("user", "system", "developer")
_OUTPUTS = {"function_call_output": "function_call", "custom_tool_call_output": "custom_tool_call"}
_OF_A_MESSAGE = frozenset({"type", "id", "status", "role", "content"})
_OF_A_RESULT = frozenset({"type", "id", "status", "call_id", "output"})


def messages_of(instructions: Any, given: Any) -> list[Body]:
    """The conversation. What the assistant put out between two turns of the others is one message.

    Ids and states of the user's own items mean nothing outside the vendor that gave them, and are left out.
    Raises DialectError for an item that cannot be understood, or refers to one that a vendor keeps.
    """
    messages: list[Body] = []
    if instructions is not None:
        if not isinstance(instructions, str):
            raise wrong("instructions", "a string", instructions)
        messages.append({"role": "system", "content": instructions})
    if given is None:
        return messages
    if isinstance(given, str):
        return [*messages, {"role": "user", "content": given}]
    said: list[Body] = []
    for index, item in enumerate(objects_of(given, "input")):
        message, own = _read(item, f"input[{index}]")
        if said and (message or _begins_anew(own, said)):
            messages.append(_assistant(said))
            said = []
        if message:
            messages.append(message)
        else:
            said.append(own)
    return [*messages, _assistant(said)] if said else messages


def _assistant(items: list[Body]) -> Body:
    message = message_of(items)
    if message["content"] is None and not message.get("tool_calls"):
        message["content"] = ""
    return message


def _begins_anew(item: Body, said: list[Body]) -> bool:
    """Whether ``item`` belongs to another answer than what was ``said``; calls wait for their results together."""
    kinds = {one.get("type") for one in said}
    return item.get("type") in ("message", "reasoning") and "message" in kinds and not kinds & set(_OUTPUTS.values())


def _read(item: Body, place: str) -> tuple[Body, Body]:
    """A message of another than the assistant, or an item that the assistant put out; the other is empty."""
    kind = item.get("type")
    if kind == "item_reference" or (kind is None and "role" not in item):
        raise _unknown_reference(item, place)
    if kind is not None and not isinstance(kind, str):
        raise wrong(f"{place}.type", "a string", kind)
    if kind in (None, "message"):
        return _message(item, place)
    if kind in _OUTPUTS:
        rest = {key: value for key, value in item.items() if key not in _OF_A_RESULT and value is not None}
        content = content_to_chat(item.get("output"), f"{place}.output")
        return {**rest, "role": "tool", "tool_call_id": text_at(item, "call_id", place), "content": content}, {}
    if kind in ("function_call", "custom_tool_call"):
        for key in ("call_id", "name", "arguments" if kind == "function_call" else "input"):
            text_at(item, key, place)
    elif kind == "reasoning":
        _check_reasoning(item, place)
    return {}, item


def _message(item: Body, place: str) -> tuple[Body, Body]:
    role, content = text_at(item, "role", place), item.get("content")
    if role in _SPEAKERS:
        rest = {key: value for key, value in item.items() if key not in _OF_A_MESSAGE and value is not None}
        return {**rest, "role": role, "content": content_to_chat(content, f"{place}.content")}, {}
    if role != "assistant":
        raise DialectError(f"{place}.role has to be user, assistant, system or developer", f"{place}.role")
    if isinstance(content, str):
        parts: list[Body] = [{"type": "output_text", "text": content, "annotations": []}] if content else []
    else:
        parts = checked_output(content, f"{place}.content")
    return {}, {**item, "type": "message", "content": parts}


def _check_reasoning(item: Body, place: str) -> None:
    sealed = item.get("encrypted_content")
    if sealed is not None and not isinstance(sealed, str):
        raise wrong(f"{place}.encrypted_content", "a string", sealed)
    for key in ("summary", "content"):
        for index, part in enumerate(objects_of(item.get(key) or [], f"{place}.{key}")):
            text_at(part, "text", f"{place}.{key}[{index}]")


def _unknown_reference(item: Body, place: str) -> DialectError:
    name = as_text(item.get("id")) or "without an id"
    return DialectError(
        f"{place} refers to the item {name}, which is kept by a vendor and not here: send the item itself", place
    )


def input_of(messages: list[Body]) -> tuple[str | None, list[Body]]:
    """``instructions`` and ``input``, the other way. A leading system prompt in plain text is the instructions."""
    instructions: str | None = None
    items: list[Body] = []
    custom: set[str] = set()
    for index, message in enumerate(messages):
        role, content = message.get("role"), message.get("content")
        if role == "assistant":
            own = items_of(message)
            custom |= {str(item.get("call_id")) for item in own if item.get("type") == "custom_tool_call"}
            items += own
        elif role in ("tool", "function"):
            items.append(_result(message, custom))
        elif index == 0 and role in ("system", "developer") and isinstance(content, str):
            instructions = content
        else:
            extra = _beside(message, frozenset({"role", "content", "cache_control"}))
            items.append({**extra, "role": as_text(role) or "user", "content": content_from_chat(content)})
    return instructions, items


def _result(message: Body, custom: set[str]) -> Body:
    identity = as_text(message.get("tool_call_id")) or as_text(message.get("name"))
    kind = "custom_tool_call_output" if identity in custom else "function_call_output"
    output = content_from_chat(message.get("content"))
    extra = _beside(message, frozenset({"role", "content", "cache_control", "tool_call_id", "is_error"}))
    return {**extra, "type": kind, "call_id": identity, "output": output}


def _beside(message: Body, known: frozenset[str]) -> Body:
    return {key: value for key, value in message.items() if key not in known and value is not None}
