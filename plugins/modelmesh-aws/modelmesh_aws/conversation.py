"""Messages in the OpenAI shape → Converse's system prompt and turns."""

from __future__ import annotations

import re
from typing import Any

import orjson
from modelmesh_core import Json, as_list, as_object, as_objects, as_text

from .content import ContentEncoder
from .families import Family

VERBATIM = "bedrock_content"
"""Field of an assistant message with all its blocks as they came, where the other fields cannot say them."""
_ANTHROPIC = "anthropic-v1"
_ID = re.compile(r"[^a-zA-Z0-9_.:-]")
_MAX_ID = 64


def format_of(family: Family) -> str:
    """``format`` of the reasoning blocks that go back to models of ``family``.

    Claude's signatures hold wherever Claude is asked, so its signed blocks bear Anthropic's own name.
    """
    return _ANTHROPIC if family.maker == "anthropic" else f"bedrock-{family.maker or 'other'}-v1"


def encrypted_format_of(family: Family) -> str:
    """``format`` of encrypted reasoning, which Bedrock encodes in its own way."""
    return f"bedrock-{family.maker or 'other'}-v1"


def system_of(messages: list[Json], encoder: ContentEncoder) -> list[Json]:
    """The blocks of the system prompt."""
    found: list[Json] = []
    for message in messages:
        if message.get("role") in ("system", "developer"):
            found += _marked(encoder.blocks(message.get("content")), message, encoder)
    return found


def turns_of(messages: list[Json], encoder: ContentEncoder, family: Family) -> list[Json]:
    """User and assistant turns, in which neighbours of one role are one turn.

    Raises ProviderError of kind INVALID_REQUEST for a part that Converse has no block for.
    """
    turns: list[Json] = []
    for message in messages:
        role = message.get("role")
        if role in ("system", "developer"):
            continue
        if role == "assistant":
            blocks = _assistant_blocks(message, encoder, family)
        elif role in ("tool", "function"):
            blocks = [_tool_result(message, encoder, family)]
        else:
            blocks = encoder.blocks(message.get("content"))
        blocks = _marked(blocks, message, encoder)
        side = "assistant" if role == "assistant" else "user"
        if blocks and turns and turns[-1]["role"] == side:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": side, "content": blocks})
    for turn in turns:
        if turn["role"] == "user":
            turn["content"] = _results_first(turn["content"])
    return turns


def continued(turns: list[Json], prefill: str | None) -> list[Json]:
    """``turns`` ending in ``prefill`` for the assistant to go on from; an ending without closing white space."""
    if prefill is not None and prefill.strip():
        if turns and turns[-1]["role"] == "assistant":
            turns[-1]["content"].append({"text": prefill})
        else:
            turns.append({"role": "assistant", "content": [{"text": prefill}]})
    if turns and turns[-1]["role"] == "assistant":
        last = turns[-1]["content"][-1]
        if isinstance(last.get("text"), str):
            turns[-1]["content"][-1] = {"text": last["text"].rstrip()}
    return turns


def called_tools(turns: list[Json]) -> list[str]:
    """Names of the tools that were called, in their order."""
    blocks = [as_object(block.get("toolUse")) for turn in turns for block in as_objects(turn["content"])]
    own = [as_text(block.get("name")) for block in blocks if block.get("type") != "server_tool_use"]
    return [name for name in dict.fromkeys(own) if name]


def _marked(blocks: list[Json], message: Json, encoder: ContentEncoder) -> list[Json]:
    """``blocks``, followed by the cache point of the whole ``message``, if it has one."""
    if blocks and "cachePoint" not in blocks[-1] and "reasoningContent" not in blocks[-1]:
        return blocks + encoder.mark(message)
    return blocks


def _results_first(blocks: list[Json]) -> list[Json]:
    """The answers to tool calls, with their cache points, before what the user says: the API wants that order."""
    first: list[Json] = []
    rest: list[Json] = []
    into = rest
    for block in blocks:
        if "cachePoint" not in block:
            into = first if "toolResult" in block else rest
        into.append(block)
    return first + rest


def _assistant_blocks(message: Json, encoder: ContentEncoder, family: Family) -> list[Json]:
    verbatim = _verbatim(message, family)
    if verbatim:
        return verbatim
    found = [block for detail in as_objects(message.get("reasoning_details")) if (block := _thought(detail, family))]
    found += encoder.blocks(message.get("content")) or encoder.blocks(message.get("refusal"))
    for call in as_objects(message.get("tool_calls")):
        found += [_tool_use(call), *encoder.mark(call)]
    return found


def _verbatim(message: Json, family: Family) -> list[Json]:
    """The blocks as they came, if the model is of their maker and they still say what the message says."""
    kept = as_object(message.get(VERBATIM))
    if kept.get("maker") != family.maker:
        return []
    blocks = as_objects(kept.get("content"))
    own = "".join(map(said_by, blocks))
    content = message.get("content")
    parts = as_objects(content)
    said = content if isinstance(content, str) else "".join(as_text(part.get("text")) for part in parts)
    calls = [as_text(call.get("id")) for call in as_objects(message.get("tool_calls"))]
    uses = [as_object(block.get("toolUse")) for block in blocks if "toolUse" in block]
    own_calls = [as_text(use.get("toolUseId")) for use in uses if use.get("type") != "server_tool_use"]
    if own.strip() != said.strip() or calls != own_calls:
        return []
    return [_sendable(block) for block in blocks if _is_taken(block)]


def said_by(block: Json) -> str:
    """The text that an answer's block says."""
    if isinstance(block.get("text"), str):
        return block["text"]
    cited = as_object(block.get("citationsContent"))
    return "".join(as_text(piece.get("text")) for piece in as_objects(cited.get("content")))


def _is_taken(block: Json) -> bool:
    """Whether a request may hold the block: not if it is blank, or a thought that nothing vouches for."""
    if "reasoningContent" in block:
        content = as_object(block["reasoningContent"])
        return bool(content.get("redactedContent") or as_object(content.get("reasoningText")).get("signature"))
    return block.keys() != {"text"} or bool(said_by(block).strip())


def _sendable(block: Json) -> Json:
    """A block of an answer as a request takes it: there, a call's ``type`` can only say that it is a server's."""
    use = as_object(block.get("toolUse"))
    if use and use.get("type") != "server_tool_use":
        return {"toolUse": {key: value for key, value in use.items() if key != "type"}}
    return block


def _thought(detail: Json, family: Family) -> Json | None:
    """A reasoning block that came from a model of this family, as it was; None for others."""
    kind, own = detail.get("type"), detail.get("format")
    if kind == "reasoning.encrypted" and own == encrypted_format_of(family):
        return {"reasoningContent": {"redactedContent": as_text(detail.get("data"))}}
    if kind == "reasoning.text" and own == format_of(family) and detail.get("signature"):
        text = {"text": as_text(detail.get("text")), "signature": detail["signature"]}
        return {"reasoningContent": {"reasoningText": text}}
    return None


def _tool_use(call: Json) -> Json:
    function = as_object(call.get("function"))
    arguments = function.get("arguments")
    text = as_text(arguments)
    decoded: Any = _decoded(text) if text.strip() else arguments or {}
    # What is no JSON object cannot be an input: the model is shown what it said.
    value = as_object(decoded) if isinstance(decoded, dict) else {"arguments": arguments}
    return {"toolUse": {"toolUseId": fitting(call.get("id")), "name": as_text(function.get("name")), "input": value}}


def _tool_result(message: Json, encoder: ContentEncoder, family: Family) -> Json:
    content = message.get("content")
    if isinstance(content, str):
        blocks: list[Json] = [{"text": content}]
    else:
        own = as_list(content)
        blocks = [_result_block(part, encoder) for part in own if part]
        blocks = [block for block in blocks if block and "cachePoint" not in block]
    if family.maker == "mistral":  # its models read a result as JSON, where it is one
        blocks = [_as_json(block) for block in blocks]
    result: Json = {"toolUseId": fitting(message.get("tool_call_id")), "content": blocks}
    if message.get("is_error") is True and family.maker in ("anthropic", "amazon"):
        result["status"] = "error"
    return {"toolResult": result}


def _result_block(part: Any, encoder: ContentEncoder) -> Json:
    own = as_object(part)
    if own.get("type") in (None, "json") and "json" in own:
        return {"json": own["json"]}
    blocks = encoder.blocks([part])
    return blocks[0] if blocks else {}


def _as_json(block: Json) -> Json:
    found = _decoded(block["text"]) if isinstance(block.get("text"), str) else None
    return {"json": found} if isinstance(found, dict) else block


def fitting(identity: Any) -> str:
    """A tool call's id in the characters and the length that the API takes: those of other vendors may have more."""
    return _ID.sub("_", as_text(identity))[:_MAX_ID]


def _decoded(text: str) -> Any:
    try:
        return orjson.loads(text)
    except ValueError:
        return None
