"""Ollama's own chat, whole and line by line."""

from __future__ import annotations

from .bodies import Answer
from .plain import Plain, buckets


def read(answer: Answer) -> Plain:
    lines = answer.events or [answer.whole]
    said = [line["message"] for line in lines]
    last = lines[-1]
    calls = [call["function"] for message in said for call in message.get("tool_calls") or []]
    reason = "length" if last.get("done_reason") == "length" else "tool_calls" if calls else "stop"
    return Plain(
        text="".join(message.get("content") or "" for message in said),
        reasoning="".join(message.get("thinking") or "" for message in said),
        tool_calls=[(call["name"], call["arguments"]) for call in calls],
        finish_reason=reason if last.get("done") else None,
        usage=buckets(input=last.get("prompt_eval_count", 0), output=last.get("eval_count", 0)),
    )
