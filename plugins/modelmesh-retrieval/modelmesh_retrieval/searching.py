"""What all search vendors have in common: a query or a page, one or several requests, a list of results."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator, Iterable, Mapping
from typing import Any

from modelmesh_core import (
    Failure,
    FailureKind,
    Flow,
    HttpRequest,
    HttpResponse,
    Json,
    Operation,
    ProviderCall,
    ProviderError,
    Reply,
    Usage,
    VendorProvider,
    as_list,
    as_object,
    as_text,
    headroom_of,
    json_bytes,
    provider_error,
    refused,
    undecodable,
)

from .errors import failure_of_answer

LookingUp = Generator[HttpRequest, HttpResponse, tuple[Json, HttpResponse]]
"""One request → the decoded answer, and the response."""
AGREED = frozenset(
    {"model", "query", "url", "max_results", "include_domains", "exclude_domains", "country", "time_range"}
)
_WITHOUT_EFFECT = frozenset({"user", "metadata", "stream"})


class SearchProvider(VendorProvider):
    """An account at a search vendor. A subclass says how it searches and reads."""

    operations = frozenset({Operation.SEARCH})
    own_parameters: frozenset[str] = frozenset()
    """The vendor's own, sent as they are."""

    @abstractmethod
    def search(self, call: ProviderCall, own: Json) -> Generator[HttpRequest, HttpResponse, Reply]:
        """The flow of a search. ``own`` holds the vendor's own parameters."""

    @abstractmethod
    def read(self, call: ProviderCall, url: str, own: Json) -> Generator[HttpRequest, HttpResponse, Reply]:
        """The flow of reading a page."""

    def execute(self, call: ProviderCall) -> Flow:
        if call.operation is not Operation.SEARCH:
            raise self.unable(call)
        own: Json = {}
        for name, value in call.body.items():
            if name in self.own_parameters and value is not None:
                own[name] = value
            elif name not in AGREED and name not in _WITHOUT_EFFECT and value is not None:
                call.drop(name)
        if as_text(call.body.get("query")).strip():
            return (yield from self.search(call, own))
        url = as_text(call.body.get("url"))
        if not url.startswith(("http://", "https://")):
            raise refused("search takes a query, or the absolute url of a page to read")
        return (yield from self.read(call, url, own))

    def look_up(self, url: str, body: Json | None = None, headers: Mapping[str, str] | None = None) -> LookingUp:
        """POSTs ``body`` as JSON; without one, GETs. Raises ProviderError for errors, and for what is no object."""
        sent = {**self.headers, **(headers or {})}
        if body is None:
            request = HttpRequest("GET", url, sent)
        else:
            request = HttpRequest("POST", url, {**sent, "content-type": "application/json"}, json_bytes(body))
        response = yield from self.ask(request)
        answer: Any = response.json()
        if not isinstance(answer, dict):
            raise self.undecodable(response, "an object")
        return as_object(answer), response

    def failure(self, response: HttpResponse) -> Failure:
        return failure_of_answer(response)


def reply_of(results: list[Json], answer: Json, response: HttpResponse, tokens: int = 0) -> Reply:
    """The reply. ``answer`` is what else the vendor said, as it came."""
    rest = {key: value for key, value in answer.items() if key != "results"}
    headroom = headroom_of(response.headers, response.received_at)
    return Reply({**rest, "results": results}, Usage(input=tokens), headroom=headroom, headers=response.headers)


def result_of(row: Json, **names: str) -> Json:
    """A result in the agreed fields; ``names`` says which of the vendor's own becomes which. Others stay."""
    taken = set(names.values())
    made = {ours: row[own] for ours, own in names.items() if row.get(own) not in (None, "")}
    rest = {key: value for key, value in row.items() if key not in taken and key not in made and value is not None}
    return {"title": "", "url": "", **made, **rest}


def rows_of(answer: Json, key: str, response: HttpResponse) -> list[Json]:
    """The objects under ``key``. Raises ProviderError where there is no list."""
    rows = answer.get(key)
    if not isinstance(rows, list):
        raise undecodable(response, key)
    return [as_object(row) for row in as_list(rows) if isinstance(row, dict)]


def unreadable(url: str, why: str, body: Any) -> ProviderError:
    """The error for a page that the vendor could not get: another may."""
    message = f"{url} could not be read: {why or 'the vendor does not say why'}"
    return provider_error(Failure(FailureKind.SERVER, message, code="page_unreadable", body=body))


def domains_of(call: ProviderCall, name: str) -> list[str]:
    return [text for text in as_list(call.body.get(name)) if isinstance(text, str) and text.strip()]


def query_with_sites(call: ProviderCall, names: Iterable[str] = ("include_domains", "exclude_domains")) -> str:
    """The query, with the domains in the operators that Google's search and its kin understand."""
    query = as_text(call.body.get("query"))
    included = (
        [f"site:{domain}" for domain in domains_of(call, "include_domains")] if "include_domains" in names else []
    )
    excluded = (
        [f"-site:{domain}" for domain in domains_of(call, "exclude_domains")] if "exclude_domains" in names else []
    )
    either = f"({' OR '.join(included)})" if len(included) > 1 else "".join(included)
    return " ".join(part for part in (query, either, *excluded) if part)


def time_range_of(call: ProviderCall) -> str:
    """``day``, ``week``, ``month`` or ``year``, or nothing; another one is reported as left out."""
    asked = as_text(call.body.get("time_range")).lower()
    if asked and asked not in ("day", "week", "month", "year"):
        call.drop("time_range", "it takes day, week, month or year")
        return ""
    return asked
