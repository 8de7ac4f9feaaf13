"""Account: where a vendor is, how it is asked, and what its errors mean. Each vendor's provider is one."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import urlencode, urlsplit

import attrs
import orjson
from modelmesh_core import (
    Failure,
    FailureKind,
    HttpProvider,
    HttpRequest,
    HttpResponse,
    ProviderCall,
    ProviderError,
    ProviderSettings,
    Secret,
    failure_of_response,
    provider_error,
)

from .errors import body_of, in_our_words
from .shapes import Json, as_object

Asking = Generator[HttpRequest, HttpResponse, HttpResponse]


class Account(HttpProvider):
    """A provider of a vendor that has an API of its own."""

    title: ClassVar[str]
    codes: ClassVar[Mapping[str, FailureKind]] = {}
    """The vendor's error codes, in lower case, that mean more than the status they come with."""

    def __init__(self, settings: ProviderSettings, default_base_url: str) -> None:
        """Raises ValueError for a base URL that is not absolute, or a key that no header can carry."""
        self.name = settings.name
        self.base_url = _checked_base_url(settings, default_base_url)
        self._key = settings.api_key.reveal().strip() if settings.api_key else ""
        if not (self._key.isascii() and self._key.isprintable()):
            raise ValueError(f"providers.{settings.name}.api_key holds characters that no HTTP header can carry")
        own = {name.lower(): _revealed(value) for name, value in settings.headers.items()}
        self._headers = {**(self.key_headers(self._key) if self._key else {}), **own}

    def key_headers(self, key: str) -> Mapping[str, str]:
        """How the vendor wants its key."""
        return {"authorization": f"Bearer {key}"}

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | Sequence[str]] | None = None,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        delay: float = 0.0,
    ) -> HttpRequest:
        """A request to ``path`` below the base URL. Raises ProviderError for what JSON cannot hold."""
        own = {**self._headers, **(headers or {})}
        if json is not None:
            own["content-type"] = "application/json"
            try:
                content = orjson.dumps(json)
            except TypeError as error:
                message = f"the request body cannot be written as JSON: {error}"
                raise provider_error(Failure(FailureKind.INVALID_REQUEST, message, status=400)) from error
        url = self.base_url + path + (f"?{urlencode(query, doseq=True, errors='replace')}" if query else "")
        return HttpRequest(method, url, own, content, delay=delay)

    def ask(self, request: HttpRequest) -> Asking:
        """The answer to ``request``. Raises ProviderError if it is no success."""
        response = yield request
        if not 200 <= response.status < 300:
            raise self.error(response)
        return response

    def error(self, response: HttpResponse) -> ProviderError:
        """What an answer means that is no success. Its body is kept, without the key that it may quote."""
        if self._key:
            response = attrs.evolve(response, body=response.body.replace(self._key.encode(), b"***"))
        failure = failure_of_response(in_our_words(response), self.codes)
        return provider_error(attrs.evolve(failure, body=body_of(response)))

    def undecodable(self, response: HttpResponse, lacking: str) -> ProviderError:
        """A success that has not what it should."""
        try:
            keys = ", ".join(list(as_object(response.json()))[:8])
        except ProviderError:
            keys = ""
        has = f"it has: {keys}" if keys else f"{len(response.body)} bytes, {response.headers.get('content-type', '')}"
        message = f"{self.title} answered HTTP {response.status} without {lacking} ({has})"
        return provider_error(Failure(FailureKind.UNDECODABLE, message, status=response.status))

    def unable(self, call: ProviderCall) -> ProviderError:
        """A call of an operation that the vendor does not have."""
        message = f"provider {self.name!r} is {self.title}, which cannot do {call.operation.value}"
        return provider_error(Failure(FailureKind.INVALID_REQUEST, message, status=400))


def answered(response: HttpResponse) -> Json:
    """The JSON object in a response; an empty one for other JSON. Raises ProviderError for what is no JSON."""
    return as_object(response.json())


def delays(first: float = 0.5, longest: float = 5.0) -> Iterator[float]:
    """Seconds before each poll, growing. Without an end: the request's deadline is one."""
    delay = first
    while True:
        yield delay
        delay = min(delay * 1.5, longest)


def _revealed(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value


def _checked_base_url(settings: ProviderSettings, default: str) -> str:
    place, text = f"providers.{settings.name}.base_url", (settings.base_url or default).strip().rstrip("/")
    expected = f"expected an absolute address such as {default}"
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
