"""CohereProvider: an account at Cohere."""

from __future__ import annotations

from collections.abc import Generator, Sequence

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
    as_list,
    as_objects,
    as_text,
    object_of,
)

from .errors import failure_of_answer
from .options import CohereOptions
from .reply import decode
from .request import encode
from .stream import ChatStreamDecoder, WholeAnswerDecoder
from .transcription import decode_transcript, encode_recording
from .vectors import embed, rerank

_PAGE = 1000
_MAX_PAGES = 20
_FEATURES = {"tools": "tool_calling", "json_schema": "structured_output", "json_mode": "json_mode",
             "vision": "vision", "reasoning": "reasoning", "logprobs": "logprobs"}  # fmt: skip


class CohereProvider(VendorProvider):
    """Chat, embeddings, reranking and transcription at Cohere."""

    operations = frozenset({Operation.CHAT, Operation.EMBEDDINGS, Operation.RERANK, Operation.TRANSCRIPTION})
    title = "Cohere"

    def __init__(self, settings: ProviderSettings) -> None:
        """Raises ValueError for a base URL that is not absolute, or a key that no header can carry."""
        super().__init__(settings, "https://api.cohere.com")
        self._options = settings.options or CohereOptions()
        self.base_url = self.base_url.removesuffix("/v1").removesuffix("/v2")

    def execute(self, call: ProviderCall) -> Flow:
        if call.operation is Operation.CHAT:
            response = yield from self._ask("/v2/chat", encode(call), call.stream)
            if not call.stream:
                return decode(call, response)
            is_whole = response.headers.get("content-type", "").startswith("application/json")
            return (WholeAnswerDecoder if is_whole else ChatStreamDecoder)(call, response)
        if call.operation is Operation.EMBEDDINGS:
            return (yield from embed(call, self._ask, self._options.input_type))
        if call.operation is Operation.RERANK:
            return (yield from rerank(call, self._ask))
        if call.operation is Operation.TRANSCRIPTION:
            media_type, body = encode_recording(call, self._options.transcription_language)
            headers = {"content-type": media_type}
            request = self.request("POST", "/v2/audio/transcriptions", content=body, headers=headers)
            return decode_transcript((yield from self.ask(request)))
        raise self.unable(call)

    def list_models(self) -> Generator[HttpRequest, HttpResponse, Sequence[CatalogueModel]]:
        """What ``GET /v1/models`` lists, page by page. ``capabilities`` stay empty."""
        found: list[CatalogueModel] = []
        token = ""
        for _ in range(_MAX_PAGES):
            query = {"page_size": str(_PAGE)} | ({"page_token": token} if token else {})
            page = object_of((yield from self.ask(self.request("GET", "/v1/models", query=query))))
            rows = as_objects(page.get("models"))
            found += [self._listed(row) for row in rows if as_text(row.get("name")) and not row.get("is_deprecated")]
            last, token = token, as_text(page.get("next_page_token"))
            if token in ("", last):
                break
        return found

    def _ask(self, path: str, body: Json, stream: bool = False) -> Generator[HttpRequest, HttpResponse, HttpResponse]:
        return (yield from self.ask(self.request("POST", path, json=body, stream=stream)))

    def _listed(self, row: Json) -> CatalogueModel:
        identity = as_text(row.get("name"))
        able = [name for name in as_list(row.get("features")) if isinstance(name, str)]
        return CatalogueModel(
            f"{self.name}.{identity}",
            capabilities=(),
            upstream_model=identity,
            features=frozenset(_FEATURES[name] for name in able if name in _FEATURES),
            constraints=Constraints(context_window=as_count(row.get("context_length")) or None),
            source=f"{self.base_url}/v1/models",
        )

    def failure(self, response: HttpResponse) -> Failure:
        return failure_of_answer(response)
