"""Where a provider's models are asked, and how: the one place that makes HTTP requests out of bodies."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Protocol

import attrs
from modelmesh_core import HttpRequest, HttpResponse, Json, ProviderError, json_bytes, provider_error

from .errors import failure_of_response

Asking = Generator[HttpRequest, HttpResponse, HttpResponse]


class Hide(Protocol):
    def __call__(self, data: bytes, /) -> bytes: ...


@attrs.frozen
class Endpoint:
    """An account, ready to be asked: with the headers that authorise it."""

    address: Callable[[str], str]
    """A model's name → its URL, without the method."""
    headers: Mapping[str, str] = attrs.field(repr=False)
    hide: Hide = attrs.field(repr=False)
    """Takes the account's secrets out of what a server sent."""
    is_vertex: bool = False
    refused: Callable[[], None] = lambda: None
    """Told that the server did not accept the account's credentials."""

    def ask(self, model: str, method: str, body: Json, *, stream: bool = False) -> Asking:
        """The answer to ``method`` of ``model``. Raises ProviderError for an error status."""
        url = f"{self.address(model)}:{method}"
        response = yield HttpRequest("POST", url, self.headers, json_bytes(body), stream)
        return self.checked(response)

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Asking:
        """The answer to a GET. Raises ProviderError for an error status."""
        plain = {name: value for name, value in self.headers.items() if name != "content-type"}
        response = yield HttpRequest("GET", url, {**plain, **(headers or {})})
        return self.checked(response)

    def checked(self, response: HttpResponse) -> HttpResponse:
        """``response`` without secrets. Raises ProviderError if it is no success."""
        if response.body:
            response = attrs.evolve(response, body=self.hide(response.body))
        if 200 <= response.status < 300:
            return response
        if response.status == 401:
            self.refused()
        raise self.error(response)

    def error(self, response: HttpResponse) -> ProviderError:
        return provider_error(failure_of_response(response))
