"""Vendors with a single peculiarity each."""

from __future__ import annotations

import re

import attrs
from modelmesh_core import Failure, FailureKind, HttpResponse, Operation, ProviderCall, as_object, as_text

from .answers import Body, first_choice, with_usage
from .provider import FamilyProvider

_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})", re.ASCII)


class DeepSeek(FamilyProvider):
    """``deepseek.api.v1``: an answer is continued at an address of its own."""

    def url(self, call: ProviderCall, path: str) -> str:
        if call.prefill is None or self.base_url.endswith("/beta"):
            return self.base_url + path
        return f"{self.base_url.removesuffix('/v1')}/beta{path}"


class Groq(FamilyProvider):
    """``groq.api.v1``: usage, and reasons to stop, stand in an object of its own."""

    def read(self, body: Body) -> Body:
        own = as_object(body.get("x_groq"))
        if as_text(own.get("error")):
            return {**body, "error": {"message": own["error"]}}
        return with_usage(super().read(body), own.get("usage"))

    def failure(self, response: HttpResponse) -> Failure:
        failure = super().failure(response)
        # Its own status for a service tier without capacity.
        return attrs.evolve(failure, kind=FailureKind.RATE_LIMIT) if response.status == 498 else failure


class Moonshot(FamilyProvider):
    """``moonshot.api.v1``: a stream's usage stands in the choice that ends."""

    def read(self, body: Body) -> Body:
        return with_usage(super().read(body), first_choice(body).get("usage"))


class Together(FamilyProvider):
    """``together.api.v1``: pictures have a width and a height, and another word for base64."""

    def prepare(self, call: ProviderCall) -> Body:
        body = super().prepare(call)
        if call.operation is not Operation.IMAGES:
            return body
        if body.get("response_format") == "b64_json":
            body["response_format"] = "base64"
        size = _SIZE.fullmatch(as_text(body.get("size")))
        if size is not None:
            del body["size"]
            body |= {"width": int(size[1]), "height": int(size[2])}
        return body
