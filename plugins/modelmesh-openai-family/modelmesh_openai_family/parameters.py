"""A body's parameters for a vendor: renamed, left out, or said in another way."""

from __future__ import annotations

from typing import Any

import orjson
from modelmesh_core import Operation, ProviderCall, as_list, as_object, as_text

from .messages import for_vendor
from .traits import Traits

_DEFAULTS: dict[str, Any] = {
    "n": 1,
    "logprobs": False,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "parallel_tool_calls": True,
    "modalities": ["text"],
    "logit_bias": {},
    "top_logprobs": 0,
}
"""Values that ask for what a vendor without the parameter does anyhow."""


def body_for(call: ProviderCall, traits: Traits) -> dict[str, Any]:
    """The body that ``call`` sends to a vendor of these traits."""
    body = {**call.body, "model": call.upstream_model}
    if call.operation is not Operation.CHAT:
        return body
    if "messages" in body:
        body["messages"] = for_vendor(body["messages"], traits, "reasoning" in call.features)
    for name, own in traits.renamed.items():
        if name in body:
            value = body.pop(name)
            body.setdefault(own, value)
    for name in traits.ignores & body.keys():
        del body[name]
    for name in sorted(traits.lacks & body.keys()):
        value = body.pop(name)
        if value is not None and not (name in _DEFAULTS and value == _DEFAULTS[name]):
            call.drop(name)
    if not traits.takes_json_schema:
        _tell_schema(call, body)
    if traits.tool_choices is not None:
        _limit_choice(call, body, traits.tool_choices)
    return body


def _tell_schema(call: ProviderCall, body: dict[str, Any]) -> None:
    """JSON mode, and the schema as an instruction, for vendors that have no schemas."""
    wanted = as_object(body.get("response_format"))
    if wanted.get("type") != "json_schema":
        return
    call.drop("response_format.json_schema", "the provider is told of the schema, but does not enforce it")
    schema = as_object(wanted.get("json_schema")).get("schema")
    try:
        text = orjson.dumps(schema).decode()
    except TypeError:
        return  # refused as a whole, with its reason, when the body is written
    told = {"role": "system", "content": f"Answer with one JSON object, and nothing else, by this JSON schema:\n{text}"}
    messages = as_list(body.get("messages"))
    leading = 0
    while leading < len(messages) and as_object(messages[leading]).get("role") == "system":
        leading += 1
    body["messages"] = [*messages[:leading], told, *messages[leading:]]
    body["response_format"] = {"type": "json_object"}


def _limit_choice(call: ProviderCall, body: dict[str, Any], known: frozenset[str]) -> None:
    choice = body.get("tool_choice")
    if choice is None or as_text(choice) in known:
        return
    del body["tool_choice"]
    if choice == "none":
        body.pop("tools", None)
        body.pop("parallel_tool_calls", None)
    else:
        call.drop("tool_choice", "the provider leaves the choice of a tool to its model")
