"""Serper: Google's results, and reading pages."""

from __future__ import annotations

from collections.abc import Generator, Mapping

from modelmesh_core import (
    HttpRequest,
    HttpResponse,
    Json,
    ProviderCall,
    ProviderSettings,
    Reply,
    as_object,
    as_text,
    checked_url,
)

from .options import SerperOptions
from .searching import (
    SearchProvider,
    query_with_sites,
    reply_of,
    result_of,
    rows_of,
    time_range_of,
    unreadable,
)

_VERTICALS = {"news": "news", "images": "images", "videos": "videos", "places": "places", "shopping": "shopping",
              "scholar": "organic", "patents": "organic"}  # fmt: skip
"""Model → where its answers have the results."""


class Serper(SearchProvider):
    """``serper.search.v1``. The model ``search`` is the web; others are Google's other searches."""

    title = "Serper"
    own_parameters = frozenset({"gl", "hl", "location", "page", "tbs", "autocorrect", "includeMarkdown"})

    def __init__(self, settings: ProviderSettings) -> None:
        super().__init__(settings, "https://google.serper.dev")
        options = settings.options or SerperOptions()
        self._read_url = checked_url(options.read_url, f"providers.{settings.name}.read_url")

    def key_header(self, key: str) -> Mapping[str, str]:
        return {"x-api-key": key}

    def search(self, call: ProviderCall, own: Json) -> Generator[HttpRequest, HttpResponse, Reply]:
        body: Json = {"q": query_with_sites(call)}
        if call.body.get("max_results") is not None:
            body["num"] = call.body["max_results"]
        if country := as_text(call.body.get("country")):
            body["gl"] = country.lower()
        if span := time_range_of(call):
            body["tbs"] = f"qdr:{span[0]}"
        vertical = call.upstream_model if call.upstream_model in _VERTICALS else "search"
        key = _VERTICALS.get(vertical, "organic")
        answer, response = yield from self.look_up(f"{self.base_url}/{vertical}", {**body, **own})
        rows = rows_of(answer, key, response) if key in answer or "searchParameters" not in answer else []
        results = [result_of(row, title="title", url="link", snippet="snippet", published_at="date") for row in rows]
        rest = {name: value for name, value in answer.items() if name != key}
        box = as_object(answer.get("answerBox"))
        if said := as_text(box.get("answer")) or as_text(box.get("snippet")):
            rest["answer"] = said
        return reply_of(results, rest, response)

    def read(self, call: ProviderCall, url: str, own: Json) -> Generator[HttpRequest, HttpResponse, Reply]:
        answer, response = yield from self.look_up(self._read_url, {"url": url, "includeMarkdown": True, **own})
        content = as_text(answer.get("markdown")) or as_text(answer.get("text"))
        if not content:
            raise unreadable(url, as_text(answer.get("message")), answer)
        about = as_object(answer.get("metadata"))
        title = as_text(about.get("title")) or as_text(about.get("og:title"))
        rest = {key: value for key, value in answer.items() if key not in ("markdown", "text")}
        return reply_of([{"title": title, "url": url, "content": content}], rest, response)
