"""``usage`` of a chat completion as Anthropic reports it."""

from __future__ import annotations

from typing import Any

from ...openai_dialect import usage_of
from ...wire.messages import Usage
from ...wire.shapes import as_count, as_list, as_object, as_text
from .reading import Json, without

_OPENAI = (
    "prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "completion_tokens_details",
)  # fmt: skip
_WITHIN_THE_TOTAL = frozenset({"message", "fallback_message"})
_COUNTS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")


def message_usage(reported: Any) -> Json:
    """The usage of a message: input without what the cache gave and took, and what more the vendor reported.

    Zeros where nothing was reported: a message always has a usage.
    """
    given = as_object(reported)
    usage = usage_of(given) or Usage()
    counts: Json = {
        "input_tokens": usage.input + usage.audio,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cached_input,
        "output_tokens": usage.total_output,
    }
    for step in map(as_object, as_list(given.get("iterations"))):
        # Anthropic bills them beside its totals; the mesh counts them in.
        if (as_text(step.get("type")) or "message") not in _WITHIN_THE_TOTAL:
            counts = {key: max(0, count - as_count(step.get(key))) for key, count in counts.items()}
    more = without(given, *_OPENAI, *_COUNTS)
    if usage.reasoning and "output_tokens_details" not in more:
        more["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    return {**counts, **more}
