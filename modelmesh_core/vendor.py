"""VendorProvider: the provider to begin with for a vendor that has an API of its own."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar
from urllib.parse import urlencode

import attrs
import orjson

from .errors import Failure, FailureKind, ProviderError, provider_error
from .interfaces.account import checked_key, checked_url, own_headers, redacted
from .interfaces.provider import HttpProvider, ProviderCall, ProviderSettings
from .openai_dialect.errors import failure_of_response
from .wire.http import HttpRequest, HttpResponse
from .wire.shapes import Json, as_list, as_object, as_objects, as_text, body_of, json_bytes, refused
from .wire.stored import Content

Asking = Generator[HttpRequest, HttpResponse, HttpResponse]
"""One request → its answer, in a connector's flow: ``response = yield from provider.ask(request)``."""
_MESSAGES = ("message", "detail", "error", "err_msg", "msg", "error_message", "title")
_CODES = ("code", "status", "err_code", "category", "error_type", "type", "name")
_UNHEARD = frozenset(
    {"model", "user", "metadata", "store", "service_tier", "stream", "stream_options", "stream_format"}
    | {"safety_identifier", "prompt_cache_key"}
)
"""What changes nothing in an answer: it may be left out without a word."""
_LONGEST_BODY = 10_000
"""Bytes of an answer that make it into an error about it."""


class VendorProvider(HttpProvider):
    """An account at a vendor that has an API of its own. A subclass says what a call looks like there."""

    title: ClassVar[str] = "the vendor"
    """What errors call the vendor."""
    error_codes: Mapping[str, FailureKind] = MappingProxyType({})
    """The vendor's own error codes, in lower case, that mean more than the status they come with."""

    def __init__(self, settings: ProviderSettings, default_base_url: str) -> None:
        """Raises ValueError for a base URL that is not absolute, or a key that no header can carry."""
        place = f"providers.{settings.name}"
        self.name = settings.name
        self.base_url = checked_url(settings.base_url or default_base_url, f"{place}.base_url", default_base_url)
        self._key = checked_key(settings.api_key, f"{place}.api_key")
        self.headers: Mapping[str, str] = {
            **(self.key_header(self._key) if self._key else {}),
            **own_headers(settings),
        }
        """Of every request, in lower case: the key's, and those of the configuration."""

    # What a subclass may say otherwise

    def key_header(self, key: str) -> Mapping[str, str]:
        """The header, in lower case, that proves who asks."""
        return {"authorization": f"Bearer {key}"}

    def failure(self, response: HttpResponse) -> Failure:
        """What a response that is no success means."""
        failure = failure_of_response(_in_our_words(response), self.error_codes)
        return attrs.evolve(failure, body=body_of(response))

    # The same for every vendor

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | Sequence[str]] | None = None,
        json: Any = None,
        content: Content | None = None,
        headers: Mapping[str, str] | None = None,
        stream: bool = False,
        delay: float = 0.0,
    ) -> HttpRequest:
        """A request to ``path`` below the base URL. Raises ProviderError for what JSON cannot hold."""
        own = {**self.headers, **(headers or {})}
        if json is not None:
            own["content-type"] = "application/json"
            content = json_bytes(json)
        url = self.base_url + path + (f"?{urlencode(query, doseq=True, errors='replace')}" if query else "")
        return HttpRequest(method, url, own, content, stream, delay)

    def ask(self, request: HttpRequest) -> Asking:
        """The answer to ``request``. Raises ProviderError if it is no success."""
        response = yield request
        if not 200 <= response.status < 300:
            raise self.error(response)
        return response

    def error(self, response: HttpResponse) -> ProviderError:
        """What a response that is no success is to be raised as. It never holds the key."""
        cleaned = attrs.evolve(response, body=redacted(response.body, self._key))
        return provider_error(self.failure(cleaned))

    def undecodable(self, response: HttpResponse, lacking: str) -> ProviderError:
        """The error for a success that has not what it should."""
        return undecodable(response, lacking, self.title)

    def unable(self, call: ProviderCall) -> ProviderError:
        """The error for a call of an operation that the vendor does not have."""
        return refused(f"provider {self.name!r} is {self.title}, which cannot do {call.operation.value}")


def undecodable(response: HttpResponse, lacking: str, who: str = "the provider") -> ProviderError:
    """The error for a success of ``who`` that has not what it should."""
    body = body_of(response)
    keys = ", ".join(list(as_object(body))[:8])
    has = f"it has: {keys}" if keys else f"{len(response.body)} bytes, {response.headers.get('content-type', '')}"
    message = f"{who} answered HTTP {response.status} without {lacking} ({has})"
    kept = body if len(response.body) <= _LONGEST_BODY else None
    return provider_error(Failure(FailureKind.UNDECODABLE, message, status=response.status, body=kept))


def poll_delays(first: float = 0.5, longest: float = 5.0) -> Iterator[float]:
    """Seconds before each poll of a job, growing. Without an end: the request's deadline is one."""
    delay = first
    while True:
        yield delay
        delay = min(delay * 1.5, longest)


def unknown_parameters(call: ProviderCall, known: frozenset[str]) -> Json:
    """What of the body is not ``known``, and could change an answer."""
    return {
        name: value
        for name, value in call.body.items()
        if value is not None and name not in known and name not in _UNHEARD
    }


def drop_unknown(call: ProviderCall, known: frozenset[str]) -> None:
    """Leave out, by the caller's policy, every parameter that is not ``known``."""
    for name in unknown_parameters(call, known):
        call.drop(name)


def _in_our_words(response: HttpResponse) -> HttpResponse:
    """``response`` with its error as ``error: {message, code}``, if it tells one in any of the ways that vendors do."""
    message, code = _described(body_of(response))
    if not message:
        return response
    return attrs.evolve(response, body=orjson.dumps({"error": {"message": message, "code": code}}))


def _described(body: Any) -> tuple[str, str]:
    """Message and code of an error body; empty where there is none."""
    outer = as_object(body)
    inner = next((found for key in ("error", "detail") if (found := as_object(outer.get(key)))), outer)
    listed = as_objects(outer.get("detail")) or as_objects(inner.get("errors"))
    first = listed[0] if listed else {}
    message = _first(inner, _MESSAGES) or "; ".join(filter(None, map(_told, listed)))
    message = message or "; ".join(filter(None, map(as_text, as_list(inner.get("errors")))))
    return message, _first(inner, _CODES) or _first(first, _CODES)


def _told(mistake: Json) -> str:
    """One mistake of a list, with its place in the request."""
    place = ".".join(str(part) for part in as_list(mistake.get("loc")) if isinstance(part, (str, int)))
    message = _first(mistake, _MESSAGES)
    return f"{place}: {message}" if place and message else message


def _first(holder: Json, keys: tuple[str, ...]) -> str:
    return next((text for key in keys if (text := as_text(holder.get(key)))), "")
