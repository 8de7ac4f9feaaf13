"""Mistral: reasoning as chunks of the content, its own words for some parameters, short tool call ids."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from modelmesh_core import HttpResponse, LimitReport, Operation, ProviderCall, as_list, as_object, as_text

from .answers import Body
from .provider import FamilyProvider

_TOOL_CALL_ID = re.compile(r"[a-zA-Z0-9]{9}", re.ASCII)


class Mistral(FamilyProvider):
    """``mistral.api.v1``."""

    def prepare(self, call: ProviderCall) -> Body:
        body = super().prepare(call)
        if call.operation is Operation.CHAT:
            if body.get("tool_choice") == "required":
                body["tool_choice"] = "any"
            if "messages" in body:
                given = as_list(body["messages"])
                body["messages"] = [_message(as_object(one)) if isinstance(one, dict) else one for one in given]
        return body

    def read(self, body: Body) -> Body:
        body = super().read(body)
        choices = as_list(body.get("choices"))
        made = [_choice(as_object(one)) if isinstance(one, dict) else one for one in choices]
        return body if all(new is old for new, old in zip(made, choices, strict=True)) else {**body, "choices": made}

    def translate_reply(self, call: ProviderCall, body: Body) -> Body:
        if call.operation is Operation.SPEECH:
            return {**body, "audio": body.get("audio_data")}
        if call.operation is Operation.MODERATION:
            return {**body, "results": [_judged(as_object(row)) for row in as_list(body.get("results"))]}
        return super().translate_reply(call, body)

    def limits(self, response: HttpResponse) -> Mapping[str, LimitReport]:
        """Its requests are called ``req``, and its windows other than a minute stand at the end of the name."""
        headroom = super().limits(response)
        return {f"requests{kind[3:]}" if kind.partition("-")[0] == "req" else kind: headroom[kind] for kind in headroom}


def _message(message: Body) -> Body:
    """A message as Mistral takes it; its reasoning was put into ``thinking`` by the traits."""
    changes: Body = {}
    thinking = as_text(message.get("thinking"))
    content = message.get("content")
    parts = as_list(content)
    if parts:
        changes["content"] = [_part(as_object(part)) if isinstance(part, dict) else part for part in parts]
    if thinking:
        said = changes.get("content") or ([{"type": "text", "text": content}] if as_text(content) else [])
        thought = {"type": "thinking", "thinking": [{"type": "text", "text": thinking}]}
        changes["content"] = [thought, *said]
    if message.get("tool_calls"):
        calls = as_list(message["tool_calls"])
        changes["tool_calls"] = [
            {**as_object(call), "id": _short(as_object(call).get("id"))} if isinstance(call, dict) else call
            for call in calls
        ]
    if "tool_call_id" in message:
        changes["tool_call_id"] = _short(message["tool_call_id"])
    if not changes:
        return message
    return {key: value for key, value in {**message, **changes}.items() if key != "thinking"}


def _short(identity: Any) -> Any:
    """A tool call's id as Mistral demands it: nine letters or digits, the same for the same id of another vendor."""
    if not isinstance(identity, str) or _TOOL_CALL_ID.fullmatch(identity):
        return identity
    return hashlib.sha256(identity.encode("utf-8", "replace")).hexdigest()[:9]


def _part(part: Body) -> Body:
    file = as_object(part.get("file"))
    if part.get("type") != "file" or not file:
        return part
    if file.get("file_id"):
        return {"type": "file", "file_id": file["file_id"]}
    named = {"document_name": file["filename"]} if file.get("filename") else {}
    return {"type": "document_url", "document_url": file.get("file_data") or file.get("file_url"), **named}


def _choice(choice: Body) -> Body:
    for place in ("message", "delta"):
        said = as_object(choice.get(place))
        if isinstance(said.get("content"), list):
            return {**choice, place: {**said, **_taken_apart(as_list(said["content"]))}}
    return choice


def _taken_apart(chunks: list[Any]) -> Body:
    """Text, reasoning and references out of a content that is a list of chunks."""
    text, thoughts, references = "", "", list[Body]()
    for chunk in map(as_object, chunks):
        kind = chunk.get("type")
        if kind == "text":
            text += as_text(chunk.get("text"))
        elif kind == "thinking":
            inner = chunk.get("thinking")
            thoughts += as_text(inner)
            thoughts += "".join(as_text(as_object(one).get("text")) for one in as_list(inner))
        elif url := as_text(chunk.get("url")):
            named = {"url": url, "title": as_text(chunk.get("title"))}
            references.append({"type": "url_citation", "url_citation": named})
        elif chunk:
            references.append({"type": "citation", "citation": chunk})
    found: Body = {"content": text}
    if thoughts:
        found["reasoning_content"] = thoughts
    if references:
        found["annotations"] = references
    return found


def _judged(row: Body) -> Body:
    if "flagged" in row:
        return row
    return {**row, "flagged": any(value is True for value in as_object(row.get("categories")).values())}
