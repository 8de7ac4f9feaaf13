"""The ``response`` object around the items: its head, what it repeats of the request, its state and its usage."""

from __future__ import annotations

import re
from typing import Any

from ...openai_dialect.usage import reported_usage, usage_of
from ...wire.messages import Body, Usage
from ...wire.shapes import as_count, as_list, as_object, as_text

_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_CORE = 40
_DEFAULTS: Body = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": {"effort": None, "summary": None},
    "service_tier": "default",
    "store": False,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
}
"""What a response repeats of its request, and what it says where the request said nothing."""
_IF_SAID = ("user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "prompt", "conversation")
_COUNTED = frozenset(
    [
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "prompt_tokens_details",
        "completion_tokens_details",
        "input_tokens",
        "output_tokens",
        "input_tokens_details",
        "output_tokens_details",
        "cost",
    ]
)
_ERROR_CODES = frozenset({"server_error", "rate_limit_exceeded", "invalid_prompt", "image_content_policy_violation"})


def head_of(chunk: Body, body: Body, fallback_id: str) -> Body:
    """A response that has just begun, of the first chunk or reply."""
    said = as_text(chunk.get("id")) or fallback_id
    echo = {key: body[key] if body.get(key) is not None else own for key, own in _DEFAULTS.items()}
    echo["tools"] = [_tool(as_object(tool)) for tool in as_list(echo["tools"])]
    echo["text"] = {"format": {"type": "text"}, **as_object(echo["text"])}
    return {
        "id": said if said.startswith("resp_") else f"resp_{_NOT_IN_IDS.sub('', said)}",
        "object": "response",
        "created_at": as_count(chunk.get("created")),
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": as_text(chunk.get("model")) or as_text(body.get("model")),
        "output": [],
        **echo,
        **{key: body[key] for key in _IF_SAID if body.get(key) is not None},
    }


def _tool(tool: Body) -> Body:
    """A tool as the API repeats it: a function with all that its schema demands."""
    if tool.get("type") != "function":
        return tool
    return {"description": None, "parameters": None, "strict": True, **tool}


def core_of(response_id: str) -> str:
    """What the ids of a response's items are made of: an id may have 64 characters."""
    return response_id.removeprefix("resp_")[-_LONGEST_CORE:]


def ended(head: Body, reason: str | None, output: list[Body], usage: Body | None) -> Body:
    """``head`` as a response that has ended for ``reason``, a finish reason of chat completions."""
    cut = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(reason or "")
    status = "incomplete" if cut else "completed"
    details = {"reason": cut} if cut else None
    return {**head, "status": status, "incomplete_details": details, "output": output, **_counted(usage)}


def failed(head: Body, error: Body, output: list[Body], usage: Body | None) -> Body:
    """``head`` as a response that broke off with ``error``, an error object of OpenAI."""
    return {**head, "status": "failed", "error": _error(error), "output": output, **_counted(usage)}


def _counted(usage: Body | None) -> Body:
    return {} if usage is None else {"usage": usage}


def _error(error: Body) -> Body:
    code, kind = as_text(error.get("code")), as_text(error.get("type"))
    if code not in _ERROR_CODES:
        code = "rate_limit_exceeded" if kind.startswith("rate_limit") else "server_error"
    return {"code": code, "message": as_text(error.get("message")) or "the answer broke off"}


def usage_from_chat(reported: Any, counted: Usage | None = None) -> Body | None:
    """``usage`` as the Responses API reports it; what a vendor says beside the counts is kept."""
    usage = usage_of(reported) or counted
    if usage is None:
        return None
    plain = reported_usage(usage)
    prompt, completion = plain["prompt_tokens_details"], plain["completion_tokens_details"]
    return {
        "input_tokens": plain["prompt_tokens"],
        "input_tokens_details": prompt,
        "output_tokens": plain["completion_tokens"],
        "output_tokens_details": completion,
        "total_tokens": plain["total_tokens"],
        **{key: value for key, value in plain.items() if key == "cost"},
        **{key: value for key, value in as_object(reported).items() if key not in _COUNTED},
    }


def usage_to_chat(reported: Any) -> tuple[Usage | None, Body | None]:
    """The buckets of a usage report, and the report as a chat completion has it."""
    usage = usage_of(reported)
    if usage is None:
        return None, None
    beside = {key: value for key, value in as_object(reported).items() if key not in _COUNTED}
    return usage, {**beside, **reported_usage(usage)}
