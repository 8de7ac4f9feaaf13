"""Firecrawl: web search, and reading pages as Markdown."""

from __future__ import annotations

from collections.abc import Generator

from modelmesh_core import (
    HttpRequest,
    HttpResponse,
    Json,
    ProviderCall,
    ProviderSettings,
    Reply,
    as_list,
    as_object,
    as_objects,
    as_text,
)

from .searching import (
    SearchProvider,
    domains_of,
    query_with_sites,
    reply_of,
    result_of,
    time_range_of,
    unreadable,
)

_SOURCES = ("web", "news", "images")


class Firecrawl(SearchProvider):
    """``firecrawl.search.v1``, over the v2 API."""

    title = "Firecrawl"
    own_parameters = frozenset(
        {
            "sources", "categories", "tbs", "location", "timeout", "ignoreInvalidURLs", "scrapeOptions", "highlights",
            "formats", "onlyMainContent", "includeTags", "excludeTags", "maxAge", "waitFor", "mobile", "parsers",
            "proxy", "blockAds", "storeInCache", "actions", "headers",
        }
    )  # fmt: skip

    def __init__(self, settings: ProviderSettings) -> None:
        super().__init__(settings, "https://api.firecrawl.dev")
        self.base_url = self.base_url.removesuffix("/v2").removesuffix("/v1")

    def search(self, call: ProviderCall, own: Json) -> Generator[HttpRequest, HttpResponse, Reply]:
        included, excluded = domains_of(call, "include_domains"), domains_of(call, "exclude_domains")
        body: Json = {"query": call.body["query"]}
        if included:
            body["includeDomains"] = included
        if excluded and not included:
            body["excludeDomains"] = excluded
        elif excluded:  # it takes one of the two
            body["query"] = query_with_sites(call, ("exclude_domains",))
        if call.body.get("max_results") is not None:
            body["limit"] = call.body["max_results"]
        if country := as_text(call.body.get("country")):
            body["country"] = country.upper()
        if span := time_range_of(call):
            body["tbs"] = f"qdr:{span[0]}"
        answer, response = yield from self.look_up(f"{self.base_url}/v2/search", {**body, **own})
        found = self._data(answer, response)
        grouped = as_object(found)
        rows = as_objects(found) or [row for kind in _SOURCES for row in as_objects(grouped.get(kind))]
        results = [_result(row) for row in rows]
        return reply_of(results, {key: value for key, value in answer.items() if key != "data"}, response)

    def read(self, call: ProviderCall, url: str, own: Json) -> Generator[HttpRequest, HttpResponse, Reply]:
        body = {"url": url, "formats": ["markdown"], **own}
        answer, response = yield from self.look_up(f"{self.base_url}/v2/scrape", body)
        page = as_object(self._data(answer, response))
        about = as_object(page.get("metadata"))
        if not any(value for key, value in page.items() if key != "metadata"):
            raise unreadable(url, as_text(about.get("error")) or as_text(page.get("warning")), answer)
        address = as_text(about.get("url")) or as_text(about.get("sourceURL")) or url
        result = {**_result(page), "url": address, "title": _first(about.get("title"))}
        return reply_of([result], {key: value for key, value in answer.items() if key != "data"}, response)

    def _data(self, answer: Json, response: HttpResponse) -> object:
        if answer.get("success") is False:
            raise self.error(response)
        data: object = answer.get("data")
        if not (as_object(data) or as_list(data) or data in ({}, [])):
            raise self.undecodable(response, "data")
        return data


def _result(row: Json) -> Json:
    excerpt = "description" if as_text(row.get("description")) else "snippet"
    return result_of(row, title="title", url="url", snippet=excerpt, content="markdown", published_at="date")


def _first(title: object) -> str:
    """A page with several titles has them as a list."""
    return as_text(title) or next((text for text in as_list(title) if isinstance(text, str)), "")
