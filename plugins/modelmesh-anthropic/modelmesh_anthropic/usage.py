"""``usage`` as Anthropic reports it → disjoint buckets, and the shape of OpenAI's."""

from __future__ import annotations

from typing import Any

from modelmesh_core import Json, Usage, as_count, as_object, as_objects

_COUNTED = frozenset({"input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"})
_WITHIN_THE_TOTAL = frozenset({"message", "fallback_message"})
"""Iterations that the totals include. Others, such as a compaction, are billed beside them."""


def usage_of(reported: Any) -> Usage | None:
    """The buckets of a usage object; None if there is none."""
    usage = as_object(reported)
    if not usage:
        return None
    total = _counts(usage)
    for step in as_objects(usage.get("iterations")):
        if step.get("type", "message") not in _WITHIN_THE_TOTAL:
            total += _counts(step)
    return total


def as_reported(usage: Usage, own: Json) -> Json:
    """``usage`` as a chat completion reports it, and beside it what Anthropic's ``own`` report says more."""
    prompt, completion = usage.total_input, usage.total_output
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input, "cache_write_tokens": usage.cache_write},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
        **{key: value for key, value in own.items() if key not in _COUNTED and value is not None},
    }


def _counts(usage: Json) -> Usage:
    output = as_count(usage.get("output_tokens"))
    thought = min(as_count(as_object(usage.get("output_tokens_details")).get("thinking_tokens")), output)
    written = as_count(usage.get("cache_creation_input_tokens"))
    return Usage(
        input=as_count(usage.get("input_tokens")),
        output=output - thought,
        cached_input=as_count(usage.get("cache_read_input_tokens")),
        cache_write=written or sum(map(as_count, as_object(usage.get("cache_creation")).values())),
        reasoning=thought,
    )
