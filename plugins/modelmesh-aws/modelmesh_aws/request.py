"""A chat call → the body of Converse and ConverseStream."""

from __future__ import annotations

from typing import Any

import attrs
from modelmesh_core import Json, ProviderCall, as_object, as_objects, as_text

from .content import ContentEncoder
from .conversation import called_tools, continued, system_of, turns_of
from .families import Family, family_of
from .inference import inference_settings, is_default
from .options import BedrockOptions
from .tools import AnswerForm, tool_settings

_PASSED = (
    "guardrailConfig",
    "additionalModelResponseFieldPaths",
    "performanceConfig",
    "requestMetadata",
    "promptVariables",
    "serviceTier",
)
"""Bedrock's own settings, which a caller may name as they are."""
_READ = frozenset(
    {
        *_PASSED,
        *("model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "temperature"),
        *("top_p", "top_k", "stop", "seed", "presence_penalty", "frequency_penalty", "tools", "tool_choice"),
        *("functions", "function_call", "parallel_tool_calls", "response_format", "reasoning_effort", "thinking"),
        *("additionalModelRequestFields", "outputConfig", "inferenceConfig", "cache_control", "web_search_options"),
        *("user", "metadata", "store", "service_tier", "prompt_cache_key", "safety_identifier"),
    }
)
_TIERS = frozenset({"priority", "flex", "reserved"})


@attrs.frozen
class EncodedCall:
    """A body to send, and what reading its answer takes."""

    body: Json
    family: Family
    model: str
    form: AnswerForm = AnswerForm()
    request_id: str = ""
    """The answer's id, where the vendor gives none."""


def encode(call: ProviderCall, options: BedrockOptions) -> EncodedCall:
    """Raises ProviderError of kind INVALID_REQUEST for what Converse cannot say."""
    given, family = call.body, family_of(call.upstream_model)
    _drop_unknown(call)
    caches = "prompt_caching" in call.features if call.features else family.caches
    encoder = ContentEncoder(caches=caches)
    messages = as_objects(given.get("messages"))
    system = system_of(messages, encoder)
    turns = continued(turns_of(messages, encoder, family), call.prefill)
    if turns and call.prefill is None and "cachePoint" not in turns[-1]["content"][-1]:
        turns[-1]["content"] += encoder.mark(given)
    tools = tool_settings(call, family, encoder, called_tools(turns))
    _web_search(call, family, tools.config)
    inference = inference_settings(call, family, forced=tools.forced)
    if tools.instruction:
        system.append({"text": tools.instruction})
    body: Json = {
        "messages": turns,
        "system": system,
        "inferenceConfig": {**inference.config, **as_object(given.get("inferenceConfig"))},
        "toolConfig": tools.config,
        "outputConfig": {**inference.output, **tools.output, **as_object(given.get("outputConfig"))},
        "additionalModelRequestFields": merged(
            {**inference.extra, **tools.extra}, as_object(given.get("additionalModelRequestFields"))
        ),
        **_guardrail(options),
        **_tier(given),
        **{key: given[key] for key in _PASSED if given.get(key) is not None},
    }
    sent = {key: value for key, value in body.items() if value or key == "messages"}
    return EncodedCall(sent, family, call.upstream_model, tools.form, call.request_id)


def merged(own: Json, given: Json) -> Json:
    """``own`` with what the caller has ``given``, which wins."""
    made = dict(own)
    for key, value in given.items():
        known: Any = made.get(key)
        both = isinstance(known, dict) and isinstance(value, dict)
        made[key] = merged(as_object(known), as_object(value)) if both else value
    return made


def _drop_unknown(call: ProviderCall) -> None:
    for name, value in call.body.items():
        if name not in _READ and not is_default(name, value):
            call.drop(name)


def _web_search(call: ProviderCall, family: Family, config: Json) -> None:
    if call.body.get("web_search_options") is None:
        return
    if family.thinking == "nova" and "grounding" in call.features:
        config["tools"] = [*config.get("tools", ()), {"systemTool": {"name": "nova_grounding"}}]
    else:
        call.drop("web_search_options", "this model cannot search")


def _guardrail(options: BedrockOptions) -> Json:
    if not options.guardrail_identifier:
        return {}
    config: Json = {"guardrailIdentifier": options.guardrail_identifier, "guardrailVersion": options.guardrail_version}
    if options.guardrail_trace:
        config["trace"] = options.guardrail_trace
    return {"guardrailConfig": config}


def _tier(given: Json) -> Json:
    tier = as_text(given.get("service_tier"))
    return {"serviceTier": {"type": tier}} if tier in _TIERS else {}
