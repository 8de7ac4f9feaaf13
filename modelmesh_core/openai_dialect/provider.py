"""OpenAICompatible: the provider for every server that speaks the OpenAI dialect."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import attrs

from ..catalogue.definitions import Constraints
from ..errors import Failure, FailureKind, ProviderError, provider_error
from ..interfaces.provider import CatalogueModel, Flow, HttpProvider, ProviderCall, ProviderSettings
from ..values import Secret
from ..wire.http import HttpRequest, HttpResponse
from ..wire.messages import Operation
from .codec import decode_chat, decode_embeddings, encode_body
from .errors import failure_of_response
from .limits import headroom_of
from .shapes import as_count, as_list, as_object, as_text
from .stream import OpenAIStreamDecoder, WholeReplyDecoder

_PATHS = {Operation.CHAT: "/chat/completions", Operation.EMBEDDINGS: "/embeddings"}
_CONTEXT_KEYS = ("context_length", "context_window", "max_model_len", "max_context_length")


class OpenAICompatible(HttpProvider):
    """An account at a server that speaks the OpenAI dialect: chat completions, embeddings, and the list of models.

    The caller's body is sent as it is; only ``model`` is replaced, and a stream is asked for its usage.
    """

    operations = frozenset(_PATHS)
    prefill_mark: Mapping[str, Any] = MappingProxyType({})
    """What the vendor wants on a last message of the assistant that is to be continued, such as ``prefix: true``."""

    def __init__(self, settings: ProviderSettings) -> None:
        """Raises ValueError for a base URL that is missing or not absolute, or a key that no header can carry."""
        self._name = settings.name
        self._base_url = _checked_base_url(settings)
        self._key = _checked_key(settings)
        self._headers = _headers(settings, self._key)
        self._get_headers = {name: value for name, value in self._headers.items() if name != "content-type"}

    def execute(self, call: ProviderCall) -> Flow:
        path = _PATHS.get(call.operation)
        if path is None:
            message = f"provider {self._name!r} speaks the OpenAI dialect, in which it cannot do {call.operation.value}"
            raise provider_error(Failure(FailureKind.INVALID_REQUEST, message, status=400))
        response = yield HttpRequest(
            "POST", self._base_url + path, self._headers, encode_body(call, self.prefill_mark), call.stream
        )
        if not 200 <= response.status < 300:
            raise self._error(response)
        if call.stream:
            whole = response.headers.get("content-type", "").startswith("application/json")
            if whole:
                return WholeReplyDecoder(response)
            return OpenAIStreamDecoder(headroom_of(response.headers, response.received_at))
        return decode_chat(response) if call.operation is Operation.CHAT else decode_embeddings(response)

    def list_models(self) -> Generator[HttpRequest, HttpResponse, Sequence[CatalogueModel]]:
        """What ``GET /models`` lists. It says what there is, not what each can do: ``capabilities`` stay empty."""
        response = yield HttpRequest("GET", self._base_url + "/models", self._get_headers)
        if not 200 <= response.status < 300:
            raise self._error(response)
        listing = response.json()
        rows = as_list(listing) or as_list(as_object(listing).get("data"))
        return [self._listed(row, identity) for row in map(as_object, rows) if (identity := as_text(row.get("id")))]

    def _listed(self, row: Mapping[str, object], identity: str) -> CatalogueModel:
        context = next((count for key in _CONTEXT_KEYS if (count := as_count(row.get(key)))), None)
        return CatalogueModel(
            f"{self._name}.{identity}",
            capabilities=(),
            upstream_model=identity,
            constraints=Constraints(context_window=context),
            source=f"{self._base_url}/models",
        )

    def _error(self, response: HttpResponse) -> ProviderError:
        if self._key:  # some servers quote the key that they refuse
            response = attrs.evolve(response, body=response.body.replace(self._key.encode(), b"***"))
        return provider_error(failure_of_response(response))


def _checked_base_url(settings: ProviderSettings) -> str:
    place, text = f"providers.{settings.name}.base_url", settings.base_url
    expected = "expected an absolute address such as https://api.example.com/v1"
    if not text or not text.strip():
        raise ValueError(f"{place} is missing: {expected}")
    text = text.strip().rstrip("/")
    try:
        parts = urlsplit(text)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, an unbalanced bracket
        raise ValueError(f"{place}: {expected}, found one that cannot be parsed") from None
    if "@" in parts.netloc:
        raise ValueError(f"{place} must not hold a user or password: use api_key, or headers")
    if not valid or parts.query or parts.fragment:
        raise ValueError(f"{place}: {expected} without a query, found {text!r}")
    return text


def _checked_key(settings: ProviderSettings) -> str:
    key = settings.api_key.reveal().strip() if settings.api_key else ""
    if not (key.isascii() and key.isprintable()):
        raise ValueError(f"providers.{settings.name}.api_key holds characters that no HTTP header can carry")
    return key


def _headers(settings: ProviderSettings, key: str) -> dict[str, str]:
    headers = {"content-type": "application/json"}
    if key:
        headers["authorization"] = f"Bearer {key}"
    for name, value in settings.headers.items():
        headers[name.lower()] = value.reveal() if isinstance(value, Secret) else value
    return headers
