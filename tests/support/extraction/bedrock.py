"""Bedrock's Converse, whole and as an event stream."""

from __future__ import annotations

from typing import Any

from .bodies import Answer, Json
from .plain import Plain, arguments_of, buckets

ENDINGS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "content_filtered": "content_filter",
    "guardrail_intervened": "content_filter",
}


def read(answer: Answer) -> Plain:
    if answer.events:
        blocks, reason, usage = _assembled(answer.events)
    else:
        body = answer.whole
        blocks, reason, usage = body["output"]["message"]["content"], body["stopReason"], body.get("usage") or {}
    uses = [block["toolUse"] for block in blocks if "toolUse" in block]
    thoughts = [block["reasoningContent"].get("reasoningText", {}) for block in blocks if "reasoningContent" in block]
    return Plain(
        text="".join(block.get("text", "") for block in blocks),
        reasoning="".join(thought.get("text", "") for thought in thoughts),
        tool_calls=[(use["name"], use["input"]) for use in uses if use.get("type") != "server_tool_use"],
        finish_reason=ENDINGS[reason],
        usage=buckets(
            input=usage.get("inputTokens", 0),
            output=usage.get("outputTokens", 0),
            cached_input=usage.get("cacheReadInputTokens", 0),
            cache_write=usage.get("cacheWriteInputTokens", 0),
        ),
    )


def _assembled(events: list[Json]) -> tuple[list[Json], str, Json]:
    blocks: dict[int, Json] = {}
    reason, usage = "", {}
    for event in events:
        ((name, body),) = event.items()
        if name == "contentBlockStart":
            use = body["start"].get("toolUse")
            blocks[body["contentBlockIndex"]] = {"toolUse": {"pieces": "", **use}} if use else {}
        elif name == "contentBlockDelta":
            _grow(blocks.setdefault(body["contentBlockIndex"], {}), body["delta"])
        elif name == "messageStop":
            reason = body["stopReason"]
        elif name == "metadata":
            usage = body.get("usage") or {}
    for block in blocks.values():
        if "toolUse" in block:
            block["toolUse"]["input"] = arguments_of(block["toolUse"]["pieces"])
    return [blocks[index] for index in sorted(blocks)], reason, usage


def _grow(block: Json, delta: dict[str, Any]) -> None:
    if "text" in delta:
        block["text"] = block.get("text", "") + delta["text"]
    if "toolUse" in delta:
        block["toolUse"]["pieces"] += delta["toolUse"].get("input", "")
    if "text" in delta.get("reasoningContent", {}):
        thought = block.setdefault("reasoningContent", {}).setdefault("reasoningText", {})
        thought["text"] = thought.get("text", "") + delta["reasoningContent"]["text"]
