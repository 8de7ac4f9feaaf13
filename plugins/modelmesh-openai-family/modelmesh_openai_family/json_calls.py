"""Calls that lie outside the dialect: one JSON request, one answer."""

from __future__ import annotations

from typing import Any

import attrs
import orjson
from modelmesh_core import Failure, FailureKind, HttpRequest, HttpResponse, ProviderError, provider_error

from .answers import Body
from .provider import FamilyProvider
from .shapes import as_object


class JsonCalls(FamilyProvider):
    """A vendor with operations of its own shape beside those of the dialect."""

    def json_call(self, url: str, body: Any) -> HttpRequest:
        """A request to ``url``. Raises ProviderError of kind INVALID_REQUEST for what JSON cannot hold."""
        try:
            content = orjson.dumps(body)
        except TypeError as error:
            message = f"the request body cannot be written as JSON: {error}"
            raise provider_error(Failure(FailureKind.INVALID_REQUEST, message, status=400)) from error
        return HttpRequest("POST", url, {"content-type": "application/json", **self.headers}, content)

    def checked(self, response: HttpResponse) -> HttpResponse:
        """``response``, if it is a success. Raises the ProviderError that it is otherwise."""
        if not 200 <= response.status < 300:
            raise self.error(response)
        return response

    def json_of(self, response: HttpResponse) -> Body:
        """The object that a success holds. Raises ProviderError for an error, or anything else."""
        decoded = self.checked(response).json()
        if not isinstance(decoded, dict):
            raise undecodable(response, "object")
        body = as_object(decoded)
        if body.get("error"):
            raise self.error(attrs.evolve(response, status=502))
        return body


def undecodable(response: HttpResponse, missing: str) -> ProviderError:
    """The error for a success that does not hold what it should."""
    message = f"HTTP {response.status} with a body that has no {missing} (beginning {response.body[:80]!r})"
    return provider_error(Failure(FailureKind.UNDECODABLE, message, status=response.status))
