"""Chat with Replicate's language models: a conversation as one prompt, an answer in one piece."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from modelmesh_core import (
    HttpResponse,
    Json,
    ProviderCall,
    Reply,
    Usage,
    VendorProvider,
    as_list,
    as_number,
    as_object,
    as_objects,
    as_text,
    refused,
    unknown_parameters,
)

_READ = frozenset({"messages", "max_tokens", "max_completion_tokens", "stop"})
_PASSED = frozenset(
    {"temperature", "top_p", "top_k", "seed", "presence_penalty", "frequency_penalty", "min_tokens", "prompt_template"}
)
_LIMITS = {"openai/": "max_completion_tokens", "google/": "max_output_tokens"}
_LIMIT_NAMES = frozenset({"max_tokens", "max_new_tokens", *_LIMITS.values()})
_SPEAKERS = {"user": "User", "assistant": "Assistant"}


def input_of(call: ProviderCall) -> Json:
    """What a language model is told. Raises ProviderError for a conversation that is more than text."""
    body, system, turns = call.body, list[str](), list[tuple[str, str]]()
    for message in as_objects(body.get("messages")):
        role, text = as_text(message.get("role")), _text(message)
        if role in ("system", "developer"):
            system.append(text)
        elif role in _SPEAKERS and not message.get("tool_calls"):
            turns.append((_SPEAKERS[role], text))
        else:
            raise refused(f"messages: Replicate's models take no messages of role {role[:20] or 'none'} with tools")
    if not turns:
        raise refused("messages: expected at least one from the user", "invalid_messages")
    is_one = len(turns) == 1 and turns[0][0] == "User"
    prompt = turns[0][1] if is_one else "\n\n".join([f"{who}: {text}" for who, text in turns] + ["Assistant:"])
    told = "\n\n".join(system)
    if told and "system_prompt" in call.features:
        return {"prompt": prompt, "system_prompt": told, **_settings(call)}
    return {"prompt": f"{told}\n\n{prompt}" if told else prompt, **_settings(call)}


def reply_of(account: VendorProvider, prediction: Json, response: HttpResponse) -> Reply:
    """A finished prediction as a chat completion."""
    output = prediction.get("output")
    pieces = as_list(output) if isinstance(output, list) else [output]
    texts = [piece for piece in pieces if isinstance(piece, str)]
    if len(texts) != len(pieces):
        raise account.undecodable(response, "a text as output")
    metrics = as_object(prediction.get("metrics"))
    given, made = (int(as_number(metrics.get(f"{way}_token_count")) or 0) for way in ("input", "output"))
    most = [as_number(value) for name, value in as_object(prediction.get("input")).items() if name in _LIMIT_NAMES]
    reason = "length" if made and any(limit and made >= limit for limit in most) else "stop"
    message = {"role": "assistant", "content": "".join(texts)}
    body: Json = {
        "id": as_text(prediction.get("id")),
        "object": "chat.completion",
        "created": _epoch(as_text(prediction.get("created_at"))) or int(response.received_at),
        "model": as_text(prediction.get("model")),
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
    }
    usage = Usage(input=max(given, 0), output=max(made, 0)) if given > 0 or made > 0 else None
    if usage:
        counts = {"prompt_tokens": usage.input, "completion_tokens": usage.output}
        body["usage"] = {**counts, "total_tokens": usage.total}
    return Reply(body, usage=usage, finish_reason=reason)


def _settings(call: ProviderCall) -> Json:
    body, model = call.body, call.upstream_model
    own = _PASSED | ({"reasoning_effort", "verbosity"} if model.startswith("openai/") else frozenset[str]())
    settings: Json = {name: value for name, value in body.items() if name in own and value is not None}
    for name, value in unknown_parameters(call, own | _READ).items():
        if not _is_usual(name, value):
            call.drop(name)
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    if limit is not None:
        settings[next((name for owner, name in _LIMITS.items() if model.startswith(owner)), "max_tokens")] = limit
    stop: Any = body.get("stop")
    words = as_list(stop) or ([stop] if stop else [])
    if any("," in word for word in words if isinstance(word, str)):
        call.drop("stop", "Replicate's models take stop sequences without commas")
    elif words:
        settings["stop_sequences"] = ",".join(map(str, words))
    return settings


def _is_usual(name: str, value: Any) -> bool:
    return (name, value) in (("n", 1), ("logprobs", False), ("parallel_tool_calls", True)) or value in ([], {})


def _text(message: Json) -> str:
    content = message.get("content")
    if isinstance(content, list):
        parts = as_objects(as_list(content))
        if any(part.get("type") != "text" for part in parts):
            raise refused("messages: Replicate's language models are told text only", "unsupported_content")
        return "".join(as_text(part.get("text")) for part in parts)
    return as_text(content)


def _epoch(moment: str) -> int:
    try:
        return int(datetime.fromisoformat(moment[:19] + "+00:00").timestamp())
    except (ValueError, OverflowError):
        return 0
