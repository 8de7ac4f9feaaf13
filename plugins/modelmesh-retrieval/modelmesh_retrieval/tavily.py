"""Tavily: web search made for models, and reading pages."""

from __future__ import annotations

from collections.abc import Generator

from modelmesh_core import HttpRequest, HttpResponse, Json, ProviderCall, ProviderSettings, Reply, as_objects, as_text

from .countries import NAMES
from .searching import (
    SearchProvider,
    domains_of,
    reply_of,
    result_of,
    rows_of,
    time_range_of,
    unreadable,
)

_DEPTHS = frozenset({"basic", "advanced", "fast", "ultra-fast"})


class Tavily(SearchProvider):
    """``tavily.search.v1``. The model is the depth of the search."""

    title = "Tavily"
    own_parameters = frozenset(
        {
            "search_depth", "topic", "chunks_per_source", "include_answer", "include_raw_content", "include_images",
            "include_image_descriptions", "include_favicon", "auto_parameters", "exact_match", "start_date",
            "end_date", "days", "include_usage", "extract_depth", "format", "timeout", "safe_search",
        }
    )  # fmt: skip

    def __init__(self, settings: ProviderSettings) -> None:
        super().__init__(settings, "https://api.tavily.com")

    def search(self, call: ProviderCall, own: Json) -> Generator[HttpRequest, HttpResponse, Reply]:
        depth = {"search_depth": call.upstream_model} if call.upstream_model in _DEPTHS else {}
        body: Json = {"query": call.body["query"], **depth, **own}
        for name in ("include_domains", "exclude_domains"):
            if domains := domains_of(call, name):
                body[name] = domains
        if call.body.get("max_results") is not None:
            body["max_results"] = call.body["max_results"]
        if span := time_range_of(call):
            body["time_range"] = span
        if country := as_text(call.body.get("country")):
            name = NAMES.get(country.lower(), country.lower())
            if len(name) > 2 and own.get("topic", "general") == "general":
                body["country"] = name
            else:
                call.drop("country", "Tavily does not know it, or not for this topic")
        answer, response = yield from self.look_up(f"{self.base_url}/search", body)
        rows = rows_of(answer, "results", response)
        names = {"title": "title", "url": "url", "snippet": "content", "content": "raw_content"}
        results = [result_of(row, **names, score="score", published_at="published_date") for row in rows]
        return reply_of(results, {key: value for key, value in answer.items() if value is not None}, response)

    def read(self, call: ProviderCall, url: str, own: Json) -> Generator[HttpRequest, HttpResponse, Reply]:
        depth = {"extract_depth": call.upstream_model} if call.upstream_model == "advanced" else {}
        answer, response = yield from self.look_up(f"{self.base_url}/extract", {"urls": [url], **depth, **own})
        rows = rows_of(answer, "results", response)
        failed = as_objects(answer.get("failed_results"))
        if not rows:
            raise unreadable(url, as_text(failed[0].get("error")) if failed else "", answer)
        results = [result_of(row, title="title", url="url", content="raw_content") for row in rows]
        return reply_of(results, answer, response)
