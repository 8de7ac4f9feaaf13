"""Cohere's chat, version 2, whole and streamed."""

from __future__ import annotations

from typing import Any

from .bodies import Answer, Json
from .plain import Plain, arguments_of, buckets

ENDINGS = {"COMPLETE": "stop", "STOP_SEQUENCE": "stop", "MAX_TOKENS": "length", "TOOL_CALL": "tool_calls"}


def read(answer: Answer) -> Plain:
    if answer.events:
        return _streamed(answer.events)
    body = answer.whole
    message = body["message"]
    content = message.get("content") or []
    calls = [call["function"] for call in message.get("tool_calls") or []]
    return Plain(
        text="".join(part.get("text", "") for part in content),
        reasoning="".join(part.get("thinking", "") for part in content) or message.get("tool_plan") or "",
        tool_calls=[(call["name"], arguments_of(call["arguments"])) for call in calls],
        finish_reason=ENDINGS[body["finish_reason"]],
        usage=counted(body["usage"]),
    )


def counted(usage: Json) -> tuple[int, ...] | None:
    """What is billed: how much of it came from a cache is told of all tokens only, the unbilled too."""
    billed = usage["billed_units"]
    thought = (usage.get("tokens") or {}).get("reasoning_tokens", 0)
    return buckets(input=billed["input_tokens"], output=billed["output_tokens"] - thought, reasoning=thought)


def _streamed(events: list[Json]) -> Plain:
    plain = Plain()
    calls: dict[int, list[str]] = {}
    for event in events:
        delta: dict[str, Any] = event.get("delta") or {}
        message = delta.get("message") or {}
        match event["type"]:
            case "content-start" | "content-delta":
                plain.text += message["content"].get("text") or ""
                plain.reasoning += message["content"].get("thinking") or ""
            case "tool-plan-delta":
                plain.reasoning += message["tool_plan"]
            case "tool-call-start" | "tool-call-delta":
                function = message["tool_calls"]["function"]
                call = calls.setdefault(event["index"], ["", ""])
                call[0] = call[0] or function.get("name", "")
                call[1] += function.get("arguments", "")
            case "message-end" if delta["finish_reason"] == "ERROR":
                plain.failure = "server"
            case "message-end":
                plain.finish_reason = ENDINGS[delta["finish_reason"]]
                plain.usage = counted(delta["usage"])
            case _:
                pass
    plain.tool_calls = [(name, arguments_of(arguments)) for name, arguments in calls.values()]
    return plain
