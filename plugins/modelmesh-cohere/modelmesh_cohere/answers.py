"""What the parts of Cohere's answers say in the OpenAI shape, whole or in pieces."""

from __future__ import annotations

from typing import Any

from modelmesh_core import Json, as_list, as_object, as_objects, as_text

from .messages import FORMAT, PLAN

_FINISH_REASONS = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "USER_CANCEL": "stop",
    "MAX_TOKENS": "length",
    "ERROR_LIMIT": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR_TOXIC": "content_filter",
}
FAILED = frozenset({"ERROR", "TIMEOUT"})
"""Endings that leave no answer."""


def ending(native: str, logprobs: Any = None) -> Json:
    """The fields of a choice that say why the answer ended."""
    fields: Json = {"finish_reason": _FINISH_REASONS.get(native, "stop"), "native_finish_reason": native}
    return {**fields, **logprobs_of(logprobs)}


def logprobs_of(reported: Any) -> Json:
    """``logprobs`` of a choice. Cohere reports pieces of text, each of which can be several tokens."""
    found: list[Json] = []
    for piece in as_objects(reported):
        numbers = [one for one in as_list(piece.get("logprobs")) if isinstance(one, (int, float))]
        text = as_text(piece.get("text"))
        if numbers:
            written = list(text.encode("utf-8", "surrogatepass"))
            found.append({"token": text, "logprob": sum(numbers), "bytes": written, "top_logprobs": []})
    return {"logprobs": {"content": found}} if found else {}


def thought(text: str, index: int) -> Json:
    """A piece of thinking: to be read, and for sending back."""
    detail = {"type": "reasoning.text", "text": text, "format": FORMAT, "index": index}
    return {"reasoning_content": text, "reasoning_details": [detail]}


def plan(text: str, index: int) -> Json:
    """A piece of what the model says that it is going to call, and why."""
    said = thought(text, index)
    said["reasoning_details"][0]["id"] = PLAN
    return said


def tool_call(call: Json, place: int) -> Json:
    function = as_object(call.get("function"))
    described = {"name": as_text(function.get("name")), "arguments": as_text(function.get("arguments"))}
    return {"id": as_text(call.get("id")) or f"call_{place}", "type": "function", "function": described}


def annotations_of(citation: Json, start_of_block: int) -> list[Json]:
    """A citation, for each of its sources; where one of them is no page in the web, as Cohere reports it."""
    start, end = citation.get("start"), citation.get("end")
    place: Json = {}
    in_text = as_text(citation.get("type")) in ("", "TEXT_CONTENT")
    if in_text and isinstance(start, int) and isinstance(end, int):
        place = {"start_index": start + start_of_block, "end_index": end + start_of_block}
    sources = as_objects(citation.get("sources"))
    pages = [_page(source) for source in sources]
    if not place or not pages or not all(page.get("url") for page in pages):
        return [{"type": "citation", "citation": citation, **place}]
    text = as_text(citation.get("text"))
    cited = [{**page, **place, "cited_text": text, "source": own} for page, own in zip(pages, sources, strict=True)]
    return [{"type": "url_citation", "url_citation": one} for one in cited]


def _page(source: Json) -> Json:
    own = as_object(source.get("document")) or as_object(source.get("tool_output"))
    identity, url = as_text(source.get("id")), as_text(own.get("url"))
    if not url.startswith(("http://", "https://")):
        url = identity if identity.startswith(("http://", "https://")) else ""
    return {"url": url, "title": as_text(own.get("title"))}
