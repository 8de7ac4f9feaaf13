"""Messages in the OpenAI shape → Cohere's messages and documents."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any
from urllib.parse import unquote_to_bytes

from modelmesh_core import Json, as_list, as_object, as_objects, as_text, refused

FORMAT = "cohere-v1"
"""``format`` of the reasoning blocks that go back to Cohere."""
PLAN = "tool_plan"
"""``id`` of the reasoning block that is the plan of a tool call."""

_DATA_URL = re.compile(r"data:([^;,]*)((?:;[^;,]*)*),(.*)", re.DOTALL)
_OWN_PARTS = frozenset({"document", "thinking"})


def conversation_of(messages: list[Json]) -> tuple[list[Json], list[Json]]:
    """Cohere's messages, and the documents that lay in them. System prompts become one, at the beginning.

    Raises ProviderError of kind INVALID_REQUEST for a part that Cohere cannot take.
    """
    documents: list[Json] = []
    system: list[str] = []
    turns: list[Json] = []
    for message in messages:
        role = message.get("role")
        if role in ("system", "developer"):
            system += [text for part in _parts(message, documents) if (text := as_text(part.get("text"))).strip()]
        elif role == "assistant":
            turns.append(_assistant(message, documents))
        elif role in ("tool", "function"):
            turns.append(_tool_result(message, documents))
        else:
            turns.append({"role": "user", "content": _content(_parts(message, documents))})
    if system:
        turns.insert(0, {"role": "system", "content": "\n\n".join(system)})
    if not turns:
        raise refused("the request holds no message")
    return turns, documents


def _assistant(message: Json, documents: list[Json]) -> Json:
    said: list[Json] = []
    made: Json = {"role": "assistant"}
    for detail in as_objects(message.get("reasoning_details")):
        text = as_text(detail.get("text"))
        if detail.get("format") != FORMAT or not text:
            continue
        if detail.get("id") == PLAN:
            made["tool_plan"] = text
        else:
            said.append({"type": "thinking", "thinking": text})
    parts = _parts(message, documents)
    if not parts and (refusal := as_text(message.get("refusal"))):
        parts = [{"type": "text", "text": refusal}]
    calls = [_tool_call(call, place) for place, call in enumerate(as_objects(message.get("tool_calls")))]
    if said or any(as_text(part.get("text")) for part in parts) or not (calls or "tool_plan" in made):
        made["content"] = [*said, *parts] if said else _content(parts)
    return {**made, "tool_calls": calls} if calls else made


def _tool_call(call: Json, place: int) -> Json:
    function = as_object(call.get("function"))
    arguments = as_text(function.get("arguments"))
    described = {"name": as_text(function.get("name")), "arguments": arguments if arguments.strip() else "{}"}
    return {"id": as_text(call.get("id")) or f"call_{place}", "type": "function", "function": described}


def _tool_result(message: Json, documents: list[Json]) -> Json:
    parts = _parts(message, documents)
    if any(part.get("type") == "image_url" for part in parts):
        raise refused("a tool result holds an image, which Cohere takes from users only", "unsupported_content")
    return {
        "role": "tool",
        "tool_call_id": as_text(message.get("tool_call_id")) or as_text(message.get("name")),
        "content": _content(parts),
    }


def _content(parts: list[Json]) -> Any:
    """One text as a string, as most people write it; anything else as parts."""
    if not parts:
        return ""
    return parts[0]["text"] if len(parts) == 1 and parts[0].keys() == {"type", "text"} else parts


def _parts(message: Json, documents: list[Json]) -> list[Json]:
    content = message.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [made for part in as_objects(as_list(content)) if (made := _part(part, documents)) is not None]


def _part(part: Json, documents: list[Json]) -> Json | None:
    kind = as_text(part.get("type"))
    if kind in ("text", "refusal"):
        return {"type": "text", "text": as_text(part.get(kind))}
    if kind == "image_url":
        return {"type": "image_url", "image_url": _image(part.get("image_url"))}
    if kind == "file":
        documents.append(_document(as_object(part.get("file")) or part, len(documents)))
        return None
    if kind in _OWN_PARTS:
        return part
    raise refused(
        f"a message holds a part of type {kind or 'unknown'}, which Cohere cannot take", "unsupported_content"
    )


def _image(image: Any) -> Json:
    described = {"url": image} if isinstance(image, str) else as_object(image)
    if not as_text(described.get("url")):
        raise refused("a message holds an image_url part without a url")
    return {key: described[key] for key in ("url", "detail") if isinstance(described.get(key), str)}


def _document(file: Json, place: int) -> Json:
    """A text file as a document to answer from; Cohere reads no other files."""
    name = as_text(file.get("filename"))
    found = _DATA_URL.match(as_text(file.get("file_data")))
    media_type = found[1].lower() if found else ""
    if found is None or not (media_type.startswith("text/") or media_type in ("application/json", "application/xml")):
        kind = media_type or "no text in it"
        raise refused(
            f"the file {name or 'in a message'} ({kind}): Cohere takes text files only", "unsupported_content"
        )
    try:
        data = base64.b64decode(found[3]) if found[2].endswith(";base64") else unquote_to_bytes(found[3])
        text = data.decode("utf-8")
    except (binascii.Error, ValueError) as error:
        raise refused(f"the text of the file {name or 'in a message'} cannot be read: {error}") from error
    return {"id": f"doc:{place}", "data": {**({"title": name} if name else {}), "text": text}}
