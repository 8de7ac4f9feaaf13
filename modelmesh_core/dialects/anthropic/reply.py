"""A chat completion → a message."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import orjson

from ...wire.shapes import as_list, as_object, as_text
from .citations import citations_of
from .conversation import VERBATIM
from .reading import Json, without
from .seals import hidden_block, mark_block, readable_key, thought_block
from .usage import message_usage

OF_COMPLETIONS = ("id", "object", "created", "model", "choices", "usage", "obfuscation")
"""Fields of a completion that have their place in a message, or none; others keep their name."""
_OF_CHOICES = (
    "index", "message", "delta", "finish_reason", "native_finish_reason", "stop_sequence", "stop_reason", "logprobs",
    "content_filter_results",
)  # fmt: skip
_NATIVE = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "compaction": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
"""Anthropic's stop reasons → those of the mesh."""
_STOP_REASONS = {
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}


def message_of(reply: Json, body: Json) -> Json:
    """The message that answers ``body``. Of several choices it is the first."""
    choice = first_choice(reply)
    message = as_object(choice.get("message"))
    content = content_of_answer(message, explained="stop_details" in choice)
    has_calls = any(block.get("type") == "tool_use" for block in content)
    is_refused = bool(as_text(message.get("refusal")))
    return {
        **without(reply, *OF_COMPLETIONS),
        **opening_of(reply),
        "content": content,
        **ending_of(choice, body, has_calls=has_calls, is_refused=is_refused),
        "usage": message_usage(reply.get("usage")),
    }


def first_choice(completion: Json) -> Json:
    """The choice of index 0; empty if there is none."""
    nothing: Json = {}
    choices = [as_object(choice) for choice in as_list(completion.get("choices"))]
    return next((choice for choice in choices if not choice.get("index")), nothing)


def opening_of(completion: Json) -> Json:
    """What a message says of itself before it says anything."""
    identity = as_text(completion.get("id")) or f"msg_{uuid4().hex[:24]}"
    return {"id": identity, "type": "message", "role": "assistant", "model": as_text(completion.get("model"))}


def ending_of(choice: Json, body: Json, *, has_calls: bool, is_refused: bool) -> Json:
    """Why a message ended, and what the vendor says more of that.

    A vendor that calls a tool and says that it just stopped is corrected: callers go by the reason.
    """
    reason, native = as_text(choice.get("finish_reason")), as_text(choice.get("native_finish_reason"))
    # vLLM names the text that it stopped at in a field that Anthropic has for the reason.
    matched = as_text(choice.get("stop_sequence")) or as_text(choice.get("stop_reason"))
    if native in _NATIVE and _NATIVE[native] == reason:
        told = native
    elif is_refused:
        told = "refusal"
    elif matched and matched in as_list(body.get("stop_sequences")):
        told = "stop_sequence"
    elif reason in _STOP_REASONS:
        told = _STOP_REASONS[reason]
    else:
        told = "tool_use" if has_calls else "end_turn"
    if told == "tool_use" and not has_calls:
        told = "end_turn"
    return {
        **without(choice, *_OF_CHOICES),
        "stop_reason": told,
        "stop_sequence": (matched or None) if told == "stop_sequence" else None,
    }


def content_of_answer(message: Json, *, explained: bool = False) -> list[Json]:
    """The content blocks of a whole message. ``explained``: the vendor tells of a refusal beside them."""
    if verbatim := verbatim_of(message):
        return verbatim
    texts: list[Json] = [{"type": "text", "text": text} for text in texts_of(message.get("content"))]
    refusal = None if explained else as_text(message.get("refusal"))
    if refusal:
        texts.append({"type": "text", "text": refusal})
    if citations := citations_of(message.get("annotations")):
        texts = texts or [{"type": "text", "text": ""}]
        texts[-1] = {**texts[-1], "citations": citations}
    details = [as_object(detail) for detail in as_list(message.get("reasoning_details"))]
    thoughts, hidden = thinking_of(message, details)
    images = [image_block(as_object(image)) for image in as_list(message.get("images"))]
    blocks = [*thoughts, *texts, *filter(None, images), *hidden]
    for number, call in enumerate(map(as_object, as_list(message.get("tool_calls")))):
        blocks += _tool_use(call, number)
    return blocks


def thinking_of(message: Json, details: list[Json]) -> tuple[list[Json], list[Json]]:
    """Thinking blocks that belong before the text, and those that nobody can read, which travel behind it."""
    thoughts: list[Json] = []
    hidden: list[Json] = []
    readable = as_text(message.get("reasoning_content")) or as_text(message.get("reasoning"))
    if readable and not any(is_readable(detail) for detail in details):
        thoughts.append({"type": "thinking", "thinking": readable, "signature": ""})
    for detail in details:
        if readable_key(detail):
            thoughts.append(thought_block(detail))
        elif detail:
            (thoughts if is_redacted(detail) else hidden).append(hidden_block(detail))
    return thoughts, hidden


def is_readable(detail: Json) -> bool:
    """Whether a reasoning block has a text."""
    key = readable_key(detail)
    return key is not None and bool(as_text(detail.get(key)))


def is_redacted(detail: Json) -> bool:
    """Whether it is Anthropic's own redacted thinking, whose place is among the thinking."""
    return detail.get("type") == "reasoning.encrypted" and detail.get("format") == "anthropic-v1"


def verbatim_of(message: Json) -> list[Json]:
    """The blocks as Anthropic sent them, if they still say what the message says."""
    kept = message.get(VERBATIM)
    blocks = [as_object(block) for block in as_list(kept) if as_text(as_object(block).get("type"))]
    said = "".join(texts_of(message.get("content")))
    own = "".join(as_text(block.get("text")) for block in blocks if block.get("type") == "text")
    calls = [as_text(as_object(call).get("id")) for call in as_list(message.get("tool_calls"))]
    own_calls = [as_text(block.get("id")) for block in blocks if block.get("type") == "tool_use"]
    return blocks if own == said and calls == own_calls else []


def texts_of(content: Any) -> list[str]:
    """The texts of a content that says something."""
    if isinstance(content, str):
        return [content] if content else []
    return [text for part in as_list(content) if (text := as_text(as_object(part).get("text")))]


def image_block(image: Json) -> Json:
    """A picture in an answer; Anthropic's models draw none, but its dialect can say it."""
    url = as_text(as_object(image.get("image_url")).get("url"))
    if not url:
        return {}
    head, comma, data = url.partition(",")
    if url.startswith("data:") and comma and head.endswith(";base64"):
        media_type = head.removeprefix("data:").partition(";")[0]
        source = {"type": "base64", "media_type": media_type, "data": data}
    else:
        source = {"type": "url", "url": url}
    return {"type": "image", "source": source, **without(image, "type", "image_url", "index")}


def input_of(arguments: Any) -> Json:
    """A tool's input. What is no JSON object cannot be one, and stands in it as ``arguments``, as the model said it."""
    if isinstance(arguments, dict):
        return as_object(arguments)
    if not isinstance(arguments, str) or not arguments.strip():
        return {}
    try:
        decoded: Any = orjson.loads(arguments)
    except ValueError:
        decoded = None
    return as_object(decoded) if isinstance(decoded, dict) else {"arguments": arguments}


def _tool_use(call: Json, number: int) -> list[Json]:
    function = as_object(call.get("function"))
    identity, name = as_text(call.get("id")) or f"call_{number}", as_text(function.get("name"))
    marks = [mark_block(identity, call["extra_content"])] if call.get("extra_content") else []
    return [*marks, {"type": "tool_use", "id": identity, "name": name, "input": input_of(function.get("arguments"))}]
