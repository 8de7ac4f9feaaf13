"""Tools, the choice among them, and the form of the answer → ``toolConfig`` and ``outputConfig``."""

from __future__ import annotations

from typing import Any

import attrs
from modelmesh_core import Json, ProviderCall, as_list, as_object, as_objects, as_text, json_text

from .content import ContentEncoder
from .families import Family
from .schemas import strict_schema

JSON_TOOL = "give_answer"
_ANY_OBJECT: Json = {"type": "object"}
_OWN_TOOLS = ("toolSpec", "systemTool", "cachePoint")


@attrs.frozen
class AnswerForm:
    """How the answer's text comes."""

    json_tool: str | None = None
    """The tool by whose call it comes: its input is the text."""
    wrapped: bool = False
    """The input holds it under ``value``: a tool's input can only be an object."""


@attrs.define
class ToolSettings:
    """What tools and the answer's form make of a request."""

    config: Json = attrs.field(factory=dict[str, Any])
    """``toolConfig``."""
    output: Json = attrs.field(factory=dict[str, Any])
    """``outputConfig``."""
    extra: Json = attrs.field(factory=dict[str, Any])
    """For ``additionalModelRequestFields``."""
    form: AnswerForm = AnswerForm()
    may_call: bool = False
    """Whether the model may call one of the caller's tools."""
    instruction: str = ""
    """What the system prompt has to say."""

    @property
    def forced(self) -> bool:
        """Whether the model has to call a tool."""
        moved = as_object(self.extra.get("tool_choice")).get("type")
        return "any" in self.choice or "tool" in self.choice or moved in ("any", "tool")

    @property
    def choice(self) -> Json:
        return as_object(self.config.get("toolChoice"))


def tool_settings(call: ProviderCall, family: Family, encoder: ContentEncoder, called: list[str]) -> ToolSettings:
    """``called``: names of the tools in the conversation, which the API wants to be listed in any case."""
    body, settings = call.body, ToolSettings()
    asked = as_objects(body.get("tools")) or _from_functions(body)
    choice, names = _choice(body.get("tool_choice") or body.get("function_call"))
    if names is not None:
        asked = [tool for tool in asked if _name(tool) in names]
    tools = _listed(call, family, encoder, asked, settings)
    settings.may_call = bool(tools) and choice != {"none": {}}
    if choice == {"none": {}}:
        tools, choice = _without_tools(call, tools, called), None
    elif choice is not None and not family.tool_choice:
        tools, choice = _choice_taken(call, family, tools, choice)
    if not tools:
        tools, choice = [_tool_called_before(name) for name in called], None
    if tools:
        settings.config = {"tools": tools, **({"toolChoice": choice} if choice else {})}
    _set_form(call, family, settings)
    _set_parallel(call, family, settings)
    return settings


def _listed(
    call: ProviderCall, family: Family, encoder: ContentEncoder, asked: list[Json], settings: ToolSettings
) -> list[Json]:
    """The tools of ``toolConfig``; those that have no place there go into ``settings.extra``."""
    strict = "structured_output" in call.features
    found: list[Json] = []
    for tool in asked:
        if tool.get("type", "function") == "function" or any(key in tool for key in _OWN_TOOLS):
            found += [_tool(tool, strict), *(encoder.mark(tool) if family.maker == "anthropic" else ())]
        elif family.maker == "anthropic":  # tools that Anthropic defines
            settings.extra.setdefault("tools", []).append(tool)
        else:
            found.append({"systemTool": {"name": as_text(tool.get("name")) or as_text(tool.get("type"))}})
    return found


def _without_tools(call: ProviderCall, tools: list[Json], called: list[str]) -> list[Json]:
    """``tool_choice: none``, which Converse lacks: no tools, unless the conversation has calls to some."""
    if called and tools:
        call.drop("tool_choice", "Bedrock has no choice of none, and wants the tools that were called to be listed")
        return tools
    return []


def _choice_taken(
    call: ProviderCall, family: Family, tools: list[Json], choice: Json
) -> tuple[list[Json], Json | None]:
    """The nearest that a model takes which no tool choice can bind to one tool."""
    named = as_text(as_object(choice.get("tool")).get("name"))
    if named and family.any_choice:
        return [tool for tool in tools if as_object(tool.get("toolSpec")).get("name") == named], {"any": {}}
    if "auto" not in choice and not family.any_choice:
        call.drop("tool_choice", "this model chooses for itself whether to call a tool")
        return tools, None
    return tools, choice if family.any_choice else None


def _set_form(call: ProviderCall, family: Family, settings: ToolSettings) -> None:
    wanted = as_object(call.body.get("response_format"))
    kind = wanted.get("type")
    if kind not in ("json_schema", "json_object"):
        return
    described = as_object(wanted.get("json_schema"))
    schema = as_object(described.get("schema"))
    if kind == "json_schema" and schema and "structured_output" in call.features:
        about = {key: described[key] for key in ("name", "description") if as_text(described.get(key))}
        structure = {"schema": json_text(strict_schema(schema)), **about}
        settings.output["textFormat"] = {"type": "json_schema", "structure": {"jsonSchema": structure}}
        return
    if "tool" in settings.choice:
        return  # the answer is a tool call, whatever its text were to be
    if not family.any_choice:
        settings.instruction = _instruction(schema)
        if kind == "json_schema":
            call.drop("response_format", "this model gets the schema as an instruction only, which may not bind it")
        return
    tools = as_list(settings.config.get("tools"))
    taken = {as_object(as_object(tool).get("toolSpec")).get("name") for tool in tools}
    name = next(name for n in range(len(taken) + 1) if (name := JSON_TOOL + "_" * n) not in taken)
    wrapped = bool(schema) and schema.get("type") != "object"
    choice: Json = {"any": {}} if settings.may_call or not family.tool_choice else {"tool": {"name": name}}
    own = _json_tool(name, schema or _ANY_OBJECT, described, wrapped)
    settings.config = {"tools": [*tools, own], "toolChoice": choice}
    settings.form = AnswerForm(name, wrapped)


def _set_parallel(call: ProviderCall, family: Family, settings: ToolSettings) -> None:
    if call.body.get("parallel_tool_calls") is not False or not settings.config:
        return
    if family.maker != "anthropic":
        call.drop("parallel_tool_calls", "this model calls as many tools at once as it wants")
        return
    choice = settings.config.pop("toolChoice", {"auto": {}})
    kind, own = next(iter(choice.items()))
    settings.extra["tool_choice"] = {"type": kind, **as_object(own), "disable_parallel_tool_use": True}


def _instruction(schema: Json) -> str:
    text = "Answer with one JSON object and nothing else: no words around it, no code fence."
    return f"{text} It has to fit this JSON Schema: {json_text(schema)}" if schema else text


def _json_tool(name: str, schema: Json, described: Json, wrapped: bool) -> Json:
    if wrapped:
        definitions = {key: schema[key] for key in ("$defs", "definitions") if key in schema}
        inner = {key: value for key, value in schema.items() if key not in definitions}
        schema = {"type": "object", "properties": {"value": inner}, "required": ["value"], **definitions}
    about = " ".join(text for text in ("The whole answer, as JSON.", as_text(described.get("description"))) if text)
    return {"toolSpec": {"name": name, "description": about, "inputSchema": {"json": schema}}}


def _tool(tool: Json, strict: bool) -> Json:
    """A function, in Converse's words; one that is in them already stays as it is."""
    for key in _OWN_TOOLS:
        if key in tool:
            return {key: tool[key]}
    function = as_object(tool.get("function")) or tool
    schema = as_object(function.get("parameters"))
    made: Json = {"name": as_text(function.get("name"))}
    if as_text(function.get("description")).strip():
        made["description"] = function["description"]
    if function.get("strict") is True and strict:
        made |= {"inputSchema": {"json": strict_schema({"type": "object", **schema})}, "strict": True}
    else:
        made["inputSchema"] = {"json": {"type": "object", "properties": {}, **schema}}
    return {"toolSpec": made}


def _tool_called_before(name: str) -> Json:
    return {"toolSpec": {"name": name, "inputSchema": {"json": {"type": "object", "properties": {}}}}}


def _name(tool: Json) -> str:
    return as_text(as_object(tool.get("function")).get("name")) or as_text(tool.get("name"))


def _from_functions(body: Json) -> list[Json]:
    """``functions``, the older way to say ``tools``."""
    return [{"type": "function", "function": function} for function in as_objects(body.get("functions"))]


def _choice(asked: Any) -> tuple[Json | None, frozenset[str] | None]:
    """tool_choice in Converse's words, and the names that it leaves, if it narrows the tools."""
    if isinstance(asked, str):
        name = {"required": "any"}.get(asked, asked)
        return ({name: {}}, None) if name in ("auto", "any", "none") else (None, None)
    chosen = as_object(asked)
    kind = as_text(chosen.get("type"))
    name = as_text(as_object(chosen.get("function")).get("name")) or as_text(chosen.get("name"))
    if kind in ("function", "tool") or (name and not kind):
        return {"tool": {"name": name}}, None
    if kind == "allowed_tools":
        allowed = as_object(chosen.get("allowed_tools")) or chosen
        names = frozenset(_name(tool) for tool in as_objects(allowed.get("tools")))
        return {"any" if allowed.get("mode") == "required" else "auto": {}}, names
    if kind in ("auto", "any", "none"):
        return {kind: {}}, None
    own = [key for key in ("auto", "any", "tool") if key in chosen]
    return ({own[0]: chosen[own[0]]}, None) if own else (None, None)
