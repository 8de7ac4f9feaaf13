"""``usage`` as Cohere reports it → disjoint buckets, and the shape of OpenAI's."""

from __future__ import annotations

from typing import Any

from modelmesh_core import Json, Usage, as_count, as_object


def usage_of(reported: Any) -> Usage | None:
    """The buckets of a usage object (of v2) or ``meta`` (of other operations); None if it counts no tokens.

    Cohere counts twice: ``tokens`` is all that the model read, with the instructions that Cohere itself adds, and
    ``billed_units`` what it charges for. The buckets are what is billed. ``cached_tokens`` lie within ``tokens``,
    mostly in Cohere's own instructions, and have no price of their own.
    """
    usage = as_object(reported)
    billed, tokens = as_object(usage.get("billed_units")), as_object(usage.get("tokens"))
    counted = billed if "input_tokens" in billed or "output_tokens" in billed else tokens
    if not counted:
        return None
    output = as_count(counted.get("output_tokens"))
    thought = min(as_count(tokens.get("reasoning_tokens")), output)
    cached = 0
    if counted is tokens:
        cached = min(as_count(usage.get("cached_tokens")), as_count(tokens.get("input_tokens")))
    return Usage(
        input=as_count(counted.get("input_tokens")) - cached,
        output=output - thought,
        cached_input=cached,
        reasoning=thought,
    )


def as_reported(usage: Usage, own: Json) -> Json:
    """``usage`` as a chat completion reports it, with Cohere's ``own`` report beside it."""
    prompt, completion = usage.total_input, usage.total_output
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
        **{key: value for key, value in own.items() if value is not None},
    }
