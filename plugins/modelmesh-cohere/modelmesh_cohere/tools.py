"""Tools, tool_choice and response_format in Cohere's words."""

from __future__ import annotations

from typing import Any

from modelmesh_core import Json, ProviderCall, as_object, as_objects, as_text, refused

from .schemas import closed_schema


def tool_fields(call: ProviderCall, body: Json) -> Json:
    """``tools``, ``tool_choice`` and ``strict_tools``, as far as there is something to say."""
    choice, only = _choice(body.get("tool_choice"))
    given = [_function(tool) for tool in as_objects(body.get("tools"))]
    kept = [function for function in given if only is None or function["name"] in only]
    if not kept:
        return {}
    strict = body.get("strict_tools")
    if strict is None and any(function.get("strict") is True for function in kept):
        strict = all(as_object(function.get("parameters")).get("required") for function in kept)
        if not strict:
            call.drop("tools.strict", "Cohere's strict tools need a required parameter each")
    tools = [{"type": "function", "function": _without_strict(function)} for function in kept]
    fields: Json = {"tools": tools}
    if choice:
        fields["tool_choice"] = choice
    if strict:
        fields["strict_tools"] = True
    return fields


def form_fields(call: ProviderCall, body: Json, made: Json) -> Json:
    """``response_format``. Cohere takes it neither with tools nor with documents."""
    wanted = as_object(body.get("response_format"))
    kind = wanted.get("type")
    if kind not in ("json_schema", "json_object"):
        return {}
    if "tools" in made or "documents" in made:
        call.drop("response_format", "Cohere answers in JSON only without tools and documents")
        return {}
    described = as_object(wanted.get("json_schema"))
    # Cohere's own shape has the schema itself in this place.
    schema = as_object(described.get("schema")) or (described if kind == "json_object" else {})
    schema = schema or as_object(wanted.get("schema"))
    if not schema:
        return {"response_format": {"type": "json_object"}}
    if schema.get("type", "object") != "object":
        call.drop("response_format", "Cohere's answers in JSON are objects")
        return {}
    return {"response_format": {"type": "json_object", "json_schema": closed_schema(schema)}}


def _function(tool: Json) -> Json:
    if tool.get("type") != "function":
        kind = as_text(tool.get("type")) or "unknown"
        raise refused(f"tools holds one of type {kind}: Cohere runs no tools itself", "unsupported_tool")
    function = dict(as_object(tool.get("function")) or {key: tool[key] for key in tool if key != "type"})
    function["name"] = as_text(function.get("name"))
    parameters = as_object(function.get("parameters"))
    return {**function, "parameters": {"type": "object", "properties": {}, **parameters}}


def _without_strict(function: Json) -> Json:
    return {key: value for key, value in function.items() if key != "strict"}


def _choice(asked: Any) -> tuple[str | None, frozenset[str] | None]:
    """tool_choice in Cohere's words, and the names that it leaves, if it narrows the tools."""
    if isinstance(asked, str):
        return {"required": "REQUIRED", "any": "REQUIRED", "none": "NONE"}.get(asked.lower()), None
    chosen = as_object(asked)
    kind = as_text(chosen.get("type"))
    if kind == "function":
        name = as_text(as_object(chosen.get("function")).get("name")) or as_text(chosen.get("name"))
        return "REQUIRED", frozenset({name})
    if kind == "allowed_tools":
        allowed = as_object(chosen.get("allowed_tools")) or chosen
        named = [as_object(tool.get("function")) or tool for tool in as_objects(allowed.get("tools"))]
        names = frozenset(as_text(tool.get("name")) for tool in named)
        return "REQUIRED" if allowed.get("mode") == "required" else None, names
    return {"required": "REQUIRED", "any": "REQUIRED", "none": "NONE"}.get(kind), None
