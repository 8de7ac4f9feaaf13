"""``tools``, ``tool_choice`` and ``web_search_options`` → ``tools`` and ``toolConfig``."""

from __future__ import annotations

from typing import Any

from modelmesh_core import Json, ProviderCall, as_object, as_objects, as_text

from .families import Family
from .schema import compile_schema, json_schema
from .shapes import refuse

_OWN = {
    "google_search": "googleSearch",
    "google_search_retrieval": "googleSearchRetrieval",
    "enterprise_web_search": "enterpriseWebSearch",
    "google_maps": "googleMaps",
    "url_context": "urlContext",
    "code_execution": "codeExecution",
    "file_search": "fileSearch",
    "computer_use": "computerUse",
    "retrieval": "retrieval",
}
"""Tools that Google runs itself, by the names that callers know them by → Google's field."""
_SAME_NAME = frozenset(_OWN.values())
_MODES = {"none": "NONE", "auto": "AUTO", "required": "ANY", "any": "ANY"}


def encode_tools(call: ProviderCall, family: Family) -> Json:
    """The ``tools`` and ``toolConfig`` of a request; empty where the caller names none.

    Raises ProviderError of kind INVALID_REQUEST for a tool that only another vendor runs.
    """
    body = call.body
    given = as_objects(body.get("tools"))
    functions = [_function(tool, family) for tool in given if tool.get("type") == "function"]
    own = [_own_tool(tool) for tool in given if tool.get("type") != "function"]
    if body.get("web_search_options") is not None and {"googleSearch": {}} not in own:
        own.append({"googleSearch": {}})
        for option in as_object(body.get("web_search_options")):
            call.drop(f"web_search_options.{option}")
    tools = [*([{"functionDeclarations": functions}] if functions else []), *own]
    if not tools:
        return {}
    config: Json = {}
    choice = _choice(body.get("tool_choice")) if functions else {}
    if choice:
        config["functionCallingConfig"] = choice
    if functions and own and family.is_at_least_3:
        config["includeServerSideToolInvocations"] = True
    if functions and body.get("parallel_tool_calls") is False:
        call.drop("parallel_tool_calls", "Gemini cannot be kept from calling several tools at once")
    return {"tools": tools, **({"toolConfig": config} if config else {})}


def _function(tool: Json, family: Family) -> Json:
    function = as_object(tool.get("function"))
    declared: Json = {"name": as_text(function.get("name"))}
    if as_text(function.get("description")):
        declared["description"] = function["description"]
    parameters = function.get("parameters")
    if not _takes_anything(parameters):
        return declared
    compiled = compile_schema(parameters)
    if (compiled.fits and compiled.schema.get("type") == "OBJECT") or family.knows_only_the_subset:
        declared["parameters"] = compiled.schema
    else:
        declared["parametersJsonSchema"] = json_schema(parameters)
    return declared


def _takes_anything(parameters: Any) -> bool:
    """Whether there is an argument to describe: the subset has no object without properties."""
    schema = as_object(parameters)
    quiet = {"type", "properties", "required", "additionalProperties", "title", "$schema", "description", "strict"}
    says_nothing = not as_object(schema.get("properties")) and not as_object(schema.get("additionalProperties"))
    return not (says_nothing and schema.keys() <= quiet)


def _own_tool(tool: Json) -> Json:
    kind = as_text(tool.get("type"))
    if kind in ("web_search", "web_search_preview"):  # OpenAI's words for it, with settings that Google's lacks
        return {"googleSearch": {}}
    field = _OWN.get(kind) or (kind if kind in _SAME_NAME else "")
    if field:
        settings = tool.get(kind, tool.get(field))
        rest = {key: value for key, value in tool.items() if key not in ("type", "cache_control", kind, field)}
        return {field: settings if isinstance(settings, dict) else rest}
    if not kind and tool and all(_OWN.get(key) or key in _SAME_NAME for key in tool):
        return tool
    return refuse(f"Google does not run a tool of type {kind[:60]!r}", "unsupported_tool")


def _choice(choice: Any) -> Json:
    """The ``functionCallingConfig`` for ``tool_choice``; empty where the model may do as it likes."""
    if isinstance(choice, str):
        mode = _MODES.get(choice)
        if mode is None:
            refuse("tool_choice: expected none, auto, required or a function", "invalid_tool_choice")
        return {"mode": mode}
    wanted = as_object(choice)
    name = as_text(as_object(wanted.get("function")).get("name")) or as_text(wanted.get("name"))
    if wanted.get("type") == "function" and name:
        return {"mode": "ANY", "allowedFunctionNames": [name]}
    if wanted.get("type") == "allowed_tools":
        allowed = as_object(wanted.get("allowed_tools")) or wanted
        tools = as_objects(allowed.get("tools"))
        names = [as_text(as_object(tool.get("function")).get("name")) or as_text(tool.get("name")) for tool in tools]
        mode = "ANY" if as_text(allowed.get("mode")) == "required" else "VALIDATED"
        return {"mode": mode, "allowedFunctionNames": [name for name in names if name]}
    if choice is not None:
        refuse("tool_choice: expected none, auto, required, a function or allowed_tools", "invalid_tool_choice")
    return {}
