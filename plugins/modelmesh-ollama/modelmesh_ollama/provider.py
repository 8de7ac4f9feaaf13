"""OllamaProvider: a server, or an account in Ollama's cloud."""

from __future__ import annotations

from collections.abc import Generator, Sequence

import attrs
from modelmesh_core import (
    CatalogueModel,
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

from .address import address_of
from .errors import failure_of_answer
from .options import OllamaOptions
from .reply import decode_chat, decode_embeddings
from .request import encode_chat, encode_embeddings
from .shapes import Json, as_object, as_objects, as_text, dump, refused
from .stream import LinesDecoder


class OllamaProvider(HttpProvider):
    """Chat and embeddings over Ollama's native API."""

    operations = frozenset({Operation.CHAT, Operation.EMBEDDINGS})

    def __init__(self, settings: ProviderSettings) -> None:
        """Raises ValueError for an address that cannot be called, or a key that no header can carry."""
        self._options = settings.options or OllamaOptions()
        self._name = settings.name
        self._base_url = address_of(settings.base_url or "localhost", f"providers.{settings.name}.base_url")
        self._key = settings.api_key.reveal().strip() if settings.api_key else ""
        if not (self._key.isascii() and self._key.isprintable()):
            raise ValueError(f"providers.{settings.name}.api_key holds characters that no HTTP header can carry")
        own = {name.lower(): _revealed(value) for name, value in settings.headers.items()}
        self._headers = {**({"authorization": f"Bearer {self._key}"} if self._key else {}), **own}

    def execute(self, call: ProviderCall) -> Flow:
        try:
            if call.operation is Operation.CHAT:
                path, body = "/api/chat", encode_chat(call, self._options)
            elif call.operation is Operation.EMBEDDINGS:
                path, body = "/api/embed", encode_embeddings(call, self._options)
            else:
                raise refused(f"provider {self._name!r} is Ollama's, which cannot do {call.operation.value}")
        except RecursionError as error:
            raise refused("the request is nested too deeply") from error
        response = yield self._request(path, body, call.stream)
        if not 200 <= response.status < 300:
            raise self._error(response)
        if call.operation is Operation.EMBEDDINGS:
            return decode_embeddings(call, response)
        return LinesDecoder(call, response) if call.stream else decode_chat(call, response)

    def list_models(self) -> Generator[HttpRequest, HttpResponse, Sequence[CatalogueModel]]:
        """What ``GET /api/tags`` lists: the models that were pulled, or the cloud's. ``capabilities`` stay empty."""
        response = yield HttpRequest("GET", f"{self._base_url}/api/tags", self._headers)
        if not 200 <= response.status < 300:
            raise self._error(response)
        rows = as_objects(as_object(response.json()).get("models"))
        names = [as_text(row.get("model")) or as_text(row.get("name")) for row in rows]
        source = f"{self._base_url}/api/tags"
        return [
            CatalogueModel(f"{self._name}.{name}", (), upstream_model=name, source=source) for name in names if name
        ]

    def _request(self, path: str, body: Json, stream: bool) -> HttpRequest:
        headers = {**self._headers, "content-type": "application/json"}
        return HttpRequest("POST", self._base_url + path, headers, dump(body), stream)

    def _error(self, response: HttpResponse) -> ProviderError:
        if self._key:  # a proxy may quote the key that it refuses
            response = attrs.evolve(response, body=response.body.replace(self._key.encode(), b"***"))
        return provider_error(failure_of_answer(response))


def _revealed(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value
