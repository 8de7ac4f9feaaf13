"""AnthropicProvider: an account at Anthropic."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence

from modelmesh_core import (
    CatalogueModel,
    Constraints,
    Failure,
    Flow,
    HttpRequest,
    HttpResponse,
    Json,
    Operation,
    ProviderCall,
    ProviderSettings,
    VendorProvider,
    as_count,
    as_object,
    as_objects,
    as_text,
    object_of,
)

from .messages import (
    MessageStreamDecoder,
    WholeMessageDecoder,
    decode,
    encode,
    failure_of_answer,
    headroom_of,
)
from .options import AnthropicOptions

_PAGE = 1000
_MAX_PAGES = 20
_FEATURES = {"image_input": "vision", "pdf_input": "pdf_input", "structured_outputs": "structured_output"}


class AnthropicProvider(VendorProvider):
    """Chat with Claude over the Messages API."""

    operations = frozenset({Operation.CHAT})
    title = "Anthropic"

    def __init__(self, settings: ProviderSettings) -> None:
        """Raises ValueError for a base URL that is not absolute, or a key that no header can carry."""
        super().__init__(settings, "https://api.anthropic.com")
        options = settings.options or AnthropicOptions()
        self.base_url = self.base_url.removesuffix("/v1")
        own = {"anthropic-version": options.version, **self.headers}
        self._betas = tuple(options.beta) + tuple(filter(None, own.pop("anthropic-beta", "").split(",")))
        self.headers = own

    def key_header(self, key: str) -> Mapping[str, str]:
        return {"x-api-key": key}

    def failure(self, response: HttpResponse) -> Failure:
        return failure_of_answer(response)

    def execute(self, call: ProviderCall) -> Flow:
        if call.operation is not Operation.CHAT:
            raise self.unable(call)
        encoded = encode(call)
        body: Json = {"model": call.upstream_model, **encoded.body, **({"stream": True} if call.stream else {})}
        headers = self._with_betas(encoded.betas)
        request = self.request("POST", "/v1/messages", json=body, headers=headers, stream=call.stream)
        response = yield from self.ask(request)
        if not call.stream:
            return decode(response, encoded)
        if response.headers.get("content-type", "").startswith("application/json"):
            return WholeMessageDecoder(encoded, response)
        headroom = headroom_of(response.headers, response.received_at)
        return MessageStreamDecoder(encoded, headroom, response.received_at)

    def list_models(self) -> Generator[HttpRequest, HttpResponse, Sequence[CatalogueModel]]:
        """What ``GET /v1/models`` lists, page by page. It names some features; ``capabilities`` stay empty."""
        found: list[CatalogueModel] = []
        after = ""
        for _ in range(_MAX_PAGES):
            query = {"limit": str(_PAGE)} | ({"after_id": after} if after else {})
            request = self.request("GET", "/v1/models", query=query, headers=self._with_betas(()))
            page = object_of((yield from self.ask(request)))
            found += [self._listed(row) for row in as_objects(page.get("data")) if as_text(row.get("id"))]
            last = as_text(page.get("last_id"))
            if page.get("has_more") is not True or last in ("", after):
                break
            after = last
        return found

    def _with_betas(self, needed: Sequence[str]) -> Mapping[str, str]:
        betas = ",".join(dict.fromkeys(beta.strip() for beta in (*self._betas, *needed)))
        return {"anthropic-beta": betas} if betas else {}

    def _listed(self, row: Json) -> CatalogueModel:
        identity, able = as_text(row.get("id")), as_object(row.get("capabilities"))
        features = {name for key, name in _FEATURES.items() if as_object(able.get(key)).get("supported") is True}
        if as_object(able.get("thinking")).get("supported") is True:
            features.add("reasoning")
        window, output = as_count(row.get("max_input_tokens")), as_count(row.get("max_tokens"))
        return CatalogueModel(
            f"{self.name}.{identity}",
            capabilities=(),
            upstream_model=identity,
            features=frozenset(features),
            constraints=Constraints(context_window=window or None, max_output_tokens=output or None),
            source=f"{self.base_url}/v1/models",
        )
