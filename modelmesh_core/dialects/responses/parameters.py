"""What a request of the Responses API asks for besides its conversation ↔ the mesh's own parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...wire.messages import Body
from ...wire.shapes import as_list, as_object
from ..protocol import DialectError
from .checks import list_of, object_of, text_at, wrong
from .tools import choice_to_chat, tools_to_chat

_LOGPROBS = "message.output_text.logprobs"
_ELSEWHERE = frozenset(
    ("input", "instructions", "tools", "tool_choice", "max_output_tokens", "reasoning", "text", "include", "background")
)
ONLY_RESPONSES = frozenset(
    [
        "background",
        "context_management",
        "conversation",
        "include",
        "max_tool_calls",
        "moderation",
        "previous_response_id",
        "prompt",
        "prompt_cache_options",
        "reasoning",
        "text",
        "truncation",
    ]
)
"""Fields that ``parameters_of`` keeps under their own name, and that only an API of this dialect takes."""


def parameters_of(body: Body) -> Body:
    """Every parameter, in the mesh's words. A null asks for the default, as if it were absent.

    Raises DialectError for what cannot be understood, and for ``background``, which needs an answer to be kept.
    """
    if body.get("background"):
        raise DialectError("background responses are not kept here: ask without background, or stream", "background")
    if "messages" in body:
        raise DialectError("messages belong to chat completions: the Responses API takes input", "messages")
    made = {key: value for key, value in body.items() if key not in _ELSEWHERE and value is not None}
    if "model" in body:
        made["model"] = text_at(body, "model")
    for key, expected in (("stream", bool), ("parallel_tool_calls", bool), ("store", bool)):
        if key in made and not isinstance(made[key], expected):
            raise wrong(key, "true or false", made[key])
    for key in ("stream_options", "metadata"):
        if key in made:
            object_of(made[key], key)
    for key, read in _READERS.items():
        if body.get(key) is not None:
            made |= read(body[key])
    if made.get("top_logprobs") and "logprobs" not in made:
        made["logprobs"] = True
    return made


def _tools(value: Any) -> Body:
    tools = tools_to_chat(value)
    return {"tools": tools} if tools else {}


def _choice(value: Any) -> Body:
    return {"tool_choice": choice_to_chat(value)}


def _limit(value: Any) -> Body:
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong("max_output_tokens", "a whole number", value)
    return {"max_completion_tokens": value}


def _reasoning(value: Any) -> Body:
    asked = {key: own for key, own in object_of(value, "reasoning").items() if own is not None}
    effort = {"reasoning_effort": text_at(asked, "effort", "reasoning")} if "effort" in asked else {}
    rest = {key: own for key, own in asked.items() if key != "effort"}
    return {**effort, **({"reasoning": rest} if rest else {})}


def _text(value: Any) -> Body:
    asked = {key: own for key, own in object_of(value, "text").items() if own is not None}
    form = object_of(asked.pop("format", {}), "text.format")
    made: Body = {}
    if "verbosity" in asked:
        made["verbosity"] = text_at(asked, "verbosity", "text")
        del asked["verbosity"]
    kind = text_at(form, "type", "text.format") if form else "text"
    if kind == "json_schema":
        object_of(form.get("schema"), "text.format.schema")
        text_at(form, "name", "text.format")
        own = {key: part for key, part in form.items() if key != "type" and part is not None}
        made["response_format"] = {"type": kind, kind: own}
    elif kind != "text":
        made["response_format"] = form
    return {**made, **({"text": asked} if asked else {})}


def _include(value: Any) -> Body:
    asked = list_of(value, "include")
    rest = [one for one in asked if one != _LOGPROBS]
    return {**({"logprobs": True} if _LOGPROBS in asked else {}), **({"include": rest} if rest else {})}


_READERS: dict[str, Callable[[Any], Body]] = {
    "tools": _tools,
    "tool_choice": _choice,
    "max_output_tokens": _limit,
    "reasoning": _reasoning,
    "text": _text,
    "include": _include,
}


def output_settings(body: Body) -> Body:
    """``reasoning``, ``text``, ``include`` and the limit on the answer, of a body in the mesh's shape."""
    made: Body = {}
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    if limit is not None:
        made["max_output_tokens"] = limit
    reasoning = dict(as_object(body.get("reasoning")))
    if body.get("reasoning_effort") is not None:
        reasoning["effort"] = body["reasoning_effort"]
    text = dict(as_object(body.get("text")))
    form = as_object(body.get("response_format"))
    if form.get("type") == "json_schema":
        text["format"] = {"type": "json_schema", **as_object(form.get("json_schema"))}
    elif form:
        text["format"] = form
    if body.get("verbosity") is not None:
        text["verbosity"] = body["verbosity"]
    include = [*as_list(body.get("include")), *([_LOGPROBS] if body.get("logprobs") else [])]
    fields = {"reasoning": reasoning, "text": text, "include": include}
    return made | {key: value for key, value in fields.items() if value}
