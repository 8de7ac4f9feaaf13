"""A caller's body as Anthropic takes it."""

from __future__ import annotations

from ...wire.shapes import as_list, as_object
from .citations import is_foreign_citation, own_citations
from .reading import Json
from .seals import is_own


def native_body(body: Json) -> Json:
    """``body`` without the blocks that the mesh made of other vendors' answers; itself if there are none."""
    messages = [_cleaned(message) for message in as_list(body.get("messages"))]
    unchanged = all(new is old for new, old in zip(messages, as_list(body.get("messages")), strict=True))
    return body if unchanged else {**body, "messages": messages}


def _cleaned(message: object) -> object:
    given = as_object(message)
    blocks = as_list(given.get("content"))
    if given.get("role") != "assistant" or not any(_is_made_here(as_object(block)) for block in blocks):
        return message
    return {**given, "content": anthropic_blocks([as_object(block) for block in blocks])}


def anthropic_blocks(blocks: list[Json]) -> list[Json]:
    """Of an assistant's ``blocks`` those that Anthropic takes, with its own citations only."""
    kept = [without_foreign_citations(block) for block in blocks if not _is_foreign(block)]
    return [block for block in kept if block.get("type") != "text" or block.get("text")]


def _is_made_here(block: Json) -> bool:
    return _is_foreign(block) or any(is_foreign_citation(one) for one in as_list(block.get("citations")))


def _is_foreign(block: Json) -> bool:
    """No assistant's turn at Anthropic holds a picture."""
    return is_own(block) or block.get("type") == "image"


def without_foreign_citations(block: Json) -> Json:
    """``block`` with Anthropic's own citations only; itself where it has no others."""
    given = as_list(block.get("citations"))
    own = own_citations(block)
    if len(own) == len(given):
        return block
    rest = {key: value for key, value in block.items() if key != "citations"}
    return {**rest, "citations": own} if own else rest
