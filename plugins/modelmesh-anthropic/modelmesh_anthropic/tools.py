"""Tools, tool_choice, and answers in JSON."""

from __future__ import annotations

from typing import Any

import attrs
from modelmesh_core import Json, ProviderCall, as_list, as_object, as_objects, as_text

from .schemas import strict_schema
from .traits import Traits

JSON_TOOL = "answer_in_json"
_EXTRAS = ("cache_control", "defer_loading", "input_examples", "allowed_callers", "eager_input_streaming")
_WEB_SEARCH = "web_search_20250305"
_ANY_OBJECT: Json = {"type": "object"}
_ONLY_JSON = "Answer with one JSON object and nothing else: no introduction, no explanation, no Markdown fence."


@attrs.frozen
class AnswerForm:
    """How the answer comes: ``json_tool`` is the tool whose input is the answer's text, if it comes by one."""

    json_tool: str | None = None
    wrapped: bool = False
    """The answer is the field ``value`` of the input: inputs are objects, the caller's schema is of something else."""


@attrs.frozen
class ToolSettings:
    """What a request says of tools and of the answer's form."""

    fields: Json
    """``tools``, ``tool_choice``, ``output_config``, as far as there is something to say."""
    form: AnswerForm
    instruction: str | None = None
    """To be added to the system prompt."""

    @property
    def forces(self) -> bool:
        """Whether the model has to call a tool."""
        return as_object(self.fields.get("tool_choice")).get("type") in ("any", "tool")


def tool_settings(call: ProviderCall, body: Json, traits: Traits) -> ToolSettings:
    """What ``tools``, ``tool_choice``, ``parallel_tool_calls``, ``web_search_options`` and ``response_format`` mean."""
    choice, only = _choice(body.get("tool_choice"))
    strict = "structured_output" in call.features
    tools = [_tool(tool, strict) for tool in as_objects(body.get("tools")) if only is None or _name(tool) in only]
    if (options := body.get("web_search_options")) is not None:
        tools.append(_web_search(as_object(options)))
    if choice and choice["type"] in ("any", "tool") and not traits.forced_tools:
        call.drop("tool_choice", "this model decides for itself whether to call a tool")
        choice = {"type": "auto"}
    settings = _formed(call, body, traits, tools, choice if tools else None)
    if body.get("parallel_tool_calls") is False and settings.fields.get("tools"):
        chosen = as_object(settings.fields.get("tool_choice")) or {"type": "auto"}
        one = {"disable_parallel_tool_use": True} if chosen["type"] != "none" else {}
        settings.fields["tool_choice"] = {**chosen, **one}
    return settings


def _formed(call: ProviderCall, body: Json, traits: Traits, tools: list[Json], choice: Json | None) -> ToolSettings:
    """Tools and choice as the asked-for form of the answer changes them."""
    fields: Json = {"tools": tools} if tools else {}
    if choice:
        fields["tool_choice"] = choice
    wanted = as_object(body.get("response_format"))
    kind = wanted.get("type")
    if kind not in ("json_schema", "json_object"):
        return ToolSettings(fields, AnswerForm())
    described = as_object(wanted.get("json_schema"))
    schema = as_object(described.get("schema"))
    if kind == "json_schema" and schema and "structured_output" in call.features:
        fields["output_config"] = {"format": {"type": "json_schema", "schema": strict_schema(schema)}}
        return ToolSettings(fields, AnswerForm())
    if choice and choice["type"] == "tool":
        return ToolSettings(fields, AnswerForm())  # the answer is a tool call, whatever its text were to be
    if not traits.forced_tools:
        if kind == "json_schema":
            call.drop("response_format", "this model takes a schema only with the feature structured_output")
        return ToolSettings(fields, AnswerForm(), _ONLY_JSON)
    taken = {tool.get("name") for tool in tools}
    name = next(name for n in range(len(taken) + 1) if (name := JSON_TOOL + "_" * n) not in taken)
    wrapped = bool(schema) and schema.get("type") != "object"
    fields["tools"] = [*tools, _json_tool(name, schema or _ANY_OBJECT, described, wrapped)]
    may_call = tools and (choice or {}).get("type") != "none"
    fields["tool_choice"] = {"type": "any"} if may_call else {"type": "tool", "name": name}
    return ToolSettings(fields, AnswerForm(name, wrapped))


def _json_tool(name: str, schema: Json, described: Json, wrapped: bool) -> Json:
    if wrapped:
        definitions = {key: schema[key] for key in ("$defs", "definitions") if key in schema}
        inner = {key: value for key, value in schema.items() if key not in definitions}
        schema = {"type": "object", "properties": {"value": inner}, "required": ["value"], **definitions}
    about = " ".join(text for text in ("The whole answer, as JSON.", as_text(described.get("description"))) if text)
    return {"name": name, "description": about, "input_schema": schema}


def _name(tool: Json) -> str:
    return as_text(as_object(tool.get("function")).get("name")) or as_text(tool.get("name"))


def _tool(tool: Json, strict: bool) -> Json:
    """A function, in Anthropic's words; a tool of any other type is Anthropic's own."""
    if tool.get("type") != "function":
        return tool
    function = as_object(tool.get("function")) or tool
    schema = as_object(function.get("parameters"))
    made: Json = {"name": as_text(function.get("name"))}
    if function.get("description"):
        made["description"] = function["description"]
    if function.get("strict") is True and strict:
        made |= {"input_schema": strict_schema({"type": "object", **schema}), "strict": True}
    else:
        made["input_schema"] = {"type": "object", "properties": {}, **schema}
    extras = {key: source[key] for source in (function, tool) for key in _EXTRAS if source.get(key) is not None}
    return made | extras


def _web_search(options: Json) -> Json:
    place = as_object(options.get("user_location"))
    place = {**place, **as_object(place.get("approximate"))}
    known = {key: place[key] for key in ("city", "region", "country", "timezone") if place.get(key)}
    tool: Json = {"type": _WEB_SEARCH, "name": "web_search"}
    return {**tool, "user_location": {"type": "approximate", **known}} if known else tool


def _choice(asked: Any) -> tuple[Json | None, frozenset[str] | None]:
    """tool_choice in Anthropic's words, and the names that it leaves, if it narrows the tools."""
    if isinstance(asked, str):
        name = {"required": "any"}.get(asked, asked)
        return ({"type": name}, None) if name in ("auto", "any", "none") else (None, None)
    chosen = as_object(asked)
    kind = as_text(chosen.get("type"))
    if kind == "function":
        name = as_text(as_object(chosen.get("function")).get("name")) or as_text(chosen.get("name"))
        return {"type": "tool", "name": name}, None
    if kind == "allowed_tools":
        allowed = as_object(chosen.get("allowed_tools")) or chosen
        names = frozenset(_name(tool) for tool in as_objects(as_list(allowed.get("tools"))))
        return {"type": "any" if allowed.get("mode") == "required" else "auto"}, names
    return (dict(chosen), None) if kind in ("auto", "any", "tool", "none") else (None, None)
