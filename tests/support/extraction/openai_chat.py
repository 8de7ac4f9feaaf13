"""OpenAI's chat and text completions, whole and streamed, as the vendors who took them over write them."""

from __future__ import annotations

from typing import Any

from .bodies import Answer, Json
from .plain import Plain, arguments_of, buckets

_ENDINGS = {"eos": "stop", "model_length": "length"}


def read(answer: Answer) -> Plain:
    payloads = answer.events or [answer.whole]
    errors = [payload for payload in payloads if payload.get("error")]
    choices = [choice for payload in payloads for choice in payload.get("choices") or [] if not choice.get("index")]
    part = "delta" if answer.events else "message"  # Perplexity's streams have both: what is new, and all so far
    said = [choice.get(part) or {} for choice in choices]
    endings = [choice["finish_reason"] for choice in choices if choice.get("finish_reason")]
    usages = [used for payload in payloads if (used := usage_in(payload))]
    return Plain(
        text="".join(_text(one.get("content")) for one in said) or "".join(one.get("text") or "" for one in choices),
        reasoning="".join(map(_reasoning, said)),
        tool_calls=_calls(said),
        finish_reason=_ENDINGS.get(endings[-1], endings[-1]) if endings else None,
        usage=counted(usages[-1]) if usages else None,
        failure=_failure(errors[-1]) if errors else None,
    )


def usage_in(payload: Json) -> Json | None:
    return payload.get("usage") or (payload.get("x_groq") or {}).get("usage")


def counted(usage: Json) -> tuple[int, ...] | None:
    """Cached and audio tokens are within the prompt, reasoning is within the completion or beside both.

    Some vendors report parts that are more than the whole: nobody is billed for more than the whole.
    """
    given, made = _details(usage, "prompt", "input"), _details(usage, "completion", "output")
    total = usage.get("total_tokens") or 0
    completion = usage.get("completion_tokens", usage.get("output_tokens")) or 0
    prompt = usage.get("prompt_tokens", usage.get("input_tokens"))
    prompt = total - completion if prompt is None else prompt
    beside = max(0, total - prompt - completion)
    cached = given.get("cached_tokens") or usage.get("cached_tokens") or usage.get("num_cached_tokens")
    cached = min(cached or usage.get("prompt_cache_hit_tokens") or 0, prompt)
    written = min(given.get("cache_write_tokens") or 0, prompt - cached)
    heard, spoken = given.get("audio_tokens") or 0, made.get("audio_tokens") or 0
    reasoning = made.get("reasoning_tokens") or 0
    if usage.get("prompt_audio_seconds"):  # audio beside the prompt
        heard, beside = beside, 0
        prompt += heard
    elif heard and heard == beside:
        prompt, beside = prompt + heard, 0
    within = min(max(0, reasoning - beside), completion)
    return buckets(
        input=prompt - cached - written - heard,
        output=completion - within - spoken,
        cached_input=cached,
        cache_write=written,
        reasoning=within + beside,
    )


def _details(usage: Json, *names: str) -> Json:
    keys = [f"{name}_token{plural}_details" for name in names for plural in ("s", "")]
    return next((usage[key] for key in keys if usage.get(key)), {})


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "".join(part["text"] for part in content if part["type"] == "text")
    return content or ""


def _reasoning(said: Json) -> str:
    if isinstance(said.get("content"), list):  # Mistral's
        thoughts = [part["thinking"] for part in said["content"] if part["type"] == "thinking"]
        return "".join(piece["text"] for pieces in thoughts for piece in pieces)
    return said.get("reasoning_content") or said.get("reasoning") or ""


def _calls(said: list[Json]) -> list[tuple[str, Any]]:
    """Pieces of one call have its index; a new id at the index of another begins another call."""
    calls: list[dict[str, Any]] = []
    legacy = [{"index": 0, "function": one["function_call"]} for one in said if one.get("function_call")]
    for piece in [piece for one in said for piece in one.get("tool_calls") or []] or legacy:
        index, identity = piece.get("index"), piece.get("id")
        function = piece.get("function") or {}
        old = next((call for call in reversed(calls) if index is not None and call["index"] == index), None)
        if old is None or (identity and old["id"] and identity != old["id"]):
            old = {"index": index, "id": identity, "name": "", "arguments": ""}
            calls.append(old)
        old["name"] = old["name"] or function.get("name") or ""
        given = function.get("arguments")
        old["arguments"] += given if isinstance(given, str) else ""
    return [(call["name"], arguments_of(call["arguments"])) for call in calls]


def _failure(payload: Json) -> str:
    error = payload["error"]
    code = error.get("status_code") or error.get("code")
    return {429: "rate-limit", 400: "invalid-request", 401: "authentication"}.get(code, "server")
