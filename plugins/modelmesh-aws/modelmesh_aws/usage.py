"""``usage`` as Converse reports it → disjoint buckets, and the shape of OpenAI's."""

from __future__ import annotations

from typing import Any

from modelmesh_core import Json, Usage, as_count, as_object

_COUNTED = frozenset(
    {
        *("inputTokens", "outputTokens", "totalTokens", "cacheReadInputTokens", "cacheWriteInputTokens"),
        *("cacheReadInputTokenCount", "cacheWriteInputTokenCount"),
    }
)


def usage_of(reported: Any) -> Usage | None:
    """The buckets of a usage object; None if there is none.

    ``inputTokens`` leaves out what was read from and written to a cache, and ``totalTokens`` has all. A total that has
    no room for the cached tokens says that they are within ``inputTokens``.
    """
    usage = as_object(reported)
    if not usage:
        return None
    given, output, total = (as_count(usage.get(key)) for key in ("inputTokens", "outputTokens", "totalTokens"))
    read = as_count(usage.get("cacheReadInputTokens")) or as_count(usage.get("cacheReadInputTokenCount"))
    written = as_count(usage.get("cacheWriteInputTokens")) or as_count(usage.get("cacheWriteInputTokenCount"))
    if total == given + output and given >= read + written:
        given -= read + written
    return Usage(input=given, output=output, cached_input=read, cache_write=written)


def as_reported(usage: Usage, own: Json) -> Json:
    """``usage`` as a chat completion reports it, and beside it what Bedrock's ``own`` report says more."""
    prompt, completion = usage.total_input, usage.total_output
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input, "cache_write_tokens": usage.cache_write},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
        **{key: value for key, value in own.items() if key not in _COUNTED and value},
    }
