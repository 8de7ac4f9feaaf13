"""Calls that lie outside the dialect: one JSON request, one answer."""

from __future__ import annotations

from typing import Any

import attrs
from modelmesh_core import HttpRequest, HttpResponse, ProviderError, as_object, json_bytes, undecodable

from .answers import Body
from .provider import FamilyProvider


class JsonCalls(FamilyProvider):
    """A vendor with operations of its own shape beside those of the dialect."""

    def json_call(self, url: str, body: Any) -> HttpRequest:
        """A request to ``url``. Raises ProviderError of kind INVALID_REQUEST for what JSON cannot hold."""
        return HttpRequest("POST", url, {"content-type": "application/json", **self.headers}, json_bytes(body))

    def undecodable(self, response: HttpResponse, lacking: str) -> ProviderError:
        """The error for a success that has not what it should."""
        return undecodable(response, lacking, f"provider {self.name!r}")

    def checked(self, response: HttpResponse) -> HttpResponse:
        """``response``, if it is a success. Raises the ProviderError that it is otherwise."""
        if not 200 <= response.status < 300:
            raise self.error(response)
        return response

    def json_of(self, response: HttpResponse) -> Body:
        """The object that a success holds. Raises ProviderError for an error, or anything else."""
        decoded = self.checked(response).json()
        if not isinstance(decoded, dict):
            raise self.undecodable(response, "an object")
        body = as_object(decoded)
        if body.get("error"):
            raise self.error(attrs.evolve(response, status=502))
        return body
