"""Sources that a vendor lists beside its answer → annotations of the message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from modelmesh_core import as_list, as_object, as_text

Body = dict[str, Any]


def sources_in(body: Body) -> list[Body]:
    """Annotations for the ``search_results`` and ``citations`` of an answer or a chunk, each address once."""
    titles = {
        url: as_text(row.get("title"))
        for row in map(as_object, as_list(body.get("search_results")))
        if (url := as_text(row.get("url")))
    }
    listed = [as_text(one) or as_text(as_object(one).get("url")) for one in as_list(body.get("citations"))]
    addresses = dict.fromkeys([*filter(None, listed), *titles])
    return [annotation(url, titles.get(url, "")) for url in addresses]


def annotation(url: str, title: str) -> Body:
    """One source as the dialect has it."""
    return {"type": "url_citation", "url_citation": {"url": url, "title": title}}


def annotated(choices: list[Any], place: str, sources: list[Body]) -> list[Any]:
    """The choices, of which those with ``place`` name the sources there, unless they name some already."""

    def better(choice: Body) -> Body:
        said = as_object(choice.get(place))
        if place not in choice or said.get("annotations"):
            return choice
        return {**choice, place: {**said, "annotations": sources}}

    return [better(as_object(one)) if isinstance(one, dict) else one for one in choices]


class StreamedSources:
    """The sources of one stream: named once, with the finish reason, since many vendors repeat them in each chunk."""

    def __init__(self, read: Callable[[Body], Body]) -> None:
        self._read = read
        self._sources: list[Body] = []

    def __call__(self, chunk: Body) -> Body:
        chunk = self._read(chunk)
        self._sources = sources_in(chunk) or self._sources
        choices = as_list(chunk.get("choices"))
        if not self._sources or not any(as_object(one).get("finish_reason") for one in choices):
            return chunk
        sources, self._sources = self._sources, []
        return {**chunk, "choices": annotated(choices, "delta", sources)}
