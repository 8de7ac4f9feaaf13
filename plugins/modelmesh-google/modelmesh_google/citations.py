"""Where an answer comes from: ``groundingMetadata`` and ``citationMetadata`` → ``annotations``."""

from __future__ import annotations

from typing import Any

from modelmesh_core import Json, as_list, as_object, as_objects, as_text

from .shapes import as_count


def annotations_in(candidate: Json, text: str, part_starts: list[int]) -> list[Json]:
    """The citations of ``candidate``, whose text is ``text``; ``part_starts`` is where its text parts begin in it.

    Google counts bytes of UTF-8; an annotation counts characters.
    """
    grounding = as_object(candidate.get("groundingMetadata"))
    chunks = as_objects(grounding.get("groundingChunks"))
    found: list[Json] = []
    supported: set[int] = set()
    for support in as_objects(grounding.get("groundingSupports")):
        span = _span(as_object(support.get("segment")), text, part_starts)
        for index in as_list(support.get("groundingChunkIndices")):
            if isinstance(index, int) and 0 <= index < len(chunks):
                supported.add(index)
                found.append(_annotation(chunks[index], span))
    found.extend(_annotation(chunk, {}) for index, chunk in enumerate(chunks) if index not in supported)
    cited = as_object(candidate.get("citationMetadata"))
    sources = as_objects(cited.get("citationSources")) or as_objects(cited.get("citations"))
    found.extend(_attribution(source, text) for source in sources)
    return found


def _annotation(chunk: Json, span: Json) -> Json:
    sources = [as_object(value) for value in chunk.values() if isinstance(value, dict)]
    source = sources[0] if sources else chunk
    address = as_text(source.get("uri"))
    if not address.startswith(("https:", "http:")):
        return {"type": "citation", "citation": {**chunk, **span}}
    title = as_text(source.get("title")) or as_text(source.get("domain"))
    return {"type": "url_citation", "url_citation": {"url": address, "title": title, **span}}


def _attribution(source: Json, text: str) -> Json:
    address = as_text(source.get("uri"))
    if not address:
        return {"type": "citation", "citation": source}
    span = _span(source, text, [])
    return {"type": "url_citation", "url_citation": {"url": address, "title": as_text(source.get("title")), **span}}


def _span(segment: Json, text: str, part_starts: list[int]) -> Json:
    """Where a segment stands in the text; empty where nothing tells."""
    if "endIndex" not in segment:
        return {}
    part = as_count(segment.get("partIndex"))
    before = part_starts[part] if part < len(part_starts) else 0
    start = before + _characters(text[before:], segment.get("startIndex"))
    end = before + _characters(text[before:], segment.get("endIndex"))
    quoted = as_text(segment.get("text"))
    if quoted and text[start:end] != quoted and (place := text.find(quoted)) >= 0:
        start, end = place, place + len(quoted)
    return {"start_index": start, "end_index": end}


def _characters(text: str, count: Any) -> int:
    return len(text.encode("utf-8", "replace")[: as_count(count)].decode("utf-8", "ignore"))
