"""``reasoning_effort`` and ``thinking`` → ``thinkingConfig``: a budget in tokens for Gemini 2.5, a level from 3 on."""

from __future__ import annotations

from modelmesh_core import Json, ProviderCall, as_object, as_text

from .families import Family
from .shapes import as_count

_BUDGETS = {"minimal": 1024, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 24576, "max": 24576}
"""What Google's own OpenAI endpoint makes of the efforts."""
_LEAST_BUDGET_OF_PRO = 128
_DYNAMIC = -1


def thinking_config(call: ProviderCall, family: Family) -> Json:
    """The ``thinkingConfig`` that the caller asks for; empty if the caller asks for nothing."""
    thinking = as_object(call.body.get("thinking"))
    effort = as_text(call.body.get("reasoning_effort")).lower()
    parameter = "thinking" if thinking else "reasoning_effort"
    if not thinking and not effort:
        return {}
    if not (family.thinks or (family.generation is None and "reasoning" in call.features)):
        if effort != "none" and as_text(thinking.get("type")) != "disabled":
            call.drop(parameter, "the model does not think, as far as is known")
        return {}
    kind = as_text(thinking.get("type")) or ("disabled" if effort == "none" else "enabled")
    if kind == "disabled":
        return _least(call, family, parameter)
    budget = as_count(thinking.get("budget_tokens"))
    if family.is_at_least_3:
        level = _level(budget, effort, family)
        return {"includeThoughts": True, **({"thinkingLevel": level} if level else {})}
    return {"includeThoughts": True, "thinkingBudget": budget or _BUDGETS.get(effort, _DYNAMIC)}


def _least(call: ProviderCall, family: Family, parameter: str) -> Json:
    if family.always_thinks:
        call.drop(parameter, "the model always thinks; it is asked to think as little as it can")
    if family.is_at_least_3:
        return {"thinkingLevel": family.least_level}
    return {"thinkingBudget": _LEAST_BUDGET_OF_PRO if family.always_thinks else 0}


def _level(budget: int, effort: str, family: Family) -> str:
    """The nearest level; empty where the model is to decide."""
    if budget:
        effort = "low" if budget <= _BUDGETS["low"] else "medium" if budget <= _BUDGETS["medium"] else "high"
    if effort == "minimal":
        return family.least_level
    if effort in ("xhigh", "max") or (effort == "medium" and not family.has_medium_level):
        return "high"
    return effort if effort in ("low", "medium", "high") else ""
