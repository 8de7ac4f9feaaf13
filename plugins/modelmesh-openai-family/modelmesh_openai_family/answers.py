"""A vendor's answers in the shape of the dialect: reasoning in its place, the finish reason as one of four words."""

from __future__ import annotations

from typing import Any

import orjson
from modelmesh_core import as_list, as_object, as_text

from .traits import FINISH_REASONS, Traits

Body = dict[str, Any]


def changed_choices(body: Body, traits: Traits) -> list[Any] | None:
    """The choices of a whole answer or of a chunk as they should be; None where they are so already."""
    given = as_list(body.get("choices"))
    made = [_choice(as_object(one), traits) if isinstance(one, dict) else one for one in given]
    return None if all(new is old for new, old in zip(made, given, strict=True)) else made


def failed(body: Body, traits: Traits) -> str | None:
    """The finish reason that means a failure, if a choice has one."""
    reasons = (as_text(as_object(one).get("finish_reason")) for one in as_list(body.get("choices")))
    return next((reason for reason in reasons if reason in traits.failures), None)


def _choice(choice: Body, traits: Traits) -> Body:
    changes: Body = {}
    reason = as_text(choice.get("finish_reason"))
    if reason and (known := FINISH_REASONS.get(reason.lower())):
        changes = {"finish_reason": known, "native_finish_reason": choice.get("native_finish_reason") or reason}
    for place in ("message", "delta"):
        said = choice.get(place)
        if isinstance(said, dict):
            better = _with_arguments(_with_reasoning(as_object(said)), place == "message")
            if better is not said:
                changes[place] = better
    return {**choice, **changes} if changes else choice


def _with_reasoning(said: Body) -> Body:
    """What was said, with its reasoning under the usual name if it stands only under the other one."""
    if said.get("reasoning_content") or not as_text(said.get("reasoning")):
        return said
    return {**said, "reasoning_content": said["reasoning"]}


def _with_arguments(said: Body, whole: bool) -> Body:
    """What was said, with tool calls' arguments as JSON text: some vendors leave them out, or give them as JSON."""
    calls = as_list(said.get("tool_calls"))
    made = [_tool_call(as_object(call), whole) if isinstance(call, dict) else call for call in calls]
    return said if all(new is old for new, old in zip(made, calls, strict=True)) else {**said, "tool_calls": made}


def _tool_call(call: Body, whole: bool) -> Body:
    function = as_object(call.get("function"))
    arguments = function.get("arguments")
    if not function or isinstance(arguments, str) or (arguments is None and not whole):
        return call
    text = orjson.dumps({} if arguments is None else arguments).decode()
    return {**call, "function": {**function, "arguments": text}}


def with_usage(body: Body, usage: Any) -> Body:
    """``body`` with the usage that it reports in an unusual place, unless it has one in the usual."""
    return body if body.get("usage") or not as_object(usage) else {**body, "usage": usage}


def first_choice(body: Body) -> Body:
    """The first of the choices; an empty one if there is none."""
    choices = as_list(body.get("choices"))
    return as_object(choices[0]) if choices else {}
