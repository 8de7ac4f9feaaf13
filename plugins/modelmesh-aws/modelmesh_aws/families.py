"""Whose model it is, by its id, and what that maker's models take beyond what Converse has a place for."""

from __future__ import annotations

import re
from functools import lru_cache

import attrs

_MAKERS = "ai21|amazon|anthropic|cohere|deepseek|google|luma|meta|minimax|mistral|moonshot|moonshotai|nvidia|openai"
_MAKER = re.compile(rf"(?:^|[./:])({_MAKERS}|qwen|stability|twelvelabs|writer|xai|zai)\.")
_CLAUDE = "opus|sonnet|haiku|fable|mythos"
_NAME_FIRST = re.compile(rf"claude-({_CLAUDE})-(\d{{1,2}})(?:[-.](\d{{1,2}}))?(?!\d)")
_NUMBER_FIRST = re.compile(rf"claude-(?:instant-)?v?(\d)(?:[-.](\d{{1,2}}))?(?!\d)(?:-({_CLAUDE}))?")
_NOVA = re.compile(r"\bnova-(?:v?(\d)\b)?")


@attrs.frozen
class Family:
    """One generation of one maker's models. Ids that say neither are taken to accept what Converse has."""

    maker: str = ""
    fields: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Parameter of the agreement → where it stands in ``additionalModelRequestFields``."""
    thinking: str = ""
    """How reasoning is steered: ``budget`` or ``adaptive`` (Claude), ``nova``, ``effort`` (gpt-oss); empty: not."""
    caches: bool = False
    any_choice: bool = True
    """Takes a tool choice that demands some tool."""
    tool_choice: bool = True
    """Takes a tool choice that names one."""
    sampling: bool = True
    """Takes temperature and top_p."""
    both_samplings: bool = True
    """Takes the two together."""
    hides_thinking: bool = False
    least_thinking: str | None = "disabled"
    """The ``thinking.type`` that turns an adaptive model's thinking off; None where nothing does."""
    efforts: tuple[str, ...] = ("low", "medium", "high", "xhigh", "max")


_COHERE = ("seed", "frequency_penalty", "presence_penalty")
_FAMILIES = {
    "ai21": Family("ai21", any_choice=False, tool_choice=False),
    "cohere": Family(
        "cohere", (("top_k", ("k",)), *((name, (name,)) for name in _COHERE)), any_choice=False, tool_choice=False
    ),
    "meta": Family("meta", any_choice=False, tool_choice=False),
    "mistral": Family("mistral", (("top_k", ("top_k",)),), tool_choice=False),
    "openai": Family("openai", thinking="effort"),
}
_TOP_K = (("top_k", ("top_k",)),)


@lru_cache(maxsize=256)
def family_of(model: str) -> Family:
    """The family of a model id, an inference profile's id, or an ARN that holds one of them."""
    name = model.lower()
    found = _MAKER.search(name)
    maker = found[1] if found else "anthropic" if "claude-" in name else ""
    if maker == "anthropic":
        return _claude(name)
    if maker == "amazon":
        nova = _NOVA.search(name)
        top_k = (("top_k", ("inferenceConfig", "topK")),) if nova else ()
        return Family("amazon", top_k, "nova" if nova and nova[1] else "", caches=nova is not None)
    return _FAMILIES.get(maker, Family(maker))


def _claude(name: str) -> Family:
    """By Anthropic's pages on its models: each setting that some of them answer with an error."""
    if found := _NAME_FIRST.search(name):
        kind, version = found[1], (int(found[2]), int(found[3] or 0))
    elif found := _NUMBER_FIRST.search(name):
        kind, version = found[3] or "", (int(found[1]), int(found[2] or 0))
    else:
        return Family("anthropic", _TOP_K, "adaptive", caches=True)
    if version < (4, 6):
        able = version >= (3, 7)
        tools = version >= (3, 0)
        return Family(
            "anthropic",
            _TOP_K,
            "budget" if able else "",
            caches=version >= (3, 5),
            any_choice=tools,
            tool_choice=tools,
            both_samplings=version < (4, 0),
        )
    if version < (4, 7):
        efforts = ("low", "medium", "high", "max")
        return Family("anthropic", _TOP_K, "adaptive", caches=True, both_samplings=False, efforts=efforts)
    return _frontier(kind, version)


def _frontier(kind: str, version: tuple[int, int]) -> Family:
    top = kind in ("fable", "mythos")
    least: str | None = "disabled"
    if top or (kind == "opus" and version >= (5, 5)):
        least = None
    elif kind == "sonnet" and version >= (5, 5):
        least = "between_tools"
    forced = version < (5, 1) if top else version < (5, 5) or kind == "haiku"
    return Family(
        "anthropic",
        thinking="adaptive",
        caches=True,
        any_choice=forced,
        tool_choice=forced,
        sampling=False,
        hides_thinking=True,
        least_thinking=least,
    )
