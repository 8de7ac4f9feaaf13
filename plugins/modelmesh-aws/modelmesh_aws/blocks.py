"""What an answer's content blocks say in the OpenAI shape."""

from __future__ import annotations

from typing import Any

from modelmesh_core import (
    Failure,
    FailureKind,
    Json,
    ProviderError,
    as_object,
    as_objects,
    as_text,
    json_text,
    provider_error,
)

from .conversation import VERBATIM, encrypted_format_of, format_of, said_by
from .families import Family
from .request import EncodedCall
from .tools import AnswerForm

_FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "refusal": "content_filter",
}
_BROKEN = frozenset({"malformed_model_output", "malformed_tool_use"})
"""The model broke down. Where it said something before, that is an answer that stopped."""
_RANKS = {"reasoningContent": 0, "text": 1, "toolUse": 2}


def message_of(content: list[Json], encoded: EncodedCall) -> Json:
    """The assistant message that ``content`` is."""
    form, family = encoded.form, encoded.family
    texts: list[str] = []
    found: dict[str, list[Json]] = {"reasoning_details": [], "tool_calls": [], "annotations": [], "images": []}
    thoughts: list[str] = []
    length = 0
    for block in content:
        text = said_by(block)
        use = as_object(block.get("toolUse"))
        if use and is_answer(use, form):
            text = json_answer(use.get("input"), form)
        elif use and is_call(use):
            found["tool_calls"].append(tool_call(use, arguments_of(use.get("input")), len(found["tool_calls"])))
        elif "reasoningContent" in block:
            details = reasoning_details(block, len(found["reasoning_details"]), family)
            thoughts += [as_text(detail.get("text")) for detail in details]
            found["reasoning_details"] += details
        elif "citationsContent" in block:
            cited = as_object(block["citationsContent"]).get("citations")
            found["annotations"] += annotations_of(cited, length, length + len(text))
        elif image := image_of(block):
            found["images"].append({**image, "index": len(found["images"])})
        texts.append(text)
        length += len(text)
    message: Json = {"role": "assistant", "content": "".join(texts) or None}
    fields: Json = {"reasoning_content": "".join(thoughts), **found}
    message |= {key: value for key, value in fields.items() if value}
    if needs_verbatim(content, form):
        message[VERBATIM] = verbatim(content, family)
    return message


def verbatim(content: list[Json], family: Family) -> Json:
    return {"maker": family.maker, "content": content}


def needs_verbatim(content: list[Json], form: AnswerForm) -> bool:
    """Whether the other fields of a message cannot say all of ``content``, in its order."""
    if form.json_tool:
        return False
    ranks = [_RANKS.get(next(iter(block), ""), -1) for block in content]
    server = any(as_object(block.get("toolUse")).get("type") == "server_tool_use" for block in content)
    return server or -1 in ranks or ranks != sorted(ranks)


def is_answer(use: Json, form: AnswerForm) -> bool:
    """Whether a tool call is the way by which an answer in JSON comes."""
    return form.json_tool is not None and use.get("name") == form.json_tool


def is_call(use: Json) -> bool:
    """Whether a tool call is the caller's to answer; others are of tools that Bedrock runs."""
    return use.get("type") != "server_tool_use"


def reasoning_details(block: Json, index: int, family: Family) -> list[Json]:
    """What a ``reasoningContent`` block holds, for sending back."""
    content = as_object(block.get("reasoningContent"))
    own = as_object(content.get("reasoningText"))
    found: list[Json] = []
    if own:
        found.append(thought(as_text(own.get("text")), as_text(own.get("signature")), index, family))
    if redacted := as_text(content.get("redactedContent")):
        found.append(hidden_thought(redacted, index + len(found), family))
    return found


def thought(text: str, signature: str, index: int, family: Family) -> Json:
    signed = {"signature": signature} if signature else {}
    return {"type": "reasoning.text", "text": text, "format": format_of(family), "index": index, **signed}


def hidden_thought(data: str, index: int, family: Family) -> Json:
    return {"type": "reasoning.encrypted", "data": data, "format": encrypted_format_of(family), "index": index}


def tool_call(use: Json, arguments: str, position: int) -> Json:
    identity = as_text(use.get("toolUseId")) or f"call_{position}"
    return {
        "id": identity,
        "type": "function",
        "function": {"name": as_text(use.get("name")), "arguments": arguments},
    }


def annotations_of(citations: Any, start: int, end: int) -> list[Json]:
    """Citations of the text between two characters of the answer."""
    found: list[Json] = []
    for citation in as_objects(citations):
        web = as_object(as_object(citation.get("location")).get("web"))
        if url := as_text(web.get("url")):
            cited = "".join(as_text(piece.get("text")) for piece in as_objects(citation.get("sourceContent")))
            own = {"url": url, "title": as_text(citation.get("title")) or as_text(web.get("domain"))}
            place = {"start_index": start, "end_index": end, **({"cited_text": cited} if cited else {})}
            found.append({"type": "url_citation", "url_citation": {**own, **place}})
        else:
            found.append({"type": "citation", "citation": citation, "start_index": start, "end_index": end})
    return found


def image_of(block: Json) -> Json:
    """An image that the model made; empty if the block is none."""
    image = as_object(block.get("image"))
    source = as_object(image.get("source"))
    data, place = as_text(source.get("bytes")), as_text(as_object(source.get("s3Location")).get("uri"))
    url = f"data:image/{as_text(image.get('format')) or 'png'};base64,{data}" if data else place
    return {"type": "image_url", "image_url": {"url": url}} if url else {}


def ending(reason: Any, form: AnswerForm, *, has_calls: bool) -> Json:
    """The fields of a choice that say why the answer ended."""
    native = as_text(reason)
    said = _FINISH_REASONS.get(native, "stop")
    if said == "tool_calls" and not has_calls and form.json_tool:
        said = "stop"
    return {"finish_reason": said, "native_finish_reason": native}


def breakdown(reason: Any, *, says_something: bool) -> ProviderError | None:
    """The failure that an ending without an answer is; None for any other."""
    native = as_text(reason)
    if native not in _BROKEN or says_something:
        return None
    message = f"the model broke down before it said anything (stopReason: {native})"
    return provider_error(Failure(FailureKind.SERVER, message, code=native))


def json_answer(answer: Any, form: AnswerForm) -> str:
    """The text of an answer that came as the input of a tool."""
    found = as_object(answer)
    return arguments_of(found["value"] if form.wrapped and "value" in found else answer)


def arguments_of(answer: Any) -> str:
    """A tool's input as JSON text; one that is missing counts as one without arguments."""
    return "{}" if answer is None else json_text(answer)
