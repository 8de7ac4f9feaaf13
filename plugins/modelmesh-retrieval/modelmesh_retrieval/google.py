"""Google's Programmable Search Engine, by the Custom Search JSON API."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from urllib.parse import urlencode

from modelmesh_core import (
    HttpRequest,
    HttpResponse,
    Json,
    ProviderCall,
    ProviderSettings,
    Reply,
    as_count,
    as_object,
    as_objects,
    as_text,
    refused,
)

from .options import GoogleSearchOptions
from .searching import SearchProvider, query_with_sites, reply_of, result_of, rows_of, time_range_of

_PAGE = 10
_FURTHEST = 100
"""Results that can be had of one query."""
_DATES = ("article:published_time", "og:published_time", "datepublished", "date")


class GoogleSearch(SearchProvider):
    """``google.search.v1``."""

    title = "Google's search"
    own_parameters = frozenset(
        {
            "c2coff", "cr", "exactTerms", "excludeTerms", "fileType", "filter", "hl", "hq", "imgSize", "imgType",
            "linkSite", "lr", "orTerms", "rights", "safe", "searchType", "sort", "siteSearch", "siteSearchFilter",
        }
    )  # fmt: skip

    def __init__(self, settings: ProviderSettings) -> None:
        """Raises ValueError if ``cx`` is missing."""
        super().__init__(settings, "https://www.googleapis.com")
        self._engine = (settings.options or GoogleSearchOptions()).cx.strip()
        if not self._engine:
            raise ValueError(f"providers.{settings.name}.cx is missing: the id of the Programmable Search Engine")

    def key_header(self, key: str) -> Mapping[str, str]:
        return {"x-goog-api-key": key}

    def search(self, call: ProviderCall, own: Json) -> Generator[HttpRequest, HttpResponse, Reply]:
        asked: Json = {"cx": self._engine, "q": query_with_sites(call)}
        if country := as_text(call.body.get("country")):
            asked["gl"] = country.lower()
        if span := time_range_of(call):
            asked["dateRestrict"] = f"{span[0]}1"
        asked |= {key: value for key, value in own.items() if isinstance(value, (str, int))}
        wanted = min(as_count(call.body.get("max_results")) or _PAGE, _FURTHEST)
        found: list[Json] = []
        while True:
            number = min(_PAGE, wanted - len(found))
            query = urlencode({**asked, "num": number, "start": len(found) + 1}, errors="replace")
            answer, response = yield from self.look_up(f"{self.base_url}/customsearch/v1?{query}")
            rows = rows_of(answer, "items", response) if "items" in answer else []
            found += rows[:number]
            if len(rows) < number or len(found) >= wanted:
                break
        rest = {key: answer[key] for key in ("searchInformation", "spelling", "promotions") if key in answer}
        return reply_of([_result(row) for row in found], rest, response)

    def read(self, call: ProviderCall, url: str, own: Json) -> Generator[HttpRequest, HttpResponse, Reply]:
        raise refused("Google's search does not read pages: it takes a query")
        yield  # the marker that makes this a generator function


def _result(row: Json) -> Json:
    made = result_of(row, title="title", url="link", snippet="snippet")
    tags = as_objects(as_object(row.get("pagemap")).get("metatags"))
    date = next((text for tag in tags for key in _DATES if (text := as_text(tag.get(key)))), "")
    return {**made, "published_at": date} if date else made
