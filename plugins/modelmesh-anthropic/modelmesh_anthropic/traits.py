"""What a generation of Claude accepts: each setting that some models answer with an error, in one place.

Taken from Anthropic's pages on the models and on moving between them. A name that says no generation is taken to be of
a new one that accepts everything.
"""

from __future__ import annotations

import re
from functools import lru_cache

import attrs

_FAMILIES = "opus|sonnet|haiku|fable|mythos"
_NAME_FIRST = re.compile(rf"claude-({_FAMILIES})-(\d{{1,2}})(?:[-.](\d{{1,2}}))?(?!\d)")
_NUMBER_FIRST = re.compile(rf"claude-(?:instant-)?v?(\d)(?:[-.](\d{{1,2}}))?(?!\d)(?:-({_FAMILIES}))?")
_EFFORTS = ("low", "medium", "high", "xhigh", "max")


@attrs.frozen
class Traits:
    """One model's habits."""

    adaptive: bool = True
    """Thinks as much as it sees fit, steered by ``effort``; else it is given a budget of tokens."""
    efforts: tuple[str, ...] = _EFFORTS
    hides_thinking: bool = True
    """Leaves the text of its thinking out, unless asked for a summary."""
    thinks_unasked: bool = True
    least_thinking: str | None = "disabled"
    """The ``thinking.type`` that turns it off, as far as it can be; None where nothing does."""
    sampling: bool = True
    """Takes temperature, top_p and top_k."""
    temperature_and_top_p: bool = True
    forced_tools: bool = True
    """Takes a tool_choice that demands a tool."""
    output_ceiling: int = 128_000
    """Tokens, for a model without a known limit."""


@lru_cache(maxsize=256)
def traits_of(model: str) -> Traits:
    """The traits of ``model``, by its name at Anthropic, Amazon or Google."""
    name = model.lower()
    found = _NAME_FIRST.search(name)
    if found:
        return _traits(found[1], (int(found[2]), int(found[3] or 0)))
    found = _NUMBER_FIRST.search(name)
    if found:
        return _traits(found[3] or "", (int(found[1]), int(found[2] or 0)))
    return Traits(hides_thinking=False, thinks_unasked=False)


def _traits(family: str, version: tuple[int, int]) -> Traits:
    if version < (4, 6):
        return _budgeted(version)
    frontier = family in ("fable", "mythos")
    if version < (4, 7):
        return Traits(
            efforts=("low", "medium", "high", "max"),
            hides_thinking=False,
            thinks_unasked=False,
            temperature_and_top_p=False,
        )
    least: str | None = "disabled"
    if frontier or (family == "opus" and version >= (5, 5)):
        least = None
    elif family == "sonnet" and version >= (5, 5):
        least = "between_tools"
    forced = version < (5, 1) if frontier else version < (5, 5) or family == "haiku"
    return Traits(thinks_unasked=version >= (5, 0), least_thinking=least, sampling=False, forced_tools=forced)


def _budgeted(version: tuple[int, int]) -> Traits:
    return Traits(
        adaptive=False,
        efforts=(),
        hides_thinking=False,
        thinks_unasked=False,
        temperature_and_top_p=version < (4, 0),
        output_ceiling=64_000 if version >= (4, 5) else 32_000 if version >= (3, 7) else 4096,
    )
