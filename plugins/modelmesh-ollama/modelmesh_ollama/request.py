"""Calls in the OpenAI shape → the bodies of ``/api/chat`` and ``/api/embed``."""

from __future__ import annotations

from typing import Any

from modelmesh_core import Json, ProviderCall, as_list, as_object, as_objects, as_text, refused

from .messages import messages_of
from .options import OllamaOptions

_OPTIONS = ("temperature", "top_p", "top_k", "min_p", "seed", "presence_penalty", "frequency_penalty", "stop")
_OWN = ("keep_alive", "think", "logprobs", "top_logprobs", "truncate", "shift")
"""Sent as they are."""
_READ = frozenset(
    {
        "model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "tools", "tool_choice",
        "response_format", "format", "reasoning_effort", "thinking", "options", "parallel_tool_calls", *_OPTIONS, *_OWN,
    }
)  # fmt: skip
_EMBED_READ = frozenset(
    {"model", "input", "dimensions", "encoding_format", "input_type", "truncate", "options", "keep_alive"}
)
_WITHOUT_EFFECT = frozenset({"user", "metadata", "store", "service_tier", "prompt_cache_key", "safety_identifier"})
_DEFAULTS: Json = {"n": 1, "modalities": ["text"], "logit_bias": {}}
_LEVELS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}


def encode_chat(call: ProviderCall, defaults: OllamaOptions) -> Json:
    """The body for a chat call. Raises ProviderError of kind INVALID_REQUEST for what Ollama cannot be asked."""
    given = {key: value for key, value in call.body.items() if value is not None}
    made: Json = {
        "model": call.upstream_model,
        "messages": messages_of(as_objects(given.get("messages")), call.prefill),
        "stream": call.stream,
        **_loading(defaults),
        **{key: given[key] for key in _OWN if key in given and given[key] is not False},
    }
    if "think" in given:
        made["think"] = given["think"]
    made |= _tools(call, given)
    made |= _format(given)
    made |= _thinking(call, given)
    if options := _options(given, defaults):
        made["options"] = options
    if given.get("parallel_tool_calls") is False and "tools" in made:
        call.drop("parallel_tool_calls", "Ollama cannot be held to one tool call at a time")
    _drop_unread(call, given, _READ)
    return made


def encode_embeddings(call: ProviderCall, defaults: OllamaOptions) -> Json:
    """The body for an embeddings call. Raises ProviderError of kind INVALID_REQUEST for inputs that are no texts."""
    given = {key: value for key, value in call.body.items() if value is not None}
    asked = given.get("input")
    inputs = [asked] if isinstance(asked, str) else as_list(asked)
    if not inputs or not all(isinstance(text, str) for text in inputs):
        raise refused("input: expected a text or a list of texts; Ollama takes no tokens", "invalid_input")
    _drop_unread(call, given, _EMBED_READ)
    made: Json = {"model": call.upstream_model, "input": inputs, **_loading(defaults)}
    made |= {key: given[key] for key in ("dimensions", "truncate", "keep_alive") if key in given}
    options = {**_context(defaults), **as_object(given.get("options"))}
    return {**made, "options": options} if options else made


def _loading(defaults: OllamaOptions) -> Json:
    return {"keep_alive": defaults.keep_alive} if defaults.keep_alive else {}


def _context(defaults: OllamaOptions) -> Json:
    return {"num_ctx": defaults.num_ctx} if defaults.num_ctx else {}


def _options(given: Json, defaults: OllamaOptions) -> Json:
    made = {**_context(defaults), **{key: given[key] for key in _OPTIONS if key in given}}
    if isinstance(made.get("stop"), str):
        made["stop"] = [made["stop"]]
    limit = given.get("max_completion_tokens", given.get("max_tokens"))
    if limit is not None:
        made["num_predict"] = limit
    return {**made, **as_object(given.get("options"))}


def _tools(call: ProviderCall, given: Json) -> Json:
    tools = as_objects(given.get("tools"))
    kind, only = _choice(given.get("tool_choice"))
    if not tools or kind == "none":
        return {}
    if only:
        tools = [tool for tool in tools if as_text(as_object(tool.get("function")).get("name")) in only]
    if kind == "required":
        call.drop("tool_choice", "Ollama's models decide for themselves whether to call a tool")
    foreign = next((as_text(tool.get("type")) for tool in tools if tool.get("type", "function") != "function"), None)
    if foreign is not None:
        raise refused(f"tools holds one of type {foreign}: Ollama runs no tools itself", "unsupported_tool")
    return {"tools": tools} if tools else {}


def _choice(asked: Any) -> tuple[str, frozenset[str]]:
    """``none``, ``auto`` or ``required``, and the names that it leaves, if it narrows the tools."""
    if isinstance(asked, str):
        return {"none": "none", "required": "required", "any": "required"}.get(asked, "auto"), frozenset()
    chosen = as_object(asked)
    if chosen.get("type") == "function":
        return "required", frozenset({as_text(as_object(chosen.get("function")).get("name"))})
    if chosen.get("type") == "allowed_tools":
        allowed = as_object(chosen.get("allowed_tools")) or chosen
        named = [as_object(tool.get("function")) or tool for tool in as_objects(allowed.get("tools"))]
        mode = "required" if allowed.get("mode") == "required" else "auto"
        return mode, frozenset(as_text(tool.get("name")) for tool in named)
    return "auto", frozenset()


def _format(given: Json) -> Json:
    if "format" in given:
        return {"format": given["format"]}
    wanted = as_object(given.get("response_format"))
    schema = as_object(as_object(wanted.get("json_schema")).get("schema"))
    if wanted.get("type") == "json_schema" and schema:
        return {"format": schema}
    return {"format": "json"} if wanted.get("type") in ("json_object", "json_schema") else {}


def _thinking(call: ProviderCall, given: Json) -> Json:
    asked, effort = as_object(given.get("thinking")), as_text(given.get("reasoning_effort"))
    if "think" in given or not (asked or effort):
        return {}
    if (asked.get("type") == "disabled") if asked else effort == "none":
        return {"think": False}
    if call.features and "reasoning" not in call.features:
        call.drop("thinking" if asked else "reasoning_effort", "this model does not think")
        return {}
    return {"think": _LEVELS.get(effort, "medium") if "gpt-oss" in call.upstream_model.lower() else True}


def _drop_unread(call: ProviderCall, given: Json, read: frozenset[str]) -> None:
    for name, value in given.items():
        if name not in read and name not in _WITHOUT_EFFECT and value != _DEFAULTS.get(name):
            call.drop(name)
