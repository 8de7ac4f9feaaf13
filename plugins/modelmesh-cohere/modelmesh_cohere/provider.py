"""CohereProvider: an account at Cohere."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from urllib.parse import quote, urlsplit

import attrs
from modelmesh_core import (
    CatalogueModel,
    Constraints,
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

from .errors import failure_of_answer
from .options import CohereOptions
from .reply import decode
from .request import encode
from .shapes import Json, as_count, as_list, as_object, as_objects, as_text, dump, refused
from .stream import ChatStreamDecoder, WholeAnswerDecoder
from .transcription import decode_transcript, encode_recording
from .vectors import embed, rerank

_PAGE = 1000
_MAX_PAGES = 20
_FEATURES = {"tools": "tool_calling", "json_schema": "structured_output", "json_mode": "json_mode",
             "vision": "vision", "reasoning": "reasoning", "logprobs": "logprobs"}  # fmt: skip


class CohereProvider(HttpProvider):
    """Chat, embeddings, reranking and transcription at Cohere."""

    operations = frozenset({Operation.CHAT, Operation.EMBEDDINGS, Operation.RERANK, Operation.TRANSCRIPTION})

    def __init__(self, settings: ProviderSettings) -> None:
        """Raises ValueError for a base URL that is not absolute, or a key that no header can carry."""
        self._options = settings.options or CohereOptions()
        self._name = settings.name
        self._base_url = _checked_base_url(settings)
        self._key = settings.api_key.reveal().strip() if settings.api_key else ""
        if not (self._key.isascii() and self._key.isprintable()):
            raise ValueError(f"providers.{settings.name}.api_key holds characters that no HTTP header can carry")
        own = {name.lower(): _revealed(value) for name, value in settings.headers.items()}
        self._headers = {**({"authorization": f"Bearer {self._key}"} if self._key else {}), **own}

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
            return decode_transcript((yield from self._send("/v2/audio/transcriptions", media_type, body)))
        raise refused(f"provider {self._name!r} is Cohere's, which cannot do {call.operation.value}")

    def list_models(self) -> Generator[HttpRequest, HttpResponse, Sequence[CatalogueModel]]:
        """What ``GET /v1/models`` lists, page by page. ``capabilities`` stay empty."""
        found: list[CatalogueModel] = []
        token = ""
        for _ in range(_MAX_PAGES):
            query = f"?page_size={_PAGE}" + (f"&page_token={quote(token, safe='')}" if token else "")
            response = yield HttpRequest("GET", f"{self._base_url}/v1/models{query}", self._headers)
            if not 200 <= response.status < 300:
                raise self._error(response)
            page = as_object(response.json())
            rows = as_objects(page.get("models"))
            found += [self._listed(row) for row in rows if as_text(row.get("name")) and not row.get("is_deprecated")]
            last, token = token, as_text(page.get("next_page_token"))
            if token in ("", last):
                break
        return found

    def _ask(self, path: str, body: Json, stream: bool = False) -> Generator[HttpRequest, HttpResponse, HttpResponse]:
        return (yield from self._send(path, "application/json", dump(body), stream))

    def _send(
        self, path: str, media_type: str, body: bytes, stream: bool = False
    ) -> Generator[HttpRequest, HttpResponse, HttpResponse]:
        headers = {**self._headers, "content-type": media_type}
        response = yield HttpRequest("POST", self._base_url + path, headers, body, stream)
        if not 200 <= response.status < 300:
            raise self._error(response)
        return response

    def _listed(self, row: Json) -> CatalogueModel:
        identity = as_text(row.get("name"))
        able = [name for name in as_list(row.get("features")) if isinstance(name, str)]
        return CatalogueModel(
            f"{self._name}.{identity}",
            capabilities=(),
            upstream_model=identity,
            features=frozenset(_FEATURES[name] for name in able if name in _FEATURES),
            constraints=Constraints(context_window=as_count(row.get("context_length")) or None),
            source=f"{self._base_url}/v1/models",
        )

    def _error(self, response: HttpResponse) -> ProviderError:
        if self._key:  # a proxy may quote the key that it refuses
            response = attrs.evolve(response, body=response.body.replace(self._key.encode(), b"***"))
        return provider_error(failure_of_answer(response))


def _revealed(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value


def _checked_base_url(settings: ProviderSettings) -> str:
    place, text = f"providers.{settings.name}.base_url", settings.base_url or "https://api.cohere.com"
    expected = "expected an absolute address such as https://api.cohere.com"
    text = text.strip().rstrip("/").removesuffix("/v1").removesuffix("/v2")
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
