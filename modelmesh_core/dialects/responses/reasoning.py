"""Reasoning items of the Responses API ↔ ``reasoning_details`` of the mesh's own shape.

What OpenAI sealed goes back verbatim, under the format ``openai-responses-v1``. What another vendor signed has no
place of its own in a reasoning item: its blocks travel inside ``encrypted_content``, which callers send back unread,
as an envelope of ours (``modelmesh-v1.`` and base64). So Claude's signed thinking survives a Responses client.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

import orjson

from ...wire.messages import Body
from ...wire.shapes import as_list, as_object, as_text

FORMAT = "openai-responses-v1"
"""``format`` of the blocks that go back to a vendor of the Responses API."""
_ENVELOPE = "modelmesh-v1."


def seal(details: list[Body]) -> str:
    """Another vendor's blocks as the opaque text that a caller sends back."""
    return _ENVELOPE + base64.urlsafe_b64encode(orjson.dumps(details)).decode()


def is_sealed_here(item: Body) -> bool:
    """Whether ``item`` is a reasoning item that holds another vendor's blocks."""
    sealed = item.get("encrypted_content")
    return item.get("type") == "reasoning" and isinstance(sealed, str) and sealed.startswith(_ENVELOPE)


def unseal(item: Body) -> list[Body]:
    """The blocks in ``item``; none if somebody broke the envelope. Flat, so that no depth can hide in it."""
    try:
        content = base64.urlsafe_b64decode(str(item["encrypted_content"])[len(_ENVELOPE) :])
        found = as_list(orjson.loads(content))
    except ValueError:
        return []
    flat = [{k: v for k, v in as_object(one).items() if not isinstance(v, (dict, list))} for one in found]
    return [one for one in flat if one]


def shown_text(item: Body) -> str:
    """What a reader may see of a reasoning item."""
    return "\n\n".join(text for _, text in texts_of(item))


def texts_of(item: Body) -> list[tuple[str, str]]:
    """Its texts, each with the name of the list that it stands in: ``summary`` or ``content``."""
    return [
        (place, part["text"])
        for place in ("summary", "content")
        for part in map(as_object, as_list(item.get(place)))
        if isinstance(part.get("text"), str)
    ]


def details_of(item: Body, first: int) -> list[Body]:
    """The blocks that say all of ``item``, counted from ``first``."""
    blocks = [detail(place, text) for place, text in texts_of(item)]
    if sealed := as_text(item.get("encrypted_content")):
        blocks.append({"type": "reasoning.encrypted", "data": sealed})
    if not blocks:
        blocks.append(detail("summary", ""))  # the vendor knows it by its id alone
    identity = {"id": item["id"]} if as_text(item.get("id")) else {}
    return [{**block, "format": FORMAT, **identity, "index": first + n} for n, block in enumerate(blocks)]


def detail(place: str, text: str) -> Body:
    """A block for a readable text."""
    if place == "summary":
        return {"type": "reasoning.summary", "summary": text}
    return {"type": "reasoning.text", "text": text}


def items_of_details(details: Iterable[Any]) -> list[Body]:
    """The reasoning items of those blocks that came from the Responses API; blocks of one id were one item."""
    items: list[Body] = []
    for one in map(as_object, details):
        if one.get("format") != FORMAT:
            continue
        identity = as_text(one.get("id")) or None
        if not items or items[-1].get("id") != identity or "encrypted_content" in items[-1]:
            items.append({"type": "reasoning", **({"id": identity} if identity else {}), "summary": []})
        if one.get("type") == "reasoning.encrypted":
            items[-1]["encrypted_content"] = one.get("data")
        elif one.get("type") == "reasoning.summary" and one.get("summary"):
            items[-1]["summary"].append({"type": "summary_text", "text": one["summary"]})
        elif one.get("type") == "reasoning.text" and one.get("text"):
            items[-1].setdefault("content", []).append({"type": "reasoning_text", "text": one["text"]})
    return items
