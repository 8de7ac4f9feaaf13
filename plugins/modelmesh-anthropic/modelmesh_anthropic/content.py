"""Parts of a message → content blocks."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any
from urllib.parse import unquote_to_bytes

from modelmesh_core import Failure, FailureKind, Json, ProviderError, as_object, as_objects, as_text, provider_error

_DATA_URL = re.compile(r"data:([^;,]*)((?:;[^;,]*)*),(.*)", re.DOTALL)
_FOREIGN = frozenset(
    {"input_audio", "input_text", "input_image", "input_file", "output_text", "video_url", "audio_url"}
)
"""Part types of other vendors, which Anthropic could only refuse."""


def refusal(message: str) -> ProviderError:
    """The error for a request that cannot be said in Anthropic's words."""
    return provider_error(Failure(FailureKind.INVALID_REQUEST, message, status=400, code="unsupported_content"))


def blocks_of(content: Any) -> list[Json]:
    """The blocks of a message's content. Texts without a visible character are left out: the API refuses them.

    Raises ProviderError of kind INVALID_REQUEST for a part that Claude cannot take.
    """
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content.strip() else []
    return [block for part in as_objects(content) if (block := _block(part)) is not None]


def marked(blocks: list[Json], message: Json) -> list[Json]:
    """``blocks``, the last of which bears the cache mark of the whole ``message``, if it has one."""
    mark = message.get("cache_control")
    if mark and blocks and "thinking" not in as_text(blocks[-1].get("type")):
        blocks[-1] = {"cache_control": mark, **blocks[-1]}
    return blocks


def uses_files(block: Json) -> bool:
    """Whether ``block``, or one within it, names a file that was uploaded before."""
    if "file_id" in block or "file_id" in as_object(block.get("source")):
        return True
    return any(uses_files(inner) for inner in as_objects(block.get("content")))


def _block(part: Json) -> Json | None:
    kind = as_text(part.get("type"))
    if kind in _FOREIGN:
        raise refusal(f"a message holds a part of type {kind}, which Claude cannot take")
    if kind in ("text", "refusal"):
        text = as_text(part.get(kind))
        if not text.strip():
            return None
        return {**part, "type": "text", "text": text} if kind == "text" else {"type": "text", "text": text}
    if kind == "image_url":
        block: Json = {"type": "image", "source": _image_source(part.get("image_url"))}
    elif kind == "file":
        block = _document(as_object(part.get("file")) or part)
    else:
        return part
    for extra in ("cache_control", "citations", "context"):
        if part.get(extra) is not None:
            block[extra] = part[extra]
    return block


def _image_source(image: Any) -> Json:
    url = image if isinstance(image, str) else as_text(as_object(image).get("url"))
    if not url:
        raise refusal("a message holds an image_url part without a url")
    found = _DATA_URL.match(url)
    if found is None:
        return {"type": "url", "url": url}
    return {"type": "base64", "media_type": found[1] or "image/png", "data": _as_base64(found)}


def _document(file: Json) -> Json:
    identity, url, data = (as_text(file.get(key)) for key in ("file_id", "file_url", "file_data"))
    if identity:
        block: Json = {"type": "document", "source": {"type": "file", "file_id": identity}}
    elif url and not url.startswith("data:"):
        block = {"type": "document", "source": {"type": "url", "url": url}}
    else:
        block = _inline_document(data or url, as_text(file.get("filename")))
    name = as_text(file.get("filename"))
    return {**block, "title": name} if name and block["type"] == "document" else block


def _inline_document(data: str, name: str) -> Json:
    if not data:
        raise refusal("a message holds a file part without file_data, file_url or file_id")
    found = _DATA_URL.match(data)
    if found is None:  # bare base64: some clients leave the head of the data URL out
        return {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": data}}
    media_type = found[1].lower()
    if media_type == "application/pdf":
        source: Json = {"type": "base64", "media_type": media_type, "data": _as_base64(found)}
        return {"type": "document", "source": source}
    if media_type.startswith("image/"):
        return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": _as_base64(found)}}
    if media_type.startswith("text/") or media_type in ("", "application/json", "application/xml"):
        return {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": _as_text(found)}}
    raise refusal(f"the file {name or 'in a message'} is of type {media_type}: Claude takes PDF, text and images")


def _as_base64(url: re.Match[str]) -> str:
    if url[2].endswith(";base64"):
        return url[3]
    return base64.b64encode(unquote_to_bytes(url[3])).decode()


def _as_text(url: re.Match[str]) -> str:
    try:
        data = base64.b64decode(url[3]) if url[2].endswith(";base64") else unquote_to_bytes(url[3])
        return data.decode("utf-8")
    except (binascii.Error, ValueError) as error:
        raise refusal(f"the text of a file part cannot be read: {error}") from error
