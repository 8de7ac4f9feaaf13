"""``usage`` as servers report it → disjoint buckets."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ..wire.messages import Usage
from .shapes import as_count, as_object


def usage_of(reported: Any) -> Usage | None:
    """The usage object of a reply or chunk; None if there is none.

    Servers report nested counts: cached and audio tokens within ``prompt_tokens``, reasoning within
    ``completion_tokens``. Some count reasoning beside ``completion_tokens`` instead, which shows in ``total_tokens``.
    The buckets always add up to everything that was billed.
    """
    usage = as_object(reported)
    if not usage:
        return None
    prompt_details, completion_details = (
        as_object(usage.get(key)) for key in ("prompt_tokens_details", "completion_tokens_details")
    )
    total, completion = as_count(usage.get("total_tokens")), as_count(usage.get("completion_tokens"))
    prompt = as_count(usage["prompt_tokens"]) if "prompt_tokens" in usage else max(0, total - completion)
    beside = max(0, total - prompt - completion)

    cached = min(_cached(usage, prompt_details), prompt)
    written = min(as_count(prompt_details.get("cache_write_tokens")), prompt - cached)
    heard = min(as_count(prompt_details.get("audio_tokens")), prompt - cached - written)
    reasoning = max(as_count(completion_details.get("reasoning_tokens")), beside)
    reasoning_within = min(reasoning - beside, completion)
    spoken = min(as_count(completion_details.get("audio_tokens")), completion - reasoning_within)
    return Usage(
        input=prompt - cached - written - heard,
        output=completion - reasoning_within - spoken,
        cached_input=cached,
        cache_write=written,
        reasoning=reasoning_within + beside,
        audio=heard + spoken,
        cost=_cost(usage.get("cost")),
    )


def reported_usage(usage: Usage) -> dict[str, Any]:
    """``usage`` as OpenAI's chat completions report it: nested counts, of which ``usage_of`` makes the same again."""
    prompt = usage.total_input
    completion = usage.total_output
    prompt_details = {"cached_tokens": usage.cached_input, "cache_write_tokens": usage.cache_write}
    if usage.audio:
        prompt_details["audio_tokens"] = usage.audio
        prompt += usage.audio
    reported: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": prompt_details,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }
    if usage.cost is not None:
        reported["cost"] = float(usage.cost)
    return reported


def _cached(usage: dict[str, Any], details: dict[str, Any]) -> int:
    return (
        as_count(details.get("cached_tokens"))
        or as_count(usage.get("cached_tokens"))
        or as_count(usage.get("prompt_cache_hit_tokens"))
    )


def _cost(reported: Any) -> Decimal | None:
    """USD, reported as a number or as an object that sums itself up."""
    amount = as_object(reported).get("total_cost") if isinstance(reported, dict) else reported
    if isinstance(amount, bool) or not isinstance(amount, (int, float)) or not 0 <= amount < float("inf"):
        return None
    return Decimal(str(amount))
