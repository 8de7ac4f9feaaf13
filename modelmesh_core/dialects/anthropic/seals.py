"""What only another vendor understands, sealed into blocks that callers of this dialect send back unread.

- A thinking block's ``signature``: the rest of a readable ``reasoning_details`` entry that is not Anthropic's.
- A ``redacted_thinking`` block's ``data``: a whole such entry that nobody can read, or the ``extra_content`` of a tool
  call, as ``{"tool_call": id, "extra_content": {...}}``.

A readable thought that nobody signed has an empty signature. Seals hide nothing and prove nothing: a caller can write
into them only what it could say in the mesh's own shape as well.
"""

from __future__ import annotations

import base64
from typing import Any

import orjson

from ...wire.shapes import as_object, as_text
from .reading import Json

FORMAT = "anthropic-v1"
"""``format`` of the reasoning blocks that are Anthropic's own."""
_SEAL = "modelmesh-v1."
_READABLE = {"reasoning.text": "text", "reasoning.summary": "summary"}


def sealed(kept: Json) -> str:
    """``kept`` as a signature."""
    try:
        return _SEAL + base64.b64encode(orjson.dumps(kept)).decode()
    except TypeError:  # deeper than JSON can be written: no vendor sends that
        return ""


def is_sealed(signature: Any) -> bool:
    """Whether a signature is the mesh's own."""
    return isinstance(signature, str) and signature.startswith(_SEAL)


def opened(signature: Any) -> Json:
    """What a signature of the mesh's own holds; nothing if it was damaged."""
    if not is_sealed(signature):
        return {}
    try:
        return as_object(orjson.loads(base64.b64decode(signature.removeprefix(_SEAL), validate=True)))
    except ValueError:
        return {}


def readable_key(detail: Json) -> str | None:
    """The field of a reasoning block that can be read, if it is of a kind that has one."""
    return _READABLE.get(as_text(detail.get("type")))


def is_own(block: Json) -> bool:
    """Whether a thinking block was made by the mesh, so that Anthropic would refuse it."""
    if block.get("type") == "redacted_thinking":
        return is_sealed(block.get("data"))
    return block.get("type") == "thinking" and (not block.get("signature") or is_sealed(block["signature"]))


def thought_block(detail: Json) -> Json:
    """The thinking block that a readable reasoning block is."""
    key = readable_key(detail) or "text"
    text = as_text(detail.get(key))
    if detail.get("format") == FORMAT and key == "text":
        return {"type": "thinking", "thinking": text, "signature": as_text(detail.get("signature"))}
    rest = {name: value for name, value in detail.items() if name != key}
    return {"type": "thinking", "thinking": text, "signature": sealed(rest)}


def hidden_block(detail: Json) -> Json:
    """The redacted thinking block that an unreadable reasoning block is."""
    is_anthropic = detail.get("format") == FORMAT and detail.get("type") == "reasoning.encrypted"
    return {"type": "redacted_thinking", "data": as_text(detail.get("data")) if is_anthropic else sealed(detail)}


def mark_block(call_id: str, extra_content: Any) -> Json:
    """The redacted thinking block that brings a vendor's mark on a tool call."""
    return {"type": "redacted_thinking", "data": sealed({"tool_call": call_id, "extra_content": extra_content})}


def details_in_order(details: list[Json]) -> list[Json]:
    """Reasoning blocks by their index, where each has one."""
    indexes = [detail.get("index") for detail in details]
    if all(isinstance(index, int) for index in indexes):
        return sorted(details, key=lambda detail: detail["index"])
    return details
