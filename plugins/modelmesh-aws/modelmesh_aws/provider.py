"""BedrockProvider: an AWS account's models in one region."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from urllib.parse import quote

from modelmesh_core import (
    CatalogueModel,
    DeliverySupport,
    Flow,
    HttpProvider,
    HttpRequest,
    HttpResponse,
    Json,
    Operation,
    ProviderCall,
    ProviderError,
    ProviderSettings,
    as_object,
    as_objects,
    as_text,
    json_bytes,
    provider_error,
)

from .embeddings import embed
from .endpoint import endpoint_of
from .errors import failure_of_answer
from .options import BedrockOptions
from .reply import decode
from .request import EncodedCall, encode
from .rerank import rerank
from .shapes import refused
from .stream import ConverseStreamDecoder, WholeAnswerDecoder

_JSON = "application/json"
_EVENTS = "application/vnd.amazon.eventstream"
_MAX_PAGES = 20


class BedrockProvider(HttpProvider):
    """Chat over Converse; embeddings and reranking over InvokeModel."""

    operations = frozenset({Operation.CHAT, Operation.EMBEDDINGS, Operation.RERANK})

    def __init__(self, settings: ProviderSettings, now: Callable[[], float] = time.time) -> None:
        """``now`` tells UTC epoch seconds, for signatures. Raises ValueError for settings that cannot work."""
        self._name = settings.name
        self._options = settings.options or BedrockOptions()
        self._endpoint = endpoint_of(settings, self._options, now)

    def execute(self, call: ProviderCall) -> Flow:
        if call.operation is Operation.CHAT:
            return (yield from self._chat(call))
        if call.operation is Operation.EMBEDDINGS:
            return (yield from embed(call, self._invoke))
        if call.operation is Operation.RERANK:
            return (yield from rerank(call, self._invoke))
        raise refused(f"provider {self._name!r} is Amazon Bedrock, where this connector cannot do {call.operation}")

    def list_models(self) -> Generator[HttpRequest, HttpResponse, Sequence[CatalogueModel]]:
        """The foundation models and inference profiles of the region. ``capabilities`` stay empty."""
        listing = as_object((yield from self._get("/foundation-models")).json())
        rows = as_objects(listing.get("modelSummaries"))
        known = {as_text(row.get("modelId")): row for row in rows}
        found = [self._listed(name, row) for name, row in known.items() if name and _is_on_demand(row)]
        token = ""
        for _ in range(_MAX_PAGES):
            query = f"?maxResults=1000&nextToken={quote(token, safe='')}" if token else "?maxResults=1000"
            page = as_object((yield from self._get(f"/inference-profiles{query}")).json())
            for row in as_objects(page.get("inferenceProfileSummaries")):
                name = as_text(row.get("inferenceProfileId"))
                if name and row.get("status", "ACTIVE") == "ACTIVE":
                    found.append(self._listed(name, known.get(_model_behind(row), {})))
            last, token = token, as_text(page.get("nextToken"))
            if token in ("", last):
                break
        return found

    def check_health(self) -> Generator[HttpRequest, HttpResponse, None]:
        """The list of models: free. An identity that may not list, but is known to AWS, may still run models."""
        try:
            yield from self._get("/foundation-models")
        except ProviderError as error:
            if error.failure.code != "AccessDeniedException":
                raise

    def _chat(self, call: ProviderCall) -> Flow:
        encoded: EncodedCall = encode(call, self._options)
        action = "converse-stream" if call.stream else "converse"
        path = f"/model/{quote(call.upstream_model, safe='')}/{action}"
        accept = _EVENTS if call.stream else _JSON
        response = yield self._endpoint.post(path, json_bytes(encoded.body), accept, stream=call.stream)
        self._check(response)
        if not call.stream:
            return decode(response, encoded)
        if response.headers.get("content-type", "").startswith(_JSON):
            return WholeAnswerDecoder(encoded, response)
        return ConverseStreamDecoder(encoded, response)

    def _invoke(self, model: str, body: bytes) -> Generator[HttpRequest, HttpResponse, HttpResponse]:
        response = yield self._endpoint.post(f"/model/{quote(model, safe='')}/invoke", body, _JSON)
        self._check(response)
        return response

    def _get(self, path: str) -> Generator[HttpRequest, HttpResponse, HttpResponse]:
        response = yield self._endpoint.get(path)
        self._check(response)
        return response

    def _check(self, response: HttpResponse) -> None:
        if not 200 <= response.status < 300:
            raise provider_error(failure_of_answer(self._endpoint.cleaned(response)))

    def _listed(self, identity: str, row: Json) -> CatalogueModel:
        inputs = row.get("inputModalities")
        sees = isinstance(inputs, list) and "IMAGE" in inputs
        return CatalogueModel(
            f"{self._name}.{identity}",
            capabilities=(),
            upstream_model=identity,
            delivery=DeliverySupport(streaming=row.get("responseStreamingSupported") is not False),
            features=frozenset({"vision"} if sees else ()),
            source=f"{self._endpoint.control}/foundation-models",
        )


def _is_on_demand(row: Json) -> bool:
    kinds = row.get("inferenceTypesSupported")
    status = as_text(as_object(row.get("modelLifecycle")).get("status"))
    return (not isinstance(kinds, list) or "ON_DEMAND" in kinds) and status in ("", "ACTIVE", "LEGACY")


def _model_behind(row: Json) -> str:
    """The id of the model that an inference profile stands for."""
    models = as_objects(row.get("models"))
    return as_text(models[0].get("modelArn")).rpartition("/")[2] if models else ""
