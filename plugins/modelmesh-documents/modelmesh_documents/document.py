"""A parsed document, whoever parsed it."""

from __future__ import annotations

from collections.abc import Sequence

from modelmesh_core import HttpResponse, Json, ProviderCall, Reply, as_text, headroom_of

KNOWN = frozenset({"file", "url", "filename", "media_type", "output_format"})
FORMATS = frozenset({"markdown", "text", "elements"})


def format_of(call: ProviderCall) -> str:
    """``markdown``, ``text`` or ``elements``; ``markdown`` if the caller asks for what nobody knows."""
    wanted = as_text(call.body.get("output_format")) or "markdown"
    if wanted in FORMATS:
        return wanted
    call.drop("output_format", f"known are {', '.join(sorted(FORMATS))}")
    return "markdown"


def parsed(text: str, pages: Sequence[Json], elements: Sequence[Json], response: HttpResponse) -> Reply:
    """The answer. Pages count from 0."""
    return Reply(
        {"text": text, "pages": list(pages), "elements": list(elements)},
        headroom=headroom_of(response.headers, response.received_at),
        headers=response.headers,
    )
