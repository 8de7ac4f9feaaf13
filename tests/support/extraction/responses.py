"""OpenAI's Responses API, whole and streamed. A stream is read by its own last word: the whole response."""

from __future__ import annotations

from typing import Any

from .bodies import Answer, Json
from .openai_chat import counted
from .plain import Plain, arguments_of

_LAST = ("response.completed", "response.incomplete", "response.failed")


def read(answer: Answer) -> Plain:
    ends = [event["response"] for event in answer.events if event.get("type") in _LAST]
    body: Json = ends[-1] if answer.events else answer.whole
    done = [event["item"] for event in answer.events if event.get("type") == "response.output_item.done"]
    items: list[Json] = max(body["output"], done, key=len)  # a recorder may have emptied the last word
    calls = [_call(item) for item in items if item["type"] in ("function_call", "custom_tool_call")]
    failed = body.get("status") == "failed"
    thoughts = [text for item in items if item["type"] == "reasoning" for text in _thoughts(item)]
    return Plain(
        text="".join(part.get("text", "") for part in _parts(items) if part["type"] == "output_text"),
        reasoning="\n\n".join(text for text in thoughts if text),
        tool_calls=calls,
        finish_reason=None if failed else _ending(body, bool(calls)),
        usage=counted(body["usage"]) if body.get("usage") else None,
        failure=_failure(body) if failed else None,
    )


def _parts(items: list[Json]) -> list[Json]:
    return [part for item in items if item["type"] == "message" for part in item["content"]]


def _thoughts(item: Json) -> list[str]:
    return [part["text"] for part in (item.get("summary") or []) + (item.get("content") or [])]


def _call(item: Json) -> tuple[str, Any]:
    return item["name"], arguments_of(item["arguments"] if "arguments" in item else item["input"])


def _ending(body: Json, has_calls: bool) -> str:
    if body["status"] == "incomplete":
        return "content_filter" if body["incomplete_details"]["reason"] == "content_filter" else "length"
    return "tool_calls" if has_calls else "stop"


def _failure(body: Json) -> str:
    return {"rate_limit_exceeded": "rate-limit"}.get(body["error"]["code"], "server")
