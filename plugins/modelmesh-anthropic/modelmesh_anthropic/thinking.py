"""How much a model is to think, and how it is to choose its words."""

from __future__ import annotations

from modelmesh_core import Json, ProviderCall, as_object, as_text

from .traits import Traits

_BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16_384, "xhigh": 32_768, "max": 65_536}
_LEAST_BUDGET = 1024
_FALLBACKS = {"minimal": "low", "xhigh": "max", "max": "high"}


def thinking_settings(call: ProviderCall, body: Json, traits: Traits, max_tokens: int, *, forced: bool) -> Json:
    """``thinking`` and ``output_config`` for the body's ``thinking`` and ``reasoning_effort``.

    ``forced``: the model has to call a tool, before which a model with a budget does not think.
    """
    own, effort = as_object(body.get("thinking")), as_text(body.get("reasoning_effort")).lower()
    name = "thinking" if own else "reasoning_effort"
    wants = own.get("type") in ("enabled", "adaptive") if own else effort in _BUDGETS
    if wants and call.prefill is not None:
        call.drop(name, "an answer that another model began is continued without thinking")
        return {}
    if wants and forced and not traits.adaptive:
        call.drop(name, "this model does not think before a tool call that it is made to do")
        return {}
    if own:
        config = _effort(effort, traits) if effort in _BUDGETS and traits.adaptive else {}
        return {"thinking": own, **config}
    if effort == "none":
        return _without_thinking(call, traits)
    if effort not in _BUDGETS:
        if effort:
            call.drop("reasoning_effort", f"{effort} is none of {', '.join(_BUDGETS)}, none")
        return {}
    if traits.adaptive:
        display = {"display": "summarized"} if traits.hides_thinking else {}
        return {"thinking": {"type": "adaptive", **display}, **_effort(effort, traits)}
    budget = min(_BUDGETS[effort], max_tokens // 2)
    if budget < _LEAST_BUDGET:
        call.drop("reasoning_effort", f"max_tokens of {max_tokens} leaves no room for thinking")
        return {}
    return {"thinking": {"type": "enabled", "budget_tokens": budget}}


def sampling_settings(call: ProviderCall, body: Json, traits: Traits, *, thinks: bool) -> Json:
    """``temperature``, ``top_p`` and ``top_k``, as far as the model takes them."""
    asked = {name: body[name] for name in ("temperature", "top_p", "top_k") if body.get(name) is not None}
    refused: dict[str, str] = {}
    if not traits.sampling:
        refused = dict.fromkeys(asked, "this model chooses its words without it")
    elif thinks:
        allowed = {"temperature": asked.get("temperature") == 1, "top_p": _is_number(asked.get("top_p"), 0.95, 1)}
        refused = {name: "this model takes no other value while it thinks" for name in asked if not allowed.get(name)}
    elif isinstance(asked.get("temperature"), (int, float)) and asked["temperature"] > 1:
        refused["temperature"] = "Claude's temperature ends at 1, which is the default"
    for name, why in refused.items():
        if not _is_default(name, asked[name]):
            call.drop(name, why)
    kept = {name: value for name, value in asked.items() if name not in refused}
    one_only = "temperature" in kept and not traits.temperature_and_top_p
    if one_only and not _is_default("top_p", kept.pop("top_p", 1)):
        call.drop("top_p", "this model takes temperature or top_p, not both")
    return kept


def _is_default(name: str, value: object) -> bool:
    return name in ("temperature", "top_p") and value == 1


def _is_number(value: object, least: float, most: float) -> bool:
    return isinstance(value, (int, float)) and least <= value <= most


def _effort(effort: str, traits: Traits) -> Json:
    while effort not in traits.efforts and effort in _FALLBACKS:
        effort = _FALLBACKS[effort]
    return {"output_config": {"effort": effort}} if effort in traits.efforts else {}


def _without_thinking(call: ProviderCall, traits: Traits) -> Json:
    if traits.least_thinking is None:
        call.drop("reasoning_effort", "this model always thinks; it is asked to think as little as it can")
        return {"output_config": {"effort": traits.efforts[0]}}
    return {"thinking": {"type": traits.least_thinking}} if traits.thinks_unasked else {}
