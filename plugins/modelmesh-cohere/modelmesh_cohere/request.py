"""A chat call in the OpenAI shape → the body of Cohere's ``/v2/chat``."""

from __future__ import annotations

from typing import Any

from modelmesh_core import Json, ProviderCall, as_count, as_list, as_object, as_objects, as_text, refused

from .messages import conversation_of
from .tools import form_fields, tool_fields

_OWN = ("citation_options", "k", "p", "priority", "raw_prompting", "safety_mode", "stop_sequences")
"""Cohere's parameters without a counterpart: passed on as they are."""
_SAME = ("temperature", "seed", "frequency_penalty")
_READ = frozenset(
    {
        "model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "top_p", "top_k",
        "stop", "presence_penalty", "logprobs", "tools", "tool_choice", "response_format", "reasoning_effort",
        "thinking", "documents", "strict_tools", *_OWN, *_SAME,
    }
)  # fmt: skip
_WITHOUT_EFFECT = frozenset(
    {"user", "metadata", "store", "service_tier", "prompt_cache_key", "safety_identifier", "parallel_tool_calls"}
)
"""They change nothing in the answer; several calls in one answer can be forbidden, see below."""
_DEFAULTS: Json = {"n": 1, "top_logprobs": 0, "modalities": ["text"], "logit_bias": {}}
_BUDGETS = {"minimal": 512, "low": 2048, "medium": 8192}
"""Tokens to think with; more effort than these is no limit."""


def encode(call: ProviderCall) -> Json:
    """The body for ``call``. Raises ProviderError of kind INVALID_REQUEST for what Cohere cannot be asked."""
    try:
        return _encoded(call)
    except RecursionError as error:
        raise refused("the request is nested too deeply") from error


def _encoded(call: ProviderCall) -> Json:
    given = {key: value for key, value in call.body.items() if value is not None}
    messages, documents = conversation_of(as_objects(given.get("messages")))
    if call.prefill:
        messages.append({"role": "assistant", "content": call.prefill})
    made: Json = {"model": call.upstream_model, "messages": messages, "stream": call.stream}
    if documents := [*as_list(given.get("documents")), *documents]:
        made["documents"] = documents
    made |= tool_fields(call, given)
    made |= form_fields(call, given, made)
    made |= _sampling(call, given)
    made |= _thinking(call, given)
    if given.get("parallel_tool_calls") is False and "tools" in made:
        call.drop("parallel_tool_calls", "Cohere cannot be held to one tool call at a time")
    for name, value in given.items():
        if name not in _READ and name not in _WITHOUT_EFFECT and value != _DEFAULTS.get(name):
            call.drop(name)
    return made


def _sampling(call: ProviderCall, given: Json) -> Json:
    made: Json = {key: given[key] for key in (*_SAME, *_OWN) if key in given}
    limit = given.get("max_completion_tokens", given.get("max_tokens"))
    if limit is not None:
        made["max_tokens"] = limit
    if "top_p" in given and given["top_p"] != 1:  # Cohere's p ends at 0.99, and without one nothing is cut off
        made.setdefault("p", given["top_p"])
    if "top_k" in given:
        made.setdefault("k", given["top_k"])
    if stops := _stops(given.get("stop")):
        made.setdefault("stop_sequences", stops)
    if given.get("presence_penalty"):
        if given.get("frequency_penalty"):
            call.drop("presence_penalty", "Cohere takes one of the two penalties")
        else:
            made["presence_penalty"] = given["presence_penalty"]
    if given.get("logprobs") is True:
        made["logprobs"] = True
    return made


def _thinking(call: ProviderCall, given: Json) -> Json:
    asked, effort = as_object(given.get("thinking")), as_text(given.get("reasoning_effort"))
    if not asked and not effort:
        return {}
    is_off = asked.get("type") == "disabled" if asked else effort == "none"
    name = call.upstream_model.lower()
    if "reasoning" not in call.features and not any(word in name for word in ("reason", "a-plus", "north")):
        if not is_off:
            call.drop("thinking" if asked else "reasoning_effort", "this model does not think")
        return {}
    if is_off:
        return {"thinking": {"type": "disabled"}}
    budget = as_count(asked.get("token_budget") or asked.get("budget_tokens")) or _BUDGETS.get(effort, 0)
    return {"thinking": {"type": "enabled", **({"token_budget": budget} if budget else {})}}


def _stops(asked: Any) -> list[str]:
    return [text for text in ([asked] if isinstance(asked, str) else as_list(asked)) if isinstance(text, str) and text]
