"""What an answer's content blocks say in the OpenAI shape."""

from __future__ import annotations

from typing import Any

from modelmesh_core import Json, as_list, as_object, as_objects, as_text, json_text

from .conversation import FORMAT, VERBATIM
from .tools import AnswerForm

_FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "compaction": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_KNOWN = frozenset({"id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "stop_details", "usage"})
_RANKS = {"thinking": 0, "redacted_thinking": 0, "text": 1, "tool_use": 2}


def message_of(content: list[Json], form: AnswerForm) -> Json:
    """The assistant message that ``content`` is."""
    texts: list[str] = []
    thoughts: list[str] = []
    details: list[Json] = []
    calls: list[Json] = []
    annotations: list[Json] = []
    length = 0
    for block in content:
        kind, text = block.get("type"), ""
        if kind == "text":
            text = as_text(block.get("text"))
            annotations += annotations_of(block.get("citations"), length, length + len(text))
        elif kind in ("thinking", "redacted_thinking"):
            thoughts.append(as_text(block.get("thinking")))
            details.append(reasoning_detail(block, len(details)))
        elif kind == "tool_use" and form.json_tool and block.get("name") == form.json_tool:
            text = json_answer(block.get("input"), form)
        elif kind == "tool_use":
            calls.append(tool_call(block, arguments_of(block.get("input"))))
        texts.append(text)
        length += len(text)
    message: Json = {"role": "assistant", "content": "".join(texts) or None}
    fields = {"reasoning_content": "".join(thoughts), "reasoning_details": details, "tool_calls": calls}
    message |= {key: value for key, value in {**fields, "annotations": annotations}.items() if value}
    if needs_verbatim(content, form):
        message[VERBATIM] = content
    return message


def needs_verbatim(content: list[Json], form: AnswerForm) -> bool:
    """Whether the other fields of a message cannot say all of ``content``, in its order."""
    if form.json_tool:
        return False
    ranks = [_RANKS.get(as_text(block.get("type")), -1) for block in content]
    if -1 in ranks or ranks != sorted(ranks):
        return True
    return any(
        block.get("citations") or as_object(block.get("caller")).get("type", "direct") != "direct" for block in content
    )


def reasoning_detail(block: Json, index: int) -> Json:
    """A thinking block, for sending back."""
    if block.get("type") == "redacted_thinking":
        return {"type": "reasoning.encrypted", "data": as_text(block.get("data")), "format": FORMAT, "index": index}
    text, signature = as_text(block.get("thinking")), as_text(block.get("signature"))
    detail: Json = {"type": "reasoning.text", "text": text, "format": FORMAT, "index": index}
    return {**detail, "signature": signature} if signature else detail


def tool_call(block: Json, arguments: str) -> Json:
    function = {"name": as_text(block.get("name")), "arguments": arguments}
    return {"id": as_text(block.get("id")), "type": "function", "function": function}


def annotations_of(citations: Any, start: int, end: int) -> list[Json]:
    """Citations of the text between two characters of the answer."""
    found: list[Json] = []
    for citation in as_objects(citations):
        if citation.get("type") == "web_search_result_location":
            place = {"url": as_text(citation.get("url")), "title": as_text(citation.get("title"))}
            own = {**place, "start_index": start, "end_index": end, "cited_text": as_text(citation.get("cited_text"))}
            found.append({"type": "url_citation", "url_citation": own})
        else:
            found.append({"type": "citation", "citation": citation, "start_index": start, "end_index": end})
    return found


def ending(stop_reason: Any, delta: Json, form: AnswerForm, *, has_calls: bool) -> Json:
    """The fields of a choice that say why the answer ended."""
    native = as_text(stop_reason)
    reason = _FINISH_REASONS.get(native, "stop")
    if reason == "tool_calls" and form.json_tool and not has_calls:
        reason = "stop"
    fields: Json = {"finish_reason": reason, "native_finish_reason": native}
    for key in ("stop_sequence", "stop_details"):
        if delta.get(key) is not None:
            fields[key] = delta[key]
    return fields


def refusal_of(delta: Json) -> str:
    """Why the answer was withheld, where the vendor says so."""
    return as_text(as_object(delta.get("stop_details")).get("explanation"))


def json_answer(answer: Any, form: AnswerForm) -> str:
    """The text of an answer that came as the input of a tool."""
    found = as_object(answer)
    return arguments_of(found["value"] if form.wrapped and "value" in found else answer)


def arguments_of(answer: Any) -> str:
    """A tool's input as JSON text; one that is missing counts as one without arguments."""
    return "{}" if answer is None else json_text(answer)


def extras_of(message: Json) -> Json:
    """Fields of a message without a counterpart, such as ``container``, which its completion keeps as they are."""
    return {key: value for key, value in message.items() if key not in _KNOWN and value is not None}


def content_of(message: Json) -> list[Json]:
    return as_objects(as_list(message.get("content")))
