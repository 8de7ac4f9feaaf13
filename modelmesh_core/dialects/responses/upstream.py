"""Asking a vendor over the Responses API: a call → its request, its answer → a reply. Streams: ``upstream_stream``."""

from __future__ import annotations

from typing import Any

from ...errors import Failure, FailureKind, provider_error
from ...interfaces.provider import ProviderCall
from ...openai_dialect.errors import error_object, failure_of_error
from ...openai_dialect.limits import headroom_of
from ...wire.http import HttpResponse
from ...wire.messages import Body, Dialect, Reply
from ...wire.shapes import as_count, as_list, as_object, as_text
from .answer import usage_to_chat
from .conversation import input_of
from .items import EXTRA, MARKS, message_of
from .parameters import output_settings
from .reasoning import is_sealed_here
from .tools import choice_from_chat, tools_from_chat

_SEALED = "reasoning.encrypted_content"
_TRANSLATED = frozenset(
    [
        "messages",
        "model",
        "stream",
        "stream_options",
        "tools",
        "tool_choice",
        "max_tokens",
        "max_completion_tokens",
        "reasoning",
        "reasoning_effort",
        "text",
        "response_format",
        "verbosity",
        "logprobs",
        "include",
    ]
)
_LACKING = frozenset(
    [
        "stop",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "top_k",
        "audio",
        "prediction",
        "thinking",
        "web_search_options",
        "safety_settings",
    ]
)
"""Parameters of chat completions that the Responses API does not have."""
_DEFAULTS: Body = {"n": 1, "modalities": ["text"], "presence_penalty": 0, "frequency_penalty": 0, "stop": []}
_ECHOED = frozenset(
    [
        "id",
        "object",
        "created_at",
        "completed_at",
        "status",
        "background",
        "error",
        "incomplete_details",
        "model",
        "output",
        "usage",
        "instructions",
        "max_output_tokens",
        "max_tool_calls",
        "metadata",
        "parallel_tool_calls",
        "previous_response_id",
        "reasoning",
        "store",
        "temperature",
        "text",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "truncation",
        "user",
        "safety_identifier",
        "prompt_cache_key",
        "output_text",
        "prompt_cache_retention",
        "prompt",
        "conversation",
        "frequency_penalty",
        "presence_penalty",
        "content_filters",
    ]
)
"""Fields of a response that a chat completion says elsewhere, or that only repeat the request."""


def encode(call: ProviderCall) -> Body:
    """The request. A caller who asked in this dialect is passed through; no state is left behind for any other.

    Raises ProviderError of kind INVALID_REQUEST where ``call.unsupported`` refuses what the API lacks.
    """
    own = call.native if call.dialect is Dialect.OPENAI_RESPONSES and call.prefill is None else None
    made = native_request(own) if own is not None else _translated(call)
    made = {**made, "model": call.upstream_model}
    made.pop("stream", None)
    options = as_object(made.pop("stream_options", None))
    if call.stream:
        made["stream"] = True
        if "include_obfuscation" in options:
            made["stream_options"] = {"include_obfuscation": options["include_obfuscation"]}
    return made


def native_request(body: Body) -> Body:
    """A caller's own body without what only this mesh understands: other vendors' sealed reasoning, and marks."""
    given = body.get("input")
    if not isinstance(given, list):
        return dict(body)
    items = [as_object(item) for item in as_list(given)]
    kept = [
        {key: value for key, value in item.items() if key not in (EXTRA, MARKS)}
        if {EXTRA, MARKS} & item.keys()
        else item
        for item in items
        if not is_sealed_here(item)
    ]
    return {**body, "input": kept}


def _translated(call: ProviderCall) -> Body:
    body = call.body
    messages = [as_object(message) for message in as_list(body.get("messages"))]
    if call.prefill is not None:
        messages.append({"role": "assistant", "content": call.prefill})
    instructions, items = input_of(messages)
    made: Body = {"input": items}
    if instructions is not None:
        made["instructions"] = instructions
    of_chat = call.dialect is not Dialect.OPENAI_RESPONSES
    if tools := [as_object(tool) for tool in as_list(body.get("tools"))]:
        made["tools"] = tools_from_chat(tools, of_chat=of_chat)
    if body.get("tool_choice") is not None:
        made["tool_choice"] = choice_from_chat(body["tool_choice"])
    for name, value in body.items():
        if name in _TRANSLATED or value is None or _DEFAULTS.get(name) == value:
            continue
        if name in _LACKING or name in ("n", "modalities"):
            call.drop(name, "the Responses API has no such parameter")
        else:
            made[name] = value
    made |= output_settings(body)
    if of_chat:
        made.setdefault("store", False)  # the default of this API is to keep every answer
        if "reasoning" in call.features:
            made["include"] = sorted({*made.get("include", ()), _SEALED})
    return made


def decode(response: HttpResponse, native: bool = False) -> Reply:
    """A whole answer. Raises ProviderError for an answer that failed, or a body that is none.

    ``native``: the caller asked in this dialect, and gets ``raw``.
    """
    decoded: Any = response.json()
    body = as_object(decoded)
    error = error_object(body)
    if error is None and body.get("status") in ("failed", "cancelled"):
        error = {"message": f"the provider reports the answer as {body['status']}", "code": body["status"]}
    if error is not None:
        raise provider_error(failure_of_error(error, decoded))
    if not isinstance(body.get("output"), list) or body.get("status") in ("queued", "in_progress"):
        found = ", ".join(list(body)[:8]) or type(decoded).__name__
        message = f"HTTP {response.status} with a body that is no whole response (it has: {found})"
        raise provider_error(Failure(FailureKind.UNDECODABLE, message, status=response.status, body=decoded))
    completion = completion_of(body)
    return Reply(
        body=completion,
        usage=usage_to_chat(body.get("usage"))[0],
        finish_reason=completion["choices"][0]["finish_reason"],
        headroom=headroom_of(response.headers, response.received_at),
        headers=response.headers,
        raw=response.body if native else None,
        dialect=Dialect.OPENAI_RESPONSES if native else Dialect.OPENAI_CHAT,
    )


def completion_of(body: Body) -> Body:
    """A ``response`` as a chat completion."""
    items = [as_object(item) for item in as_list(body.get("output"))]
    message = message_of(items)
    choice: Body = {"index": 0, "message": message, **ending_of(body, bool(message.get("tool_calls")))}
    if logprobs := logprobs_of(items):
        choice["logprobs"] = {"content": logprobs, "refusal": None}
    usage = usage_to_chat(body.get("usage"))[1]
    return {**head_of(body), **beside(body), "choices": [choice], **({"usage": usage} if usage else {})}


def head_of(body: Body, kind: str = "chat.completion") -> Body:
    """The fields of a completion, or a chunk, that say which it is."""
    identity, model = as_text(body.get("id")), as_text(body.get("model"))
    return {"id": identity, "object": kind, "created": as_count(body.get("created_at")), "model": model}


def beside(body: Body) -> Body:
    """What a vendor says more than the API has, and ``service_tier``."""
    return {key: value for key, value in body.items() if key not in _ECHOED and value is not None}


def ending_of(body: Body, has_calls: bool) -> Body:
    """The fields of a choice that say why the answer ended."""
    native = as_text(as_object(body.get("incomplete_details")).get("reason"))
    if body.get("status") == "incomplete" or native:
        reason = "content_filter" if native == "content_filter" else "length"
        return {"finish_reason": reason, "native_finish_reason": native or "incomplete"}
    return {"finish_reason": "tool_calls" if has_calls else "stop"}


def logprobs_of(items: list[Body]) -> list[Any]:
    """Those of all texts."""
    parts = [as_object(part) for item in items for part in as_list(item.get("content"))]
    return [one for part in parts for one in as_list(part.get("logprobs"))]
