"""What all search vendors have in common: a query or a page, one or several requests, a list of results."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import attrs
from modelmesh_core import (
    Failure,
    FailureKind,
    Flow,
    HttpProvider,
    HttpRequest,
    HttpResponse,
    Operation,
    ProviderCall,
    ProviderError,
    ProviderSettings,
    Reply,
    Secret,
    Usage,
    headroom_of,
    provider_error,
)

from .errors import failure_of_answer
from .shapes import Json, as_list, as_object, as_text, dump, refused, undecodable

Asking = Generator[HttpRequest, HttpResponse, tuple[Json, HttpResponse]]
"""One request → the decoded answer, and the response."""
AGREED = frozenset(
    {"model", "query", "url", "max_results", "include_domains", "exclude_domains", "country", "time_range"}
)
_WITHOUT_EFFECT = frozenset({"user", "metadata", "stream"})


class SearchProvider(HttpProvider):
    """An account at a search vendor. A subclass says how it searches and reads."""

    operations = frozenset({Operation.SEARCH})
    own_parameters: frozenset[str] = frozenset()
    """The vendor's own, sent as they are."""

    def __init__(self, settings: ProviderSettings, default_base_url: str) -> None:
        """Raises ValueError for a base URL that is not absolute, or a key that no header can carry."""
        self.name = settings.name
        self.base_url = checked_url(settings.base_url or default_base_url, f"providers.{settings.name}.base_url")
        self._key = settings.api_key.reveal().strip() if settings.api_key else ""
        if not (self._key.isascii() and self._key.isprintable()):
            raise ValueError(f"providers.{settings.name}.api_key holds characters that no HTTP header can carry")
        own = {name.lower(): _revealed(value) for name, value in settings.headers.items()}
        self.headers = {**(self.key_header(self._key) if self._key else {}), **own}

    def key_header(self, key: str) -> Mapping[str, str]:
        """The header, in lower case, that proves who asks."""
        return {"authorization": f"Bearer {key}"}

    @abstractmethod
    def search(self, call: ProviderCall, own: Json) -> Generator[HttpRequest, HttpResponse, Reply]:
        """The flow of a search. ``own`` holds the vendor's own parameters."""

    @abstractmethod
    def read(self, call: ProviderCall, url: str, own: Json) -> Generator[HttpRequest, HttpResponse, Reply]:
        """The flow of reading a page."""

    def execute(self, call: ProviderCall) -> Flow:
        if call.operation is not Operation.SEARCH:
            raise refused(f"provider {self.name!r} searches the web, and cannot do {call.operation.value}")
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

    def ask(self, url: str, body: Json | None = None, headers: Mapping[str, str] | None = None) -> Asking:
        """POSTs ``body`` as JSON; without one, GETs. Raises ProviderError for errors, and for what is no object."""
        sent = {**self.headers, **(headers or {})}
        if body is None:
            response = yield HttpRequest("GET", url, sent)
        else:
            response = yield HttpRequest("POST", url, {**sent, "content-type": "application/json"}, dump(body))
        if not 200 <= response.status < 300:
            raise self.error(response)
        answer: Any = response.json()
        if not isinstance(answer, dict):
            raise undecodable("search answer", response.status, answer)
        return as_object(answer), response

    def error(self, response: HttpResponse) -> ProviderError:
        """What a response that is no success is to be raised as. It never holds the key."""
        if self._key:
            response = attrs.evolve(response, body=response.body.replace(self._key.encode(), b"***"))
        return provider_error(failure_of_answer(response))


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
        raise undecodable(f"search answer with {key}", response.status, answer)
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


def checked_url(url: str, place: str) -> str:
    """``url`` without a closing slash. Raises ValueError, naming ``place``, for one that is not absolute."""
    text, expected = url.strip().rstrip("/"), "expected an absolute address such as https://api.example.com"
    try:
        parts = urlsplit(text)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise ValueError(f"{place}: {expected}, found one that cannot be parsed") from None
    if "@" in parts.netloc:
        raise ValueError(f"{place} must not hold a user or password: use api_key, or headers")
    if not valid or parts.query or parts.fragment:
        raise ValueError(f"{place}: {expected} without a query, found {text!r}")
    return text


def _revealed(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value
