"""Citations of text blocks ↔ annotations of a message."""

from __future__ import annotations

from typing import Any

from ...wire.shapes import as_list, as_object, as_text
from .reading import Json, without

_WEB = "web_search_result_location"
_OWN = frozenset(
    {"char_location", "content_block_location", "page_location", "search_result_location", _WEB},
)
"""Kinds of citations that Anthropic makes."""


def annotations_of(citations: list[Json], start: int, end: int) -> list[Json]:
    """Citations of the text between two characters of the answer. Those of other vendors say for themselves where."""
    found: list[Json] = []
    for citation in citations:
        kind = as_text(citation.get("type"))
        if kind == _WEB:
            place = {} if is_foreign_citation(citation) else {"start_index": start, "end_index": end}
            own = {**without(citation, "type", "encrypted_index"), **place}
            if not own.get("cited_text"):
                own.pop("cited_text", None)
            found.append({"type": "url_citation", "url_citation": own})
        elif kind in _OWN:
            found.append({"type": "citation", "citation": citation, "start_index": start, "end_index": end})
        elif citation:
            found.append({"type": "citation", "citation": citation})
    return found


def citations_of(annotations: Any) -> list[Json]:
    """A message's annotations as citations.

    A page on the web gets an empty ``encrypted_index``: only Anthropic can make one.
    """
    return [made for one in as_list(annotations) if (made := _citation(as_object(one)))]


def _citation(annotation: Json) -> Json:
    if annotation.get("type") == "url_citation":
        own = as_object(annotation.get("url_citation")) or without(annotation, "type")
        place = {key: as_text(own.get(key)) for key in ("url", "title", "cited_text")}
        return {"type": _WEB, **place, "encrypted_index": "", **without(own, "type", *place, "encrypted_index")}
    own = as_object(annotation.get("citation"))
    if not own:
        return annotation if as_text(annotation.get("type")) else {}
    place = {} if as_text(own.get("type")) in _OWN else without(annotation, "type", "citation")
    return {"type": "citation", **place, **own}


def is_foreign_citation(citation: Any) -> bool:
    """Whether a citation is not Anthropic's: of another kind than it has, or without its own mark."""
    own = as_object(citation)
    kind = as_text(own.get("type"))
    return not own.get("encrypted_index") if kind == _WEB else kind not in _OWN


def own_citations(block: Json) -> list[Any]:
    """The citations of a text block that Anthropic made."""
    return [one for one in as_list(block.get("citations")) if not is_foreign_citation(one)]
