"""``tools`` and ``tool_choice`` of a Messages request."""

from __future__ import annotations

from typing import Any

from .reading import Json, flag_at, list_at, name_at, object_at, text_at, without, wrong

_CHOICES = {"auto": "auto", "any": "required", "none": "none"}


def tools_of(value: Any) -> list[Json]:
    """The caller's tools as functions; those that Anthropic defines stay as they are. Raises DialectError."""
    return [
        _tool(object_at(tool, f"tools.{number}"), f"tools.{number}")
        for number, tool in enumerate(list_at(value, "tools"))
    ]


def choice_of(value: Any) -> Json:
    """``tool_choice`` and ``parallel_tool_calls``, as far as there is something to say. Raises DialectError."""
    choice = object_at(value, "tool_choice")
    kind = name_at(choice.get("type"), "tool_choice.type")
    if kind == "tool":
        name = name_at(choice.get("name"), "tool_choice.name")
        made: Json = {"tool_choice": {"type": "function", "function": {"name": name}}}
    elif kind in _CHOICES:
        made = {"tool_choice": _CHOICES[kind]}
    else:
        raise wrong("tool_choice.type", "auto, any, tool or none")
    one_only = choice.get("disable_parallel_tool_use")
    if one_only is not None:
        made["parallel_tool_calls"] = not flag_at(one_only, "tool_choice.disable_parallel_tool_use")
    return made


def _tool(tool: Json, place: str) -> Json:
    kind = tool.get("type")
    if kind is not None and name_at(kind, f"{place}.type") != "custom":
        return tool
    function: Json = {"name": name_at(tool.get("name"), f"{place}.name")}
    if tool.get("description") is not None:
        function["description"] = text_at(tool["description"], f"{place}.description")
    function["parameters"] = object_at(tool.get("input_schema"), f"{place}.input_schema")
    if tool.get("strict") is not None:
        function["strict"] = flag_at(tool["strict"], f"{place}.strict")
    rest = without(tool, "type", "name", "description", "input_schema", "strict", "function")
    return {"type": "function", "function": function, **rest}
