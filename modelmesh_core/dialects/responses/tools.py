"""``tools`` and ``tool_choice`` of the Responses API, which are flat ↔ those of the mesh's own shape, which nest."""

from __future__ import annotations

from typing import Any

from ...wire.messages import Body
from ...wire.shapes import as_list, as_object
from ..protocol import DialectError
from .checks import object_of, objects_of, text_at

_NESTED = ("name", "description", "parameters", "strict")
_MODES = ("auto", "none", "required")


def tools_to_chat(tools: Any) -> list[Body]:
    """Functions and custom tools nested; tools that a vendor runs itself as they are."""
    return [_tool_to_chat(tool, f"tools[{index}]") for index, tool in enumerate(objects_of(tools, "tools"))]


def _tool_to_chat(tool: Body, place: str) -> Body:
    kind = text_at(tool, "type", place)
    if kind == "function":
        text_at(tool, "name", place)
        if tool.get("parameters") is not None:
            object_of(tool["parameters"], f"{place}.parameters")
        function = {key: tool[key] for key in _NESTED if tool.get(key) is not None}
        return {**_rest(tool, _NESTED), "type": "function", "function": function}
    if kind == "custom":
        text_at(tool, "name", place)
        own = {key: tool[key] for key in ("name", "description", "format") if tool.get(key) is not None}
        form = object_of(own.get("format", {}), f"{place}.format")
        if form.get("type") == "grammar":
            own["format"] = {"type": "grammar", "grammar": {key: form[key] for key in form if key != "type"}}
        return {**_rest(tool, ("name", "description", "format")), "type": "custom", "custom": own}
    return tool


def tools_from_chat(tools: list[Body], *, of_chat: bool = True) -> list[Body]:
    """The same, the other way. ``strict`` is false by default for callers ``of_chat`` only, and said for them."""
    defaults: Body = {"parameters": None, "strict": False} if of_chat else {}
    return [_tool_from_chat(tool, defaults) for tool in tools]


def _tool_from_chat(tool: Body, defaults: Body) -> Body:
    kind = tool.get("type")
    function, custom = as_object(tool.get("function")), as_object(tool.get("custom"))
    if kind == "function" and function:
        rest = _rest(tool, ("function", "cache_control"))
        return {**rest, "type": "function", **defaults, **function}
    if kind == "custom" and custom:
        form = as_object(custom.get("format"))
        grammar = as_object(form.get("grammar"))
        flat = {"format": {"type": "grammar", **grammar}} if grammar else {}
        return {**_rest(tool, ("custom", "cache_control")), "type": "custom", **custom, **flat}
    return tool


def choice_to_chat(choice: Any) -> Any:
    """Which tool is to be called."""
    if isinstance(choice, str):
        if choice not in _MODES:
            raise DialectError("tool_choice has to be auto, none, required, or an object", "tool_choice")
        return choice
    chosen = object_of(choice, "tool_choice")
    kind = text_at(chosen, "type", "tool_choice")
    if kind in ("function", "custom"):
        return {"type": kind, kind: {"name": text_at(chosen, "name", "tool_choice")}}
    if kind == "allowed_tools":
        tools = objects_of(chosen.get("tools"), "tool_choice.tools")
        named = [_named_to_chat(tool) for tool in tools]
        return {"type": kind, kind: {"mode": text_at(chosen, "mode", "tool_choice"), "tools": named}}
    return chosen


def choice_from_chat(choice: Any) -> Any:
    """The same, the other way."""
    chosen = as_object(choice)
    kind = chosen.get("type")
    if kind in ("function", "custom"):
        return {"type": kind, **as_object(chosen.get(kind))}
    if kind == "allowed_tools" and (allowed := as_object(chosen.get(kind))):
        tools = [as_object(tool) for tool in as_list(allowed.get("tools"))]
        named = [{**_rest(one, (str(one.get("type")),)), **as_object(one.get(str(one.get("type"))))} for one in tools]
        return {"type": kind, **allowed, "tools": named}
    return choice


def _named_to_chat(tool: Body) -> Body:
    kind = tool.get("type")
    if kind in ("function", "custom"):
        return {"type": kind, kind: {key: value for key, value in tool.items() if key != "type"}}
    return tool


def _rest(tool: Body, known: tuple[str, ...]) -> Body:
    return {key: value for key, value in tool.items() if key not in known and value is not None}
