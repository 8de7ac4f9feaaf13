"""Content blocks that a caller sends → parts of a message.

Blocks that only Anthropic knows (an image or document in its file store or made of blocks, a search result, an upload
to a container, ...) stay as they are: a connector of Anthropic's sends them on, others refuse them.
"""

from __future__ import annotations

import base64
import re
from typing import Any

from .reading import Json, list_at, name_at, object_at, text_at, without, wrong

_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+")


def content_of(value: Any, place: str) -> str | list[Json]:
    """A content as a text, where it is one without any marks, else as parts. Raises DialectError."""
    if isinstance(value, str):
        return value
    return as_plain([part_of(block, at) for block, at in blocks_at(value, place)])


def blocks_at(value: Any, place: str) -> list[tuple[Json, str]]:
    """Each block of a content, and its place. Raises DialectError for what is no list of typed objects."""
    found: list[tuple[Json, str]] = []
    for number, item in enumerate(list_at(value, place)):
        at = f"{place}.{number}"
        block = object_at(item, at)
        name_at(block.get("type"), f"{at}.type")
        found.append((block, at))
    return found


def as_plain(parts: list[Json]) -> str | list[Json]:
    """The one text that ``parts`` are, where that says it all: some vendors take nothing else."""
    if len(parts) == 1 and parts[0].keys() == {"type", "text"}:
        return parts[0]["text"]
    return parts or ""


def part_of(block: Json, place: str) -> Json:
    """One block. Raises DialectError for a text, image or document that is not as Anthropic describes it."""
    kind = block["type"]
    if kind == "text":
        return {"type": "text", "text": text_at(block.get("text"), f"{place}.text"), **without(block, "type", "text")}
    if kind == "image":
        return _image(block, place)
    return _document(block, place) if kind == "document" else block


def _image(block: Json, place: str) -> Json:
    source = object_at(block.get("source"), f"{place}.source")
    if source.get("type") == "base64":
        url = _data_url(source, f"{place}.source")
    elif source.get("type") == "url":
        url = name_at(source.get("url"), f"{place}.source.url")
    else:
        name_at(source.get("type"), f"{place}.source.type")
        return block
    return {"type": "image_url", "image_url": {"url": url}, **without(block, "type", "source")}


def _document(block: Json, place: str) -> Json:
    source, at = object_at(block.get("source"), f"{place}.source"), f"{place}.source"
    kind = source.get("type")
    if kind == "base64":
        file = {"file_data": _data_url(source, at)}
    elif kind == "text":
        text = text_at(source.get("data"), f"{at}.data").encode("utf-8", "replace")
        file = {"file_data": f"data:text/plain;base64,{base64.b64encode(text).decode()}"}
    elif kind == "url":
        file = {"file_url": name_at(source.get("url"), f"{at}.url")}
    elif kind == "file":
        file = {"file_id": name_at(source.get("file_id"), f"{at}.file_id")}
    else:
        name_at(kind, f"{at}.type")
        return block
    if block.get("title") is not None:
        file["filename"] = text_at(block["title"], f"{place}.title")
    return {"type": "file", "file": file, **without(block, "type", "source", "title")}


def _data_url(source: Json, place: str) -> str:
    media_type = name_at(source.get("media_type"), f"{place}.media_type")
    if not _MEDIA_TYPE.fullmatch(media_type):
        raise wrong(f"{place}.media_type", "a media type such as image/png")
    return f"data:{media_type};base64,{name_at(source.get('data'), f'{place}.data')}"
