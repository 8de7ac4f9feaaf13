"""Anthropic's Messages, whole and streamed."""

from __future__ import annotations

from typing import Any

from .bodies import Answer, Json
from .plain import Plain, arguments_of, buckets

ENDINGS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def read(answer: Answer) -> Plain:
    message = _assembled(answer.events) if answer.events else answer.whole
    blocks: list[Json] = message["content"]
    used = message.get("usage") or {}
    reason = message.get("stop_reason")
    calls = [(block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"]
    return Plain(
        text="".join(block["text"] for block in blocks if block["type"] == "text"),
        reasoning="".join(block["thinking"] for block in blocks if block["type"] == "thinking"),
        tool_calls=calls,
        finish_reason=ENDINGS[reason] if reason else None,
        usage=counted(used),
    )


def counted(used: Json) -> tuple[int, ...] | None:
    """Steps of another type than a message are billed beside the total."""
    beside = [step for step in used.get("iterations") or [] if step.get("type") not in ("message", "fallback_message")]
    thought = sum((part.get("output_tokens_details") or {}).get("thinking_tokens", 0) for part in (used, *beside))

    def total(key: str) -> int:
        return sum(part.get(key) or 0 for part in (used, *beside))

    return buckets(
        input=total("input_tokens"),
        output=total("output_tokens") - thought,
        cached_input=total("cache_read_input_tokens"),
        cache_write=total("cache_creation_input_tokens"),
        reasoning=thought,
    )


def _assembled(events: list[Json]) -> Json:
    message: Json = {"usage": {}}
    blocks: dict[int, Json] = {}
    pieces: dict[int, str] = {}
    for event in events:
        match event["type"]:
            case "message_start":
                message = {**event["message"], "usage": dict(event["message"].get("usage") or {})}
            case "content_block_start":
                blocks[event["index"]] = dict(event["content_block"])
            case "content_block_delta":
                _grow(blocks[event["index"]], event["delta"], pieces, event["index"])
            case "message_delta":
                message["stop_reason"] = event["delta"].get("stop_reason")
                message["usage"].update({k: v for k, v in (event.get("usage") or {}).items() if v is not None})
    for index, text in pieces.items():
        blocks[index]["input"] = arguments_of(text)
    return {**message, "content": [blocks[index] for index in sorted(blocks)]}


def _grow(block: Json, delta: Json, pieces: dict[int, str], index: int) -> None:
    grown: dict[str, Any] = {"text_delta": "text", "thinking_delta": "thinking"}
    if key := grown.get(delta["type"]):
        block[key] = block.get(key, "") + delta[key]
    elif delta["type"] == "input_json_delta":
        pieces[index] = pieces.get(index, "") + delta["partial_json"]
