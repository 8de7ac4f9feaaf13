"""Messages in the OpenAI shape → Anthropic's system prompt and turns."""

from __future__ import annotations

import re
from typing import Any

import orjson
from modelmesh_core import Json, as_list, as_object, as_objects, as_text

from .content import blocks_of, marked

FORMAT = "anthropic-v1"
"""``format`` of the reasoning blocks that go back to Anthropic."""
VERBATIM = "anthropic_content"
"""Field of an assistant message with all its blocks as they came, where the other fields cannot say them."""

_ID = re.compile(r"[^a-zA-Z0-9_-]")


def system_of(messages: list[Json]) -> str | list[Json] | None:
    """The system prompt: one text joined by blank lines, or blocks where one of them bears a cache mark."""
    blocks: list[Json] = []
    for message in messages:
        if message.get("role") in ("system", "developer"):
            blocks += marked(blocks_of(message.get("content")), message)
    if any(block.keys() != {"type", "text"} for block in blocks):
        return blocks
    return "\n\n".join(as_text(block["text"]) for block in blocks) or None


def turns_of(messages: list[Json]) -> list[Json]:
    """User and assistant turns, in which neighbours of one role are one turn.

    Raises ProviderError of kind INVALID_REQUEST for a part that Claude cannot take.
    """
    turns: list[Json] = []
    for message in messages:
        role = message.get("role")
        if role in ("system", "developer"):
            continue
        if role == "assistant":
            blocks = marked(_assistant_blocks(message), message)
        elif role in ("tool", "function"):
            blocks = [_tool_result(message)]
        else:
            blocks = marked(blocks_of(message.get("content")), message)
        side = "assistant" if role == "assistant" else "user"
        if blocks and turns and turns[-1]["role"] == side:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": side, "content": blocks})
    for turn in turns:
        if turn["role"] == "user":
            # The API wants the answers to its calls before anything else that the user says.
            content: list[Json] = turn["content"]
            content.sort(key=_follows_results)
    return turns


def _follows_results(block: Json) -> bool:
    return block.get("type") != "tool_result"


def continued(turns: list[Json], prefill: str | None) -> list[Json]:
    """``turns`` ending in ``prefill`` for the assistant to go on from; an ending without closing white space."""
    if prefill is not None and prefill.strip():
        block = {"type": "text", "text": prefill}
        if turns and turns[-1]["role"] == "assistant":
            turns[-1]["content"].append(block)
        else:
            turns.append({"role": "assistant", "content": [block]})
    if turns and turns[-1]["role"] == "assistant":
        last = turns[-1]["content"][-1]
        if last.get("type") == "text":
            turns[-1]["content"][-1] = {**last, "text": as_text(last.get("text")).rstrip()}
    return turns


def _assistant_blocks(message: Json) -> list[Json]:
    verbatim = _verbatim(message)
    if verbatim:
        return verbatim
    blocks = [block for detail in as_objects(message.get("reasoning_details")) if (block := _thinking(detail))]
    blocks += blocks_of(message.get("content")) or blocks_of(message.get("refusal"))
    return blocks + [_tool_use(call) for call in as_objects(message.get("tool_calls"))]


def _verbatim(message: Json) -> list[Json]:
    """The blocks as they came, if they still say what the message says: the caller may have edited it."""
    kept = message.get(VERBATIM)
    blocks = [dict(block) for block in as_objects(_decoded(kept) if isinstance(kept, str) else kept)]
    own = "".join(as_text(block.get("text")) for block in blocks if block.get("type") == "text")
    content = message.get("content")
    parts = as_objects(content)
    said = content if isinstance(content, str) else "".join(as_text(part.get("text")) for part in parts)
    calls = [as_text(call.get("id")) for call in as_objects(message.get("tool_calls"))]
    own_calls = [as_text(block.get("id")) for block in blocks if block.get("type") == "tool_use"]
    if own.strip() != said.strip() or calls != own_calls:
        return []
    return [block for block in blocks if block.get("type") != "text" or as_text(block.get("text")).strip()]


def _thinking(detail: Json) -> Json | None:
    """A reasoning block that came from Anthropic, as it was; None for others, which no signature vouches for."""
    if detail.get("format") != FORMAT:
        return None
    if detail.get("type") == "reasoning.encrypted":
        return {"type": "redacted_thinking", "data": as_text(detail.get("data"))}
    if detail.get("type") == "reasoning.text" and detail.get("signature"):
        return {"type": "thinking", "thinking": as_text(detail.get("text")), "signature": detail["signature"]}
    return None


def _tool_use(call: Json) -> Json:
    function = as_object(call.get("function"))
    arguments = function.get("arguments")
    text = as_text(arguments)
    decoded: Any = _decoded(text) if text.strip() else arguments or {}
    # What is no JSON object cannot be an input: the model is shown what it said.
    value = as_object(decoded) if isinstance(decoded, dict) else {"arguments": arguments}
    block: Json = {
        "type": "tool_use",
        "id": _fitting(call.get("id")),
        "name": as_text(function.get("name")),
        "input": value,
    }
    return {**block, "cache_control": call["cache_control"]} if call.get("cache_control") else block


def _tool_result(message: Json) -> Json:
    block: Json = {"type": "tool_result", "tool_use_id": _fitting(message.get("tool_call_id"))}
    content = message.get("content")
    if isinstance(content, str):
        if content:
            block["content"] = content
    elif blocks := blocks_of(as_list(content)):
        block["content"] = blocks
    if isinstance(message.get("is_error"), bool):
        block["is_error"] = message["is_error"]
    return marked([block], message)[0]


def _fitting(identity: Any) -> str:
    """A tool call's id in the characters that the API takes: those of other vendors may hold more."""
    return _ID.sub("_", as_text(identity))


def _decoded(text: str) -> Any:
    try:
        return orjson.loads(text)
    except ValueError:
        return None
