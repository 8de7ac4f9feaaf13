"""A stream's chunks ↔ the whole reply that they add up to."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

from ..wire.messages import Body
from ..wire.shapes import as_count, as_list, as_object

_SAID_ONCE = frozenset({"role", "id", "type", "name", "format", "channel"})
"""Strings that servers may repeat in each delta; every other string grows."""


def fold_chunks(chunks: Iterable[Body]) -> Body:
    """The chat completion that ``chunks`` (in the OpenAI shape, in order) add up to."""
    reply: Body = {}
    choices: dict[int, Body] = {}
    for chunk in chunks:
        reply.update((key, value) for key, value in chunk.items() if key != "choices" and value is not None)
        for delta in map(as_object, as_list(chunk.get("choices"))):
            index = as_count(delta.get("index"))
            empty = {"index": index, "message": {"role": "assistant", "content": None}, "finish_reason": None}
            _fold_choice(choices.setdefault(index, empty), delta)
    for choice in choices.values():
        for call in map(as_object, as_list(choice["message"].get("tool_calls"))):
            call.pop("index", None)
    return {**reply, "object": "chat.completion", "choices": [choices[index] for index in sorted(choices)]}


def unfold_reply(body: Body) -> Body:
    """One chunk that says all that ``body``, a whole chat completion, says."""
    choices: list[Body] = []
    for choice in map(as_object, as_list(body.get("choices"))):
        message = as_object(choice.get("message"))
        calls = [{"index": index, **as_object(call)} for index, call in enumerate(as_list(message.get("tool_calls")))]
        rest = {key: value for key, value in choice.items() if key != "message"}
        choices.append({**rest, "delta": {**message, "tool_calls": calls} if calls else message})
    return {**body, "object": "chat.completion.chunk", "choices": choices}


def _fold_choice(choice: Body, delta: Body) -> None:
    for key, value in delta.items():
        if key == "delta":
            _merge(choice["message"], as_object(value))
        elif key == "logprobs":
            if value is not None:
                _merge(choice.setdefault("logprobs", {}), as_object(value))
        elif value is not None and key != "message":
            choice[key] = value


def _merge(into: Body, new: Body) -> None:
    for key, value in new.items():
        old = into.get(key)
        if value is None:
            into.setdefault(key, None)
        elif isinstance(value, str):
            known = old if isinstance(old, str) else ""
            into[key] = (value or known) if key in _SAID_ONCE else known + value
        elif isinstance(value, list):
            into[key] = _merged_list(as_list(old), as_list(value))
        elif isinstance(value, dict):
            target = into[key] = as_object(old)
            _merge(target, as_object(value))
        else:
            into[key] = value


def _merged_list(old: list[Any], new: list[Any]) -> list[Any]:
    """``old`` with the parts of ``new``: items that carry an index grow the item of that index, others follow."""
    for item in new:
        index = as_object(item).get("index")
        known = next((own for own in old if index is not None and as_object(own).get("index") == index), None)
        if known is not None:
            _merge(known, as_object(item))
        else:
            old.append(deepcopy(item))
    return old
