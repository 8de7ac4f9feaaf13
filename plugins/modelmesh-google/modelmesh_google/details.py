"""``reasoning_details``: what of an answer only Google can read, kept so that it goes back on the part it came on.

Each block has the format ``google-gemini-v1`` and an ``index``, and ``at``: how many characters of text came before.

- ``reasoning.text``: a thought, with its ``signature`` if it had one
- ``reasoning.encrypted``: the signature (``data``) of a piece of text that is ``length`` characters long
- ``google.part``: any other part as Google sent it, as JSON text in ``data`` (code that ran and its result, a search)
"""

from __future__ import annotations

from typing import Any

import attrs
import orjson
from modelmesh_core import Json, as_object, as_objects, as_text

from .shapes import as_count

FORMAT = "google-gemini-v1"


def thought_block(text: str, signature: str, index: int, at: int) -> Json:
    signed = {"signature": signature} if signature else {}
    return {"type": "reasoning.text", "text": text, **signed, "format": FORMAT, "index": index, "at": at}


def signature_block(signature: str, index: int, at: int, length: int) -> Json:
    return {
        "type": "reasoning.encrypted",
        "data": signature,
        "format": FORMAT,
        "index": index,
        "at": at,
        "length": length,
    }


def part_block(part: Json, index: int, at: int) -> Json:
    data = orjson.dumps(part).decode()
    return {"type": "google.part", "data": data, "format": FORMAT, "index": index, "at": at}


@attrs.frozen
class Details:
    """The blocks of one message that stand among its text, in order."""

    blocks: tuple[Json, ...]

    def around(self, text: str) -> list[Json]:
        """The message's parts: ``text``, cut where the blocks stood, and the blocks. Nothing of ``text`` is lost,
        even where it is no longer the text that the blocks came with."""
        parts: list[Json] = []
        done = 0
        for block in self.blocks:
            place = min(max(done, as_count(block.get("at"))), len(text))
            if block["type"] == "reasoning.encrypted":
                end = min(place + as_count(block.get("length")), len(text)) if "length" in block else len(text)
                _say(parts, text[done:place])
                parts.append({"text": text[place:end], "thoughtSignature": as_text(block.get("data"))})
                done = end
                continue
            part = _part(block)
            if part:
                _say(parts, text[done:place])
                done = place
                parts.append(part)
        _say(parts, text[done:])
        return parts


def parts_of_details(given: Any, calls: frozenset[str] = frozenset()) -> tuple[Details, dict[str, str]]:
    """A message's own blocks, and the signatures among them that belong to its tool calls, by the call's id."""
    own = [block for block in as_objects(given) if block.get("format") == FORMAT]
    placed: list[Json] = []
    signatures: dict[str, str] = {}
    for block in own:
        kind, identity = block.get("type"), as_text(block.get("id"))
        if kind == "reasoning.encrypted" and identity in calls:
            signatures[identity] = as_text(block.get("data"))
        elif kind in ("reasoning.text", "reasoning.encrypted", "google.part"):
            placed.append(block)
    return Details(tuple(sorted(placed, key=lambda block: as_count(block.get("index"))))), signatures


def _part(block: Json) -> Json:
    if block["type"] == "google.part":
        try:
            return as_object(orjson.loads(as_text(block.get("data"))))
        except ValueError:
            return {}
    signature = as_text(block.get("signature"))
    part: Json = {"text": as_text(block.get("text")), "thought": True}
    return {**part, "thoughtSignature": signature} if signature else part


def _say(parts: list[Json], text: str) -> None:
    if text:
        parts.append({"text": text})
