"""OllamaProvider: a server, or an account in Ollama's cloud."""

from __future__ import annotations

from collections.abc import Generator, Sequence

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
    VendorProvider,
    as_objects,
    as_text,
    object_of,
    refused,
)

from .address import address_of
from .errors import failure_of_answer
from .options import OllamaOptions
from .reply import decode_chat, decode_embeddings
from .request import encode_chat, encode_embeddings
from .stream import LinesDecoder


class OllamaProvider(VendorProvider):
    """Chat and embeddings over Ollama's native API."""

    operations = frozenset({Operation.CHAT, Operation.EMBEDDINGS})
    title = "Ollama"

    def __init__(self, settings: ProviderSettings) -> None:
        """Raises ValueError for an address that cannot be called, or a key that no header can carry."""
        address = address_of(settings.base_url or "localhost", f"providers.{settings.name}.base_url")
        super().__init__(attrs.evolve(settings, base_url=address), address)
        self._options = settings.options or OllamaOptions()

    def execute(self, call: ProviderCall) -> Flow:
        try:
            if call.operation is Operation.CHAT:
                path, body = "/api/chat", encode_chat(call, self._options)
            elif call.operation is Operation.EMBEDDINGS:
                path, body = "/api/embed", encode_embeddings(call, self._options)
            else:
                raise self.unable(call)
        except RecursionError as error:
            raise refused("the request is nested too deeply") from error
        response = yield from self.ask(self.request("POST", path, json=body, stream=call.stream))
        if call.operation is Operation.EMBEDDINGS:
            return decode_embeddings(call, response)
        return LinesDecoder(call, response) if call.stream else decode_chat(call, response)

    def list_models(self) -> Generator[HttpRequest, HttpResponse, Sequence[CatalogueModel]]:
        """What ``GET /api/tags`` lists: the models that were pulled, or the cloud's. ``capabilities`` stay empty."""
        response = yield from self.ask(self.request("GET", "/api/tags"))
        rows = as_objects(object_of(response).get("models"))
        names = [as_text(row.get("model")) or as_text(row.get("name")) for row in rows]
        source = f"{self.base_url}/api/tags"
        return [CatalogueModel(f"{self.name}.{name}", (), upstream_model=name, source=source) for name in names if name]

    def failure(self, response: HttpResponse) -> Failure:
        return failure_of_answer(response)
