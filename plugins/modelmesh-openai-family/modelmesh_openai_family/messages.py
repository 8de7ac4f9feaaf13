"""Messages for a vendor: without what only others understand, with the reasoning where the vendor looks for it."""

from __future__ import annotations

from typing import Any

from modelmesh_core import as_list, as_object, as_text

from .traits import Traits

OF_ANSWERS = frozenset(
    {
        "annotations",
        "anthropic_content",
        "audio",
        "channel",
        "executed_tools",
        "images",
        "parsed",
        "reasoning",
        "reasoning_content",
        "reasoning_details",
        "refusal",
    }
)
"""Fields that answers bring, of which a strict vendor refuses all but its own when they come back."""
_OF_PARTS = frozenset({"cache_control"})
_OF_TOOL_CALLS = frozenset({"extra_content", "index"})


def for_vendor(messages: Any, traits: Traits, reasons: bool) -> Any:
    """``messages`` as the vendor takes them; the same object where nothing is to be changed."""
    given = as_list(messages)
    made = [_message(as_object(one), traits, reasons) if isinstance(one, dict) else one for one in given]
    return messages if all(new is old for new, old in zip(made, given, strict=True)) else made


def _message(message: dict[str, Any], traits: Traits, reasons: bool) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if message.get("role") == "developer" and not traits.takes_developer:
        changes["role"] = "system"
    parts = _without(message.get("content"), _OF_PARTS - traits.keeps)
    if parts is not None:
        changes["content"] = parts
    calls = _without(message.get("tool_calls"), _OF_TOOL_CALLS - traits.keeps)
    if calls is not None:
        changes["tool_calls"] = calls
    foreign = message.keys() & ((OF_ANSWERS | _OF_PARTS) - traits.keeps)
    if not foreign and not changes:
        return message
    kept = {key: value for key, value in message.items() if key not in foreign} | changes
    if "refusal" in foreign and message["refusal"] and not kept.get("content"):
        kept["content"] = message["refusal"]  # what was said has to be said again, in the only place for it
    reasoning = as_text(message.get("reasoning_content")) or as_text(message.get("reasoning"))
    own = traits.reasoning_back
    if own and (reasons or not traits.reasoning_needs_feature) and (reasoning or own in message):
        kept[own] = reasoning  # even an empty one: some vendors miss it where there was a tool call
    return kept


def _without(items: Any, fields: frozenset[str]) -> list[Any] | None:
    """``items`` whose objects lack ``fields``; None where they do so already."""
    given = as_list(items)
    if not any(as_object(one).keys() & fields for one in given):
        return None
    return [
        {key: value for key, value in as_object(one).items() if key not in fields} if isinstance(one, dict) else one
        for one in given
    ]
