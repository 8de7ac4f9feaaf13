"""AnthropicProvider: an account at Anthropic."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from urllib.parse import quote, urlsplit

import attrs
import orjson
from modelmesh_core import (
    CatalogueModel,
    Constraints,
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
    Secret,
    provider_error,
)

from .messages import (
    EncodedCall,
    MessageStreamDecoder,
    WholeMessageDecoder,
    decode,
    encode,
    failure_of_answer,
    headroom_of,
)
from .options import AnthropicOptions
from .shapes import Json, as_count, as_object, as_objects, as_text

_PAGE = 1000
_MAX_PAGES = 20
_FEATURES = {"image_input": "vision", "pdf_input": "pdf_input", "structured_outputs": "structured_output"}


class AnthropicProvider(HttpProvider):
    """Chat with Claude over the Messages API."""

    operations = frozenset({Operation.CHAT})

    def __init__(self, settings: ProviderSettings) -> None:
        """Raises ValueError for a base URL that is not absolute, or a key that no header can carry."""
        options = settings.options or AnthropicOptions()
        self._name = settings.name
        self._base_url = _checked_base_url(settings)
        self._key = settings.api_key.reveal().strip() if settings.api_key else ""
        if not (self._key.isascii() and self._key.isprintable()):
            raise ValueError(f"providers.{settings.name}.api_key holds characters that no HTTP header can carry")
        own = {name.lower(): _revealed(value) for name, value in settings.headers.items()}
        self._betas = tuple(options.beta) + tuple(filter(None, own.pop("anthropic-beta", "").split(",")))
        key = {"x-api-key": self._key} if self._key else {}
        self._headers = {**key, "anthropic-version": options.version, **own}

    def execute(self, call: ProviderCall) -> Flow:
        if call.operation is not Operation.CHAT:
            message = f"provider {self._name!r} is Anthropic's, which cannot do {call.operation.value}"
            raise provider_error(Failure(FailureKind.INVALID_REQUEST, message, status=400))
        encoded = encode(call)
        response = yield self._request(call, encoded)
        if not 200 <= response.status < 300:
            raise self._error(response)
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
            query = f"?limit={_PAGE}" + (f"&after_id={quote(after, safe='')}" if after else "")
            url = f"{self._base_url}/v1/models{query}"
            response = yield HttpRequest("GET", url, self._with_betas(()))
            if not 200 <= response.status < 300:
                raise self._error(response)
            page = as_object(response.json())
            found += [self._listed(row) for row in as_objects(page.get("data")) if as_text(row.get("id"))]
            last = as_text(page.get("last_id"))
            if page.get("has_more") is not True or last in ("", after):
                break
            after = last
        return found

    def _request(self, call: ProviderCall, encoded: EncodedCall) -> HttpRequest:
        body: Json = {"model": call.upstream_model, **encoded.body}
        if call.stream:
            body["stream"] = True
        headers = {"content-type": "application/json", **self._with_betas(encoded.betas)}
        try:
            data = orjson.dumps(body)
        except TypeError as error:
            message = f"the request body cannot be written as JSON: {error}"
            raise provider_error(Failure(FailureKind.INVALID_REQUEST, message, status=400)) from error
        return HttpRequest("POST", f"{self._base_url}/v1/messages", headers, data, call.stream)

    def _with_betas(self, needed: Sequence[str]) -> dict[str, str]:
        betas = ",".join(dict.fromkeys(beta.strip() for beta in (*self._betas, *needed)))
        return {**self._headers, "anthropic-beta": betas} if betas else self._headers

    def _listed(self, row: Json) -> CatalogueModel:
        identity, able = as_text(row.get("id")), as_object(row.get("capabilities"))
        features = {name for key, name in _FEATURES.items() if as_object(able.get(key)).get("supported") is True}
        if as_object(able.get("thinking")).get("supported") is True:
            features.add("reasoning")
        window, output = as_count(row.get("max_input_tokens")), as_count(row.get("max_tokens"))
        return CatalogueModel(
            f"{self._name}.{identity}",
            capabilities=(),
            upstream_model=identity,
            features=frozenset(features),
            constraints=Constraints(context_window=window or None, max_output_tokens=output or None),
            source=f"{self._base_url}/v1/models",
        )

    def _error(self, response: HttpResponse) -> ProviderError:
        if self._key:  # a proxy may quote the key that it refuses
            response = attrs.evolve(response, body=response.body.replace(self._key.encode(), b"***"))
        return provider_error(failure_of_answer(response))


def _revealed(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value


def _checked_base_url(settings: ProviderSettings) -> str:
    place, text = f"providers.{settings.name}.base_url", settings.base_url or "https://api.anthropic.com"
    expected = "expected an absolute address such as https://api.anthropic.com"
    text = text.strip().rstrip("/").removesuffix("/v1")
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
