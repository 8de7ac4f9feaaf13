"""``usageMetadata`` → the agreement's ``usage``."""

from __future__ import annotations

from typing import Any

from modelmesh_core import Json, as_object, as_objects

from .shapes import as_count

_AUDIO = ("AUDIO", 4)
"""The modality's name, and its number where enums come as numbers."""


def usage_in(metadata: Any) -> Json | None:
    """``usage`` as the agreement has it; None where Google reported no count.

    Google counts thoughts and the tokens of its own tools beside the prompt and the answer. What only the total
    has is thinking that was not itemised.
    """
    reported = as_object(metadata)
    prompt, tools = as_count(reported.get("promptTokenCount")), as_count(reported.get("toolUsePromptTokenCount"))
    said = as_count(reported.get("candidatesTokenCount")) or as_count(reported.get("responseTokenCount"))
    thought, total = as_count(reported.get("thoughtsTokenCount")), as_count(reported.get("totalTokenCount"))
    if not (prompt or tools or said or thought or total):
        return None
    thought += max(0, total - prompt - tools - said - thought)
    cached = min(as_count(reported.get("cachedContentTokenCount")), prompt)
    heard = _audio(reported.get("promptTokensDetails")) - _audio(reported.get("cacheTokensDetails"))
    spoken = _audio(reported.get("candidatesTokensDetails")) or _audio(reported.get("responseTokensDetails"))
    return {
        "prompt_tokens": prompt + tools,
        "completion_tokens": said + thought,
        "total_tokens": prompt + tools + said + thought,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": min(max(0, heard), prompt - cached)},
        "completion_tokens_details": {"reasoning_tokens": thought, "audio_tokens": min(spoken, said)},
    }


def _audio(details: Any) -> int:
    return sum(as_count(one.get("tokenCount")) for one in as_objects(details) if one.get("modality") in _AUDIO)
