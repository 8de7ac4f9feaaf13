"""A call in the OpenAI shape → the body of a Messages request."""

from __future__ import annotations

from typing import Any

import attrs
from modelmesh_core import Dialect, Json, ProviderCall, as_count, as_list, as_object, as_objects, as_text

from .content import refusal, uses_files
from .conversation import continued, system_of, turns_of
from .thinking import sampling_settings, thinking_settings
from .tools import AnswerForm, ToolSettings, tool_settings
from .traits import Traits, traits_of

FILES_BETA = "files-api-2025-04-14"

_OWN = frozenset(
    {
        "cache_control", "container", "context_management", "diagnostics", "fallback_credit_token", "fallbacks",
        "inference_geo", "mcp_servers", "output_config", "speed",
    }
)  # fmt: skip
"""Anthropic's parameters without a counterpart: passed on as they are."""
_READ = frozenset(
    {
        "model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "temperature", "top_p",
        "top_k", "stop", "tools", "tool_choice", "parallel_tool_calls", "response_format", "reasoning_effort",
        "thinking", "web_search_options", "user", "metadata", "service_tier",
    }
)  # fmt: skip
_WITHOUT_EFFECT = frozenset({"store", "prompt_cache_key", "safety_identifier"})
"""They change nothing in the answer."""
_DEFAULTS: Json = {
    "n": 1, "presence_penalty": 0, "frequency_penalty": 0, "logprobs": False, "top_logprobs": 0, "modalities": ["text"],
    "logit_bias": {},
}  # fmt: skip
_TIERS = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}


@attrs.frozen
class EncodedCall:
    """A Messages request without the fields that differ from one way in to the other."""

    body: Json
    """Without ``model`` and ``stream``."""
    betas: tuple[str, ...] = ()
    """Beta features that the body needs."""
    form: AnswerForm = AnswerForm()
    native: bool = False
    """The caller asked in this dialect, and is answered in it."""


def encode(call: ProviderCall) -> EncodedCall:
    """The body for ``call``. Raises ProviderError of kind INVALID_REQUEST for what Claude cannot be asked."""
    if call.dialect is Dialect.ANTHROPIC_MESSAGES and call.native is not None:
        body = {key: value for key, value in call.native.items() if key not in ("model", "stream")}
        if call.prefill is not None:
            turns = [{**turn, "content": _as_blocks(turn.get("content"))} for turn in as_objects(body.get("messages"))]
            body["messages"] = continued(turns, call.prefill)
        return EncodedCall(body, native=True)
    try:
        return _translated(call)
    except RecursionError as error:
        raise refusal("the request is nested too deeply") from error


def _translated(call: ProviderCall) -> EncodedCall:
    given = {key: value for key, value in call.body.items() if value is not None}
    traits = traits_of(call.upstream_model)
    settings = tool_settings(call, given, traits)
    if call.prefill is not None and (settings.form.json_tool or "output_config" in settings.fields):
        raise refusal("an answer in JSON that another model began cannot be continued")
    body = _conversation(call, given, settings)
    body |= _parameters(call, given, traits, settings)
    known = _READ | _WITHOUT_EFFECT | _OWN
    for name, value in given.items():
        if name not in known and value != _DEFAULTS.get(name):
            call.drop(name)
    files = any(uses_files(block) for turn in body["messages"] for block in turn["content"])
    return EncodedCall(body, (FILES_BETA,) if files else (), settings.form)


def _conversation(call: ProviderCall, given: Json, settings: ToolSettings) -> Json:
    messages = as_objects(given.get("messages"))
    turns, system = turns_of(messages), system_of(messages)
    if not turns and system:  # the API wants a turn of the user's
        turns = [{"role": "user", "content": _as_blocks(system)}]
        system = None
    if not turns:
        raise refusal("the request holds no message with a text or another content")
    if settings.instruction:
        added = {"type": "text", "text": settings.instruction}
        system = [*system, added] if isinstance(system, list) else _joined(system, settings.instruction)
    turns = continued(turns, call.prefill)
    return {"system": system, "messages": turns} if system else {"messages": turns}


def _parameters(call: ProviderCall, given: Json, traits: Traits, settings: ToolSettings) -> Json:
    limit = given.get("max_completion_tokens", given.get("max_tokens"))
    max_tokens = limit if limit is not None else call.max_output_tokens or traits.output_ceiling
    made: Json = {"max_tokens": max_tokens}
    thinking = thinking_settings(call, given, traits, as_count(max_tokens), forced=settings.forces)
    thinks = as_object(thinking.get("thinking")).get("type") in ("enabled", "adaptive")
    made |= sampling_settings(call, given, traits, thinks=thinks)
    made |= {key: given[key] for key in _OWN if key in given}
    made |= {key: value for key, value in settings.fields.items() if key != "output_config"}
    if "thinking" in thinking:
        made["thinking"] = thinking["thinking"]
    config: Json = {}
    for source in (settings.fields, thinking, given):
        config |= as_object(source.get("output_config"))
    if config:
        made["output_config"] = config
    if stops := _stops(call, given.get("stop")):
        made["stop_sequences"] = stops
    user = given.get("user") or as_object(given.get("metadata")).get("user_id")
    if isinstance(user, str) and user:
        made["metadata"] = {"user_id": user}
    if tier := _TIERS.get(as_text(given.get("service_tier"))):
        made["service_tier"] = tier
    return made


def _stops(call: ProviderCall, asked: Any) -> list[str]:
    stops = [text for text in ([asked] if isinstance(asked, str) else as_list(asked)) if isinstance(text, str)]
    visible = [text for text in stops if text.strip()]
    if len(visible) < len(stops):
        call.drop("stop", "Anthropic takes no stop sequence of white space alone")
    return visible


def _as_blocks(content: Any) -> list[Json]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(as_objects(content))


def _joined(system: Any, instruction: str) -> str:
    return "\n\n".join(text for text in (as_text(system), instruction) if text)
