"""``usage`` as servers report it → disjoint buckets."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ..wire.messages import Usage
from ..wire.shapes import as_count, as_object

_TICKS = Decimal(10_000_000_000)
"""Of xAI, to the dollar."""


_PLAIN = {"prompt_tokens", "completion_tokens", "total_tokens"}
"""All that most servers say: there is nothing to take apart."""


def usage_of(reported: Any) -> Usage | None:
    """The usage object of a reply or chunk; None if there is none.

    Servers report nested counts: cached and audio tokens within ``prompt_tokens``, reasoning within
    ``completion_tokens``. Some count reasoning beside ``completion_tokens``, or audio beside ``prompt_tokens``, which
    shows in ``total_tokens``. The buckets always add up to everything that was billed.
    """
    usage = as_object(reported)
    if not usage:
        return None
    if usage.keys() == _PLAIN:
        prompt, completion = usage["prompt_tokens"], usage["completion_tokens"]
        if type(prompt) is int and type(completion) is int and prompt + completion == usage["total_tokens"]:
            return Usage(max(0, prompt), max(0, completion))
    prompt_details = _first(usage, "prompt_tokens_details", "input_tokens_details", "input_token_details")
    completion_details = _first(usage, "completion_tokens_details", "output_tokens_details", "output_token_details")
    total = as_count(usage.get("total_tokens"))
    completion = as_count(usage.get("completion_tokens", usage.get("output_tokens")))
    stated = usage.get("prompt_tokens", usage.get("input_tokens"))
    prompt = max(0, total - completion) if stated is None else as_count(stated)
    beside = max(0, total - prompt - completion)

    heard = as_count(prompt_details.get("audio_tokens"))
    thought = as_count(completion_details.get("reasoning_tokens"))
    if beside and not heard and usage.get("prompt_audio_seconds"):
        heard = beside
    if heard and not thought and heard <= beside:
        prompt, beside = prompt + heard, beside - heard
    cached = min(_cached(usage, prompt_details), prompt)
    written = min(as_count(prompt_details.get("cache_write_tokens")), prompt - cached)
    heard = min(heard, prompt - cached - written)
    reasoning = max(thought, beside)
    reasoning_within = min(reasoning - beside, completion)
    spoken = min(as_count(completion_details.get("audio_tokens")), completion - reasoning_within)
    return Usage(
        input=prompt - cached - written - heard,
        output=completion - reasoning_within - spoken,
        cached_input=cached,
        cache_write=written,
        reasoning=reasoning_within + beside,
        audio=heard + spoken,
        cost=_cost(usage),
        seconds=_seconds(usage),
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


def _first(usage: dict[str, Any], *keys: str) -> dict[str, Any]:
    for key in keys:
        if found := as_object(usage.get(key)):
            return found
    return {}


def _cached(usage: dict[str, Any], details: dict[str, Any]) -> int:
    return (
        as_count(details.get("cached_tokens"))
        or as_count(usage.get("cached_tokens"))
        or as_count(usage.get("num_cached_tokens"))
        or as_count(usage.get("prompt_cache_hit_tokens"))
    )


def _seconds(usage: dict[str, Any]) -> float:
    """Of audio that was heard. The key without a prefix means them only where the usage is counted in them."""
    seconds = usage.get("seconds") if usage.get("type") == "duration" else usage.get("prompt_audio_seconds")
    return float(number) if (number := _number(seconds)) else 0.0


def _cost(usage: dict[str, Any]) -> Decimal | None:
    """USD, reported as a number, as an object that sums itself up, or as ticks (of which none means nothing)."""
    reported = usage.get("cost")
    amount = _number(as_object(reported).get("total_cost") if isinstance(reported, dict) else reported)
    if amount is None:
        ticks = _number(usage.get("cost_in_usd_ticks"))
        return ticks / _TICKS if ticks else None
    if usage.get("is_byok") is True:  # a gateway's own fee; what its caller pays the vendor stands beside it
        amount += _number(as_object(usage.get("cost_details")).get("upstream_inference_cost")) or 0
    return amount


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        return None
    return Decimal(str(value))
