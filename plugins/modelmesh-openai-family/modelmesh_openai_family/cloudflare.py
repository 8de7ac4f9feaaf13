"""Cloudflare Workers AI: the account in the address, answers in a wrapper, errors by number."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from urllib.parse import quote

import attrs
from modelmesh_core import (
    CatalogueModel,
    Failure,
    Flow,
    HttpRequest,
    HttpResponse,
    Operation,
    ProviderCall,
    ProviderSettings,
    Reply,
    Usage,
    as_list,
    as_object,
    as_text,
)

from .answers import Body
from .json_calls import JsonCalls
from .options import CloudflareOptions
from .pictures import data_urls
from .traits import Traits

_ROOT = "https://api.cloudflare.com/client/v4/accounts"


class Cloudflare(JsonCalls):
    """``cloudflare.workers-ai.v1``."""

    def __init__(self, traits: Traits, settings: ProviderSettings) -> None:
        options = settings.options if isinstance(settings.options, CloudflareOptions) else CloudflareOptions()
        if not settings.base_url:
            if not options.account_id.strip():
                raise ValueError(f"providers.{settings.name}.account_id is missing: the id of the Cloudflare account")
            account = quote(options.account_id.strip(), safe="")
            settings = attrs.evolve(settings, base_url=f"{_ROOT}/{account}/ai/v1")
        super().__init__(traits, settings)

    def execute(self, call: ProviderCall) -> Flow:
        return self._paint(call) if call.operation is Operation.IMAGES else super().execute(call)

    def list_models(self) -> Generator[HttpRequest, HttpResponse, Sequence[CatalogueModel]]:
        """What the account can use, by the names that calls have."""
        url = f"{self.base_url.removesuffix('/v1')}/models/search?per_page=1000"
        response = yield HttpRequest("GET", url, self.headers)
        rows = map(as_object, as_list(self.json_of(response).get("result")))
        names = [name for row in rows if (name := as_text(row.get("name")))]
        return [CatalogueModel(f"{self.name}.{name}", (), upstream_model=name, source=url) for name in names]

    def translate_reply(self, call: ProviderCall, body: Body) -> Body:
        return super().translate_reply(call, _unwrapped(body))

    def read(self, body: Body) -> Body:
        return super().read(_unwrapped(body))

    def failure(self, response: HttpResponse) -> Failure:
        failure = super().failure(response)
        error = as_object(_unwrapped(as_object(failure.body)).get("error"))
        if not error:
            return failure
        code = str(error.get("code") or "")
        kind = self.error_codes.get(code, failure.kind)
        return attrs.evolve(
            failure, kind=kind, message=as_text(error.get("message")) or failure.message, code=code or None
        )

    def _paint(self, call: ProviderCall) -> Flow:
        root = self.base_url.removesuffix("/v1")
        own = {name: value for name, value in call.body.items() if name not in _NOT_ITS}
        for name in ("image", "mask", "n", "size", "quality"):
            if call.body.get(name) not in (None, 1):
                call.drop(name)
        response = yield self.json_call(f"{root}/run/{quote(call.upstream_model, safe='/@')}", own)
        self.checked(response)
        if response.headers.get("content-type", "").startswith("image/"):
            picture = data_urls(response.body, "image")[0].partition(",")[2]
        else:
            picture = as_text(_unwrapped(self.json_of(response)).get("image"))
        if not picture:
            raise self.undecodable(response, "a picture")
        body: Body = {"created": int(response.received_at), "data": [{"b64_json": picture}]}
        return Reply(body, usage=Usage(images=1), headroom=self.limits(response), headers=response.headers)


_NOT_ITS = frozenset({"model", "image", "mask", "n", "size", "quality", "response_format", "stream", "user"})


def _unwrapped(body: Body) -> Body:
    """What a wrapper holds: the result, or the first of its errors."""
    if "success" not in body:
        return body
    errors = [as_object(one) for one in as_list(body.get("errors"))]
    if errors and not body.get("success"):
        return {**body, "error": errors[0]}
    return as_object(body.get("result")) or body
