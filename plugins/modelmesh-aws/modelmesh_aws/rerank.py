"""Reranking over InvokeModel."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from modelmesh_core import (
    HttpRequest,
    HttpResponse,
    Json,
    ProviderCall,
    Reply,
    Usage,
    as_list,
    as_object,
    as_objects,
    as_text,
    headroom_of,
    json_bytes,
)

from .embeddings import Invoke, tokens_in
from .shapes import refused, undecodable

_READ = frozenset(
    {"model", "query", "documents", "top_n", "return_documents", "max_tokens_per_doc", "user", "metadata"}
)
_COHERE_VERSION = 2
"""``api_version`` of Cohere's body, which Bedrock wants to be told."""


def rerank(call: ProviderCall, invoke: Invoke) -> Generator[HttpRequest, HttpResponse, Reply]:
    """The flow of a rerank call: one request."""
    body = call.body
    documents = [_text(document) for document in as_list(body.get("documents"))]
    query = as_text(body.get("query"))
    if not query or not documents:
        raise refused("reranking takes a query and a list of documents")
    for name, value in body.items():
        if name not in _READ and value is not None:
            call.drop(name)
    sent: Json = {"query": query, "documents": documents}
    if isinstance(body.get("top_n"), int):
        sent["top_n"] = min(body["top_n"], len(documents))
    if "cohere" in call.upstream_model.lower():
        sent["api_version"] = _COHERE_VERSION
        if body.get("max_tokens_per_doc") is not None:
            sent["max_tokens_per_doc"] = body["max_tokens_per_doc"]
    elif body.get("max_tokens_per_doc") is not None:
        call.drop("max_tokens_per_doc")
    response = yield from invoke(call.upstream_model, json_bytes(sent))
    return decode_ranking(call, documents, response)


def decode_ranking(call: ProviderCall, documents: list[str], response: HttpResponse) -> Reply:
    """An answer of InvokeModel, or of the Rerank API, as results. Raises ProviderError for what is neither."""
    answer: Any = response.json()
    rows = as_object(answer).get("results")
    if not isinstance(rows, list):
        found = ", ".join(list(as_object(answer))[:8]) or type(answer).__name__
        raise undecodable(f"HTTP {response.status} with a body that has no results (it has: {found})", response.status)
    results = [_result(row, documents, call.body.get("return_documents") is True) for row in as_objects(rows)]
    tokens = tokens_in(response)
    body: Json = {"id": response.headers.get("x-amzn-requestid", ""), "model": call.upstream_model, "results": results}
    usage = Usage(input=tokens) if tokens else None
    if usage:
        body["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens}
    headroom = headroom_of(response.headers, response.received_at)
    return Reply(body=body, usage=usage, headroom=headroom, headers=response.headers)


def _result(row: Json, documents: list[str], with_documents: bool) -> Json:
    index: Any = row.get("index")
    score: Any = row.get("relevance_score", row.get("relevanceScore"))
    known = isinstance(index, int) and not isinstance(index, bool) and 0 <= index < len(documents)
    if not known or isinstance(score, bool) or not isinstance(score, (int, float)):
        raise undecodable("a ranking names a document that was not sent, or gives it no score", body=row)
    document = {"document": {"text": documents[index]}} if with_documents else {}
    return {"index": index, "relevance_score": score, **document}


def _text(document: Any) -> str:
    text = document if isinstance(document, str) else as_text(as_object(document).get("text"))
    if not text:
        raise refused("a document to be ranked has no text")
    return text
