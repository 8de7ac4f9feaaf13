"""How the model is to choose its words and how much to think → ``inferenceConfig`` and the model's own fields."""

from __future__ import annotations

from typing import Any

import attrs
from modelmesh_core import Json, ProviderCall, as_count, as_list, as_object, as_text

from .families import Family

_BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16_384, "xhigh": 32_768, "max": 65_536}
_LEAST_BUDGET = 1024
_FALLBACKS = {"minimal": "low", "xhigh": "max", "max": "high"}
_THREE = ("low", "medium", "high")
_DEFAULTS: dict[str, Any] = {
    "n": 1,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "logprobs": False,
    "top_logprobs": 0,
    "modalities": ["text"],
    "logit_bias": {},
    "temperature": 1,
    "top_p": 1,
}


@attrs.define
class InferenceSettings:
    """What sampling, length and thinking make of a request."""

    config: Json = attrs.field(factory=dict[str, Any])
    """``inferenceConfig``."""
    extra: Json = attrs.field(factory=dict[str, Any])
    """For ``additionalModelRequestFields``."""
    output: Json = attrs.field(factory=dict[str, Any])
    """For ``outputConfig``."""


def inference_settings(call: ProviderCall, family: Family, *, forced: bool) -> InferenceSettings:
    """``forced``: the model has to call a tool, before which a Claude with a budget does not think."""
    body, settings = call.body, InferenceSettings()
    length = as_count(body.get("max_completion_tokens")) or as_count(body.get("max_tokens"))
    if length:
        settings.config["maxTokens"] = length
    stop = body.get("stop")
    words = [stop] if isinstance(stop, str) else [word for word in as_list(stop) if isinstance(word, str)]
    words = [word for word in words if word]
    if words:
        settings.config["stopSequences"] = words
    _think(call, family, settings, forced)
    _sample(call, family, settings)
    _own_fields(call, family, settings)
    return settings


def is_default(name: str, value: Any) -> bool:
    """Whether leaving a parameter out asks for the same."""
    return value is None or (name in _DEFAULTS and value == _DEFAULTS[name])


def _own_fields(call: ProviderCall, family: Family, settings: InferenceSettings) -> None:
    """Parameters that stand among the model's own fields."""
    places = dict(family.fields)
    for name in ("top_k", "seed", "presence_penalty", "frequency_penalty"):
        value = call.body.get(name)
        if is_default(name, value):
            continue
        if name not in places:
            call.drop(name)
        elif name == "top_k" and "thinking" in settings.extra:
            call.drop(name, "this model does not take it while it thinks")
        else:
            *path, last = places[name]
            into = settings.extra
            for key in path:
                into = into.setdefault(key, {})
            into[last] = value


def _sample(call: ProviderCall, family: Family, settings: InferenceSettings) -> None:
    for name, key in (("temperature", "temperature"), ("top_p", "topP")):
        value = call.body.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            continue
        why = _refusal(name, value, family, settings)
        if why is None:
            settings.config[key] = value
        elif not is_default(name, value):
            call.drop(name, why)


def _refusal(name: str, value: float, family: Family, settings: InferenceSettings) -> str | None:
    """Why the model would refuse a value; None if it takes it."""
    if not family.sampling:
        return "this model chooses its words without it"
    thinks = as_object(settings.extra.get("thinking")).get("type") in ("enabled", "adaptive")
    if thinks and not (value == 1 if name == "temperature" else 0.95 <= value <= 1):
        return "this model takes no other value while it thinks"
    if as_object(settings.extra.get("reasoningConfig")).get("maxReasoningEffort") == "high":
        return "this model takes none while it thinks hard"
    if name == "top_p" and "temperature" in settings.config and not family.both_samplings:
        return "this model takes temperature or top_p, not both"
    return "Bedrock's temperature ends at 1" if name == "temperature" and value > 1 else None


def _think(call: ProviderCall, family: Family, settings: InferenceSettings, forced: bool) -> None:
    own, effort = as_object(call.body.get("thinking")), as_text(call.body.get("reasoning_effort")).lower()
    if not own and not effort:
        return
    name = "thinking" if own else "reasoning_effort"
    if effort and effort != "none" and effort not in _BUDGETS:
        call.drop("reasoning_effort", f"{effort} is none of {', '.join(_BUDGETS)}, none")
        effort = ""
    wants = own.get("type") in ("enabled", "adaptive") if own else effort in _BUDGETS
    if wants and call.prefill is not None:
        call.drop(name, "an answer that another model began is continued without thinking")
    elif wants and forced and family.thinking == "budget":
        call.drop(name, "this model does not think before a tool call that it is made to do")
    elif family.thinking in ("budget", "adaptive"):
        _claude(call, family, settings, own, effort)
    elif family.thinking == "nova":
        _nova(call, settings, own, effort)
    elif family.thinking == "effort":
        level = effort or (_level(own) if wants else "")
        if level in _BUDGETS:
            settings.extra["reasoning_effort"] = _nearest(level, _THREE)
        else:
            call.drop(name, "this model cannot be kept from thinking")
    elif wants:
        call.drop(name, "this model has no setting for it")


def _claude(call: ProviderCall, family: Family, settings: InferenceSettings, own: Json, effort: str) -> None:
    if own:
        settings.extra["thinking"] = own
        if effort in _BUDGETS and family.thinking == "adaptive":
            settings.output["effort"] = _nearest(effort, family.efforts)
        budget = as_count(own.get("budget_tokens"))
        if budget and "maxTokens" not in settings.config and call.max_output_tokens:
            settings.config["maxTokens"] = call.max_output_tokens
    elif effort == "none":
        _without_thinking(call, family, settings)
    elif effort and family.thinking == "adaptive":
        display = {"display": "summarized"} if family.hides_thinking else {}
        settings.extra["thinking"] = {"type": "adaptive", **display}
        settings.output["effort"] = _nearest(effort, family.efforts)
    elif effort:
        length = settings.config.setdefault("maxTokens", call.max_output_tokens or 2 * _BUDGETS[effort])
        budget = min(_BUDGETS[effort], length // 2)
        if budget < _LEAST_BUDGET:
            call.drop("reasoning_effort", f"max_tokens of {length} leaves no room for thinking")
        else:
            settings.extra["thinking"] = {"type": "enabled", "budget_tokens": budget}


def _without_thinking(call: ProviderCall, family: Family, settings: InferenceSettings) -> None:
    if family.thinking == "budget":
        return
    if family.least_thinking is None:
        call.drop("reasoning_effort", "this model cannot be kept from thinking; it thinks as little as it can")
        settings.output["effort"] = "low"
    elif family.hides_thinking:
        settings.extra["thinking"] = {"type": family.least_thinking}


def _nova(call: ProviderCall, settings: InferenceSettings, own: Json, effort: str) -> None:
    if own.get("type") == "disabled" or effort == "none":
        settings.extra["reasoningConfig"] = {"type": "disabled"}
        return
    level = _nearest(effort or _level(own), _THREE)
    settings.extra["reasoningConfig"] = {"type": "enabled", "maxReasoningEffort": level}
    if level == "high" and settings.config.pop("maxTokens", None):
        name = "max_completion_tokens" if call.body.get("max_completion_tokens") else "max_tokens"
        call.drop(name, "this model takes no limit while it thinks hard")


def _level(thinking: Json) -> str:
    """The effort that a budget in tokens comes nearest to."""
    budget = as_count(thinking.get("budget_tokens"))
    return next((name for name, tokens in _BUDGETS.items() if budget and budget <= tokens), "medium")


def _nearest(effort: str, known: tuple[str, ...]) -> str:
    while effort not in known:
        effort = _FALLBACKS[effort]
    return effort
