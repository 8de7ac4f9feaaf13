"""What recorded answers plainly say, read without any connector: one small reader a dialect."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

from . import anthropic, bedrock, cohere, errors, gemini, ollama, openai_chat, others, responses
from .bodies import Answer, Json, answer_of
from .plain import Plain, plain_of

__all__ = ["Plain", "answer_of", "plain_of", "read"]

Reader = Callable[[Answer], Plain]


def read(row: Json) -> Plain:
    """What one recording's answer says."""
    answer = answer_of(row)
    if errors.is_error(answer):
        return errors.read(answer)
    return _reader(row, answer)(answer)


def _reader(row: Json, answer: Answer) -> Reader:
    kind = row["kind"]
    if kind in ("chat", "responses", "completions", "images") or row["provider"] == "gemini":
        first = answer.events[0] if answer.events else answer.whole
        if isinstance(first, dict) and (reader := _of_chat(row, first, answer)):
            return reader
    if kind == "embeddings":
        is_int8 = "int8" in row["id"] and row["provider"] == "perplexity"
        return partial(others.embeddings, number=1) if is_int8 else others.embeddings
    return others.transcript if kind == "audio" and not _is_speech(row) else others.counts


def _is_speech(row: Json) -> bool:
    """By the address, or by the name of the fixture where there is none."""
    path = urlsplit(row["request"]["url"] or "").path
    return "text-to-speech" in (path or row["id"]) or path.endswith(("/speech", "/tts"))


def _of_chat(row: Json, first: Json, answer: Answer) -> Reader | None:
    """By what every answer of a dialect, and no other's, has."""
    kind = str(first.get("type"))
    if first.get("object") == "response" or kind.startswith("response."):
        return responses.read
    if "candidates" in first or "promptFeedback" in first:
        return gemini.read
    if kind in ("message", "message_start"):
        return anthropic.read
    if "output" in first or "messageStart" in first:
        return bedrock.read
    if row["provider"] == "cohere" and row["kind"] == "chat":
        return cohere.read
    if "choices" in first or any("choices" in event for event in answer.events):
        return openai_chat.read
    return ollama.read if "message" in first else None
