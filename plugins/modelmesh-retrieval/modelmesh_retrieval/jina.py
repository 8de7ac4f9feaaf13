"""Jina AI: embeddings and reranking, web search, reading pages."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import attrs
from modelmesh_core import (
    Flow,
    HttpRequest,
    HttpResponse,
    Json,
    Operation,
    ProviderCall,
    ProviderSettings,
    Reply,
    as_count,
    as_object,
    as_text,
    checked_url,
)

from .embedding import EmbeddingProvider, image_of, inputs_of, parts_of
from .options import JinaOptions
from .searching import (
    SearchProvider,
    query_with_sites,
    reply_of,
    result_of,
    rows_of,
    unreadable,
)

_EMBED = frozenset(
    {
        "input", "dimensions", "encoding_format", "input_type", "task", "embedding_type", "late_chunking", "normalized",
        "truncate", "return_multivector",
    }
)  # fmt: skip
_RERANK = frozenset({"query", "documents", "top_n", "return_documents", "truncation", "max_doc_length"})
_TASKS = {"query": "retrieval.query", "document": "retrieval.passage"}


class Jina(EmbeddingProvider):
    """``jina.search.v1``."""

    operations = frozenset({Operation.EMBEDDINGS, Operation.RERANK, Operation.SEARCH})

    def __init__(self, settings: ProviderSettings) -> None:
        super().__init__(attrs.evolve(settings, base_url=settings.base_url or "https://api.jina.ai/v1"))
        self._search = JinaSearch(settings)

    def execute(self, call: ProviderCall) -> Flow:
        return self._search.execute(call) if call.operation is Operation.SEARCH else super().execute(call)

    def prepare(self, call: ProviderCall) -> Json:
        if call.operation is Operation.RERANK:
            return {"return_documents": False, **self.agreed(call, _RERANK)}
        body = self.agreed(call, _EMBED)
        asked = body.pop("input_type", None)
        if isinstance(asked, str):
            body.setdefault("task", _TASKS.get(asked, asked))
        if encoding := body.pop("encoding_format", None):
            body.setdefault("embedding_type", encoding)
        inputs = inputs_of(call.body)
        if any(parts_of(one) for one in inputs):
            body["input"] = [_document(one) for one in inputs]
        return body


class JinaSearch(SearchProvider):
    """Search and reading, which have hosts of their own."""

    title = "Jina"
    own_parameters = frozenset({"gl", "hl", "location", "page", "type", "provider", "respondWith", "timeout"})

    def __init__(self, settings: ProviderSettings) -> None:
        options, place = settings.options or JinaOptions(), f"providers.{settings.name}"
        super().__init__(attrs.evolve(settings, base_url=options.search_url), options.search_url)
        self._read_url = checked_url(options.read_url, f"{place}.read_url")

    def search(self, call: ProviderCall, own: Json) -> Generator[HttpRequest, HttpResponse, Reply]:
        body: Json = {"q": query_with_sites(call)}
        if call.body.get("max_results") is not None:
            body["num"] = call.body["max_results"]
        if country := as_text(call.body.get("country")):
            body["gl"] = country.upper()
        if call.body.get("time_range") is not None:
            call.drop("time_range")
        answer, response = yield from self._ask(f"{self.base_url}/", {**body, **own})
        rows = rows_of(answer, "data", response)
        return reply_of([_result(row) for row in rows], _rest(answer), response, _tokens(answer, rows))

    def read(self, call: ProviderCall, url: str, own: Json) -> Generator[HttpRequest, HttpResponse, Reply]:
        answer, response = yield from self._ask(f"{self._read_url}/", {"url": url, **own})
        page = as_object(answer.get("data"))
        if not as_text(page.get("content")):
            raise unreadable(url, as_text(answer.get("message")) or as_text(page.get("warning")), answer)
        return reply_of([_result({"url": url, **page})], _rest(answer), response, _tokens(answer, [page]))

    def _ask(self, url: str, body: Json) -> Generator[HttpRequest, HttpResponse, tuple[Json, HttpResponse]]:
        answer, response = yield from self.look_up(url, body, {"accept": "application/json"})
        code = answer.get("code")
        if isinstance(code, int) and 400 <= code < 600:  # an error that came with a success status
            raise self.error(attrs.evolve(response, status=code))
        return answer, response


def _result(row: Json) -> Json:
    date = "publishedTime" if row.get("publishedTime") else "date"
    return result_of(row, title="title", url="url", snippet="description", content="content", published_at=date)


def _rest(answer: Json) -> Json:
    return {key: value for key, value in answer.items() if key not in ("data", "code", "status")}


def _tokens(answer: Json, rows: list[Json]) -> int:
    """What is billed: of the whole answer, or the sum of its pages."""
    total = as_count(as_object(as_object(answer.get("meta")).get("usage")).get("tokens"))
    return total or sum(as_count(as_object(row.get("usage")).get("tokens")) for row in rows)


def _document(value: Any) -> Json:
    parts = parts_of(value)
    if not parts:
        return {"text": as_text(value)}
    made: Json = {}
    for part in parts:
        if part.get("type") == "text":
            made["text"] = as_text(part.get("text"))
        else:
            made["image"] = image_of(part)
    return made
