"""Google's generateContent, at Gemini and at Vertex, whole and streamed."""

from __future__ import annotations

from typing import Any

from .bodies import Answer, Json
from .plain import Plain, buckets

ENDINGS = {"STOP": "stop", 1: "stop", "MAX_TOKENS": "length"}


def read(answer: Answer) -> Plain:
    payloads = answer.events or [answer.whole]
    candidates = [one for payload in payloads for one in payload.get("candidates", [])]
    parts = [part for one in candidates for part in one.get("content", {}).get("parts", [])]
    calls = _calls([part["functionCall"] for part in parts if "functionCall" in part])
    blocked = any("promptFeedback" in payload for payload in payloads)
    ends = [one["finishReason"] for one in candidates if "finishReason" in one]
    ending = "content_filter" if blocked else ENDINGS[ends[-1]] if ends else None
    return Plain(
        text="".join(part["text"] for part in parts if "text" in part and not part.get("thought")),
        reasoning="".join(part["text"] for part in parts if part.get("thought")),
        tool_calls=calls,
        finish_reason="tool_calls" if calls and ending == "stop" else ending,
        usage=counted(payloads),
    )


def counted(payloads: list[Json]) -> tuple[int, ...] | None:
    """Of the last report with a total. What is neither prompt nor answer in it was thought."""
    reports = [one["usageMetadata"] for one in payloads if one.get("usageMetadata", {}).get("totalTokenCount")]
    if not reports:
        return None
    usage = reports[-1]
    prompt = usage.get("promptTokenCount", 0) + usage.get("toolUsePromptTokenCount", 0)
    answered = usage.get("candidatesTokenCount", 0)
    heard = sum(one["tokenCount"] for one in usage.get("promptTokensDetails", []) if one["modality"] == "AUDIO")
    spoken = sum(one["tokenCount"] for one in usage.get("candidatesTokensDetails", []) if one["modality"] == "AUDIO")
    cached = usage.get("cachedContentTokenCount", 0)
    return buckets(
        input=prompt - cached - heard,
        output=answered - spoken,
        cached_input=cached,
        reasoning=usage["totalTokenCount"] - prompt - answered,
    )


def _calls(pieces: list[Json]) -> list[tuple[str, Any]]:
    """Those put together that come in pieces of one text argument each."""
    calls: list[tuple[str, Any]] = []
    for piece in pieces:
        if "name" in piece:
            calls.append((piece["name"], dict(piece.get("args") or {})))
        for argument in piece.get("partialArgs", []):
            key, given = argument["jsonPath"].removeprefix("$."), calls[-1][1]
            given[key] = given.get(key, "") + argument["stringValue"]
    return calls
