"""Messages in the OpenAI shape → Ollama's messages."""

from __future__ import annotations

import base64
import re
from typing import Any
from urllib.parse import unquote_to_bytes

import orjson
from modelmesh_core import Json, as_list, as_object, as_objects, as_text, refused

_DATA_URL = re.compile(r"data:([^;,]*)((?:;[^;,]*)*),(.*)", re.DOTALL)


def messages_of(messages: list[Json], prefill: str | None = None) -> list[Json]:
    """Ollama's messages. Raises ProviderError of kind INVALID_REQUEST for a part that Ollama cannot take."""
    names: dict[str, str] = {}
    made: list[Json] = []
    for message in messages:
        role = as_text(message.get("role"))
        if role == "assistant":
            made.append(_assistant(message, names))
        elif role in ("tool", "function"):
            identity = as_text(message.get("tool_call_id"))
            name = as_text(message.get("name")) or names.get(identity, "")
            about = {"tool_name": name, "tool_call_id": identity}
            made.append({"role": "tool", **_content(message), **{key: value for key, value in about.items() if value}})
        else:
            made.append({"role": "system" if role in ("system", "developer") else "user", **_content(message)})
    if not made:
        raise refused("the request holds no message")
    if prefill:
        made.append({"role": "assistant", "content": prefill})
    return made


def _assistant(message: Json, names: dict[str, str]) -> Json:
    made: Json = {"role": "assistant", **_content(message)}
    if not made["content"]:
        made["content"] = as_text(message.get("refusal"))
    signed = [detail for detail in as_objects(message.get("reasoning_details")) if detail.get("format")]
    thinking = as_text(message.get("reasoning_content"))
    if thinking and not signed:  # thinking that a vendor vouches for goes back to that vendor only
        made["thinking"] = thinking
    calls = [_tool_call(call, names) for call in as_objects(message.get("tool_calls"))]
    return {**made, "tool_calls": calls} if calls else made


def _tool_call(call: Json, names: dict[str, str]) -> Json:
    function = as_object(call.get("function"))
    name, identity = as_text(function.get("name")), as_text(call.get("id"))
    if identity:
        names[identity] = name
    arguments = function.get("arguments")
    decoded: Any = _decoded(arguments) if isinstance(arguments, str) else arguments or {}
    # What is no JSON object cannot be arguments: the model is shown what it said.
    value = as_object(decoded) if isinstance(decoded, dict) else {"arguments": arguments}
    made: Json = {"function": {"name": name, "arguments": value}}
    return {"id": identity, **made} if identity else made


def _decoded(text: str) -> Any:
    if not text.strip():
        return {}
    try:
        return orjson.loads(text)
    except ValueError:
        return None


def _content(message: Json) -> Json:
    content = message.get("content")
    if isinstance(content, str):
        return {"content": content}
    texts: list[str] = []
    images: list[str] = []
    for part in as_objects(as_list(content)):
        kind = as_text(part.get("type"))
        if kind in ("text", "refusal"):
            texts.append(as_text(part.get(kind)))
        elif kind == "image_url":
            images.append(_image(part.get("image_url")))
        else:
            message_ = f"a message holds a part of type {kind or 'unknown'}, which Ollama cannot take"
            raise refused(message_, "unsupported_content")
    made: Json = {"content": "\n".join(texts)}
    return {**made, "images": images} if images else made


def _image(image: Any) -> str:
    url = image if isinstance(image, str) else as_text(as_object(image).get("url"))
    found = _DATA_URL.match(url)
    if found is None:
        raise refused("a message holds an image by its address; Ollama takes data: URLs only", "unsupported_content")
    return found[3] if found[2].endswith(";base64") else base64.b64encode(unquote_to_bytes(found[3])).decode()
