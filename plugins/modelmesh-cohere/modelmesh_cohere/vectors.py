"""Embeddings and rankings over ``/v2/embed`` and ``/v2/rerank``."""

from __future__ import annotations

import base64
from array import array
from collections.abc import Callable, Generator, Sequence
from sys import byteorder
from typing import Any

from modelmesh_core import (
    Failure,
    FailureKind,
    HttpRequest,
    HttpResponse,
    Json,
    ProviderCall,
    Reply,
    Usage,
    as_count,
    as_list,
    as_object,
    as_objects,
    as_text,
    provider_error,
    refused,
    undecodable,
)

from .errors import limits_of

Ask = Callable[[str, Json], Generator[HttpRequest, HttpResponse, HttpResponse]]
"""One request: path below the base URL, body → the successful response."""

_LARGEST_BATCH = 96
"""Inputs of one request."""
_PURPOSES = {"query": "search_query", "document": "search_document"}
_SETTINGS = ("truncate", "max_tokens", "priority")
_EMBED_READ = frozenset(
    {"model", "input", "dimensions", "encoding_format", "input_type", "embedding_types", *_SETTINGS}
)
_RERANK_READ = frozenset({"model", "query", "documents", "top_n", "return_documents", "max_tokens_per_doc", "priority"})
_WITHOUT_EFFECT = frozenset({"user", "metadata"})


def embed(call: ProviderCall, ask: Ask, purpose: str) -> Generator[HttpRequest, HttpResponse, Reply]:
    """The flow of an embeddings call: a request for as many inputs as one takes."""
    inputs = _inputs(call.body.get("input"))
    _drop_unread(call, _EMBED_READ)
    kinds = [kind for kind in as_list(call.body.get("embedding_types")) if isinstance(kind, str)] or ["float"]
    asked = as_text(call.body.get("input_type")) or purpose
    settings = {"model": call.upstream_model, "input_type": _PURPOSES.get(asked, asked), "embedding_types": kinds}
    if call.body.get("dimensions") is not None:
        settings["output_dimension"] = call.body["dimensions"]
    settings |= {key: call.body[key] for key in _SETTINGS if call.body.get(key) is not None}
    rows: list[Json] = []
    tokens = 0
    response = HttpResponse(0)
    for start in range(0, len(inputs), _LARGEST_BATCH):
        batch = inputs[start : start + _LARGEST_BATCH]
        response = yield from ask("/v2/embed", {**settings, **_batch(batch)})
        found, used = _vectors(response, kinds, len(batch))
        rows += found if len(batch) == len(inputs) else found[: len(batch)]
        tokens += used
    as_base64 = call.body.get("encoding_format") == "base64" and kinds == ["float"]
    data = [_row(row, index, as_base64) for index, row in enumerate(rows)]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    body: Json = {"object": "list", "model": call.upstream_model, "data": data, "usage": usage}
    return _reply(body, Usage(input=tokens), response)


def rerank(call: ProviderCall, ask: Ask) -> Generator[HttpRequest, HttpResponse, Reply]:
    """The flow of a rerank call: one request."""
    texts = [_document(one) for one in as_list(call.body.get("documents"))]
    query = as_text(call.body.get("query"))
    if not query or not texts:
        raise refused("reranking takes a query and a list of documents")
    _drop_unread(call, _RERANK_READ)
    sent: Json = {"model": call.upstream_model, "query": query, "documents": texts}
    names = ("top_n", "max_tokens_per_doc", "priority")
    sent |= {key: call.body[key] for key in names if call.body.get(key) is not None}
    response = yield from ask("/v2/rerank", sent)
    answer: Any = response.json()
    rows = as_object(answer).get("results")
    if not isinstance(rows, list):
        raise undecodable(response, "a ranking", "Cohere")
    with_documents = call.body.get("return_documents") is True
    results = [_ranked(row, texts, with_documents) for row in as_objects(rows)]
    body: Json = {"id": as_text(as_object(answer).get("id")), "model": call.upstream_model, "results": results}
    billed = as_object(as_object(as_object(answer).get("meta")).get("billed_units"))
    if billed:
        body["usage"] = {"total_tokens": as_count(billed.get("input_tokens")), **billed}
    return _reply(body, Usage(input=as_count(billed.get("input_tokens"))), response)


def _inputs(given: Any) -> list[str | list[Json]]:
    """Each input as a text, or as Cohere's content parts."""
    items: list[Any] = as_list(given) or [given]
    found: list[str | list[Json]] = []
    for item in items:
        parts = as_objects(item) if isinstance(item, list) else as_objects([item])
        if isinstance(item, str) and item:
            found.append(item)
        elif parts:
            found.append([_part(part) for part in parts])
        else:
            raise refused("input: expected a text or a list of texts; Cohere's models take no tokens", "invalid_input")
    return found


def _part(part: Json) -> Json:
    if part.get("type") == "image_url":
        image = part.get("image_url")
        return {"type": "image_url", "image_url": {"url": image} if isinstance(image, str) else as_object(image)}
    if part.get("type") == "text":
        return {"type": "text", "text": as_text(part.get("text"))}
    raise refused(f"input: a part of type {part.get('type')!r}: Cohere embeds texts and images", "invalid_input")


def _batch(inputs: Sequence[str | list[Json]]) -> Json:
    if all(isinstance(one, str) for one in inputs):
        return {"texts": list(inputs)}
    parts = [[{"type": "text", "text": one}] if isinstance(one, str) else one for one in inputs]
    return {"inputs": [{"content": one} for one in parts]}


def _vectors(response: HttpResponse, kinds: Sequence[str], count: int) -> tuple[list[Json], int]:
    """For each input its vectors by kind, and the tokens that were billed."""
    answer: Any = response.json()
    embeddings = as_object(answer).get("embeddings")
    by_kind: dict[str, Any] = {"float": embeddings} if isinstance(embeddings, list) else as_object(embeddings)
    columns = {kind: as_list(by_kind.get(kind)) for kind in [kind for kind in kinds if kind in by_kind] or by_kind}
    lengths = {len(vectors) for vectors in columns.values()}
    if len(lengths) != 1 or min(lengths) < count or not all(all(vectors) for vectors in columns.values()):
        raise undecodable(response, "an embedding for each input", "Cohere")
    billed = as_object(as_object(as_object(answer).get("meta")).get("billed_units"))
    tokens = as_count(billed.get("input_tokens")) + as_count(billed.get("image_tokens"))
    rows = [{kind: vectors[index] for kind, vectors in columns.items()} for index in range(lengths.pop())]
    return rows, tokens


def _row(vectors: Json, index: int, as_base64: bool) -> Json:
    chosen = vectors["float"] if "float" in vectors else next(iter(vectors.values()))
    encode = as_base64 and "float" in vectors
    row: Json = {"object": "embedding", "index": index, "embedding": _base64(chosen) if encode else chosen}
    return {**row, "embeddings_by_type": vectors} if len(vectors) > 1 else row


def _base64(vector: Any) -> str:
    """32-bit floats, little-endian, as OpenAI encodes them."""
    try:
        floats = array("f", vector)
    except (TypeError, OverflowError, ValueError) as error:
        message = f"an embedding is not made of numbers: {error}"
        raise provider_error(Failure(FailureKind.UNDECODABLE, message)) from error
    if byteorder == "big":
        floats.byteswap()
    return base64.b64encode(floats.tobytes()).decode()


def _document(document: Any) -> str:
    text = document if isinstance(document, str) else as_text(as_object(document).get("text"))
    if not text:
        raise refused("a document to be ranked has no text")
    return text


def _ranked(row: Json, texts: list[str], with_documents: bool) -> Json:
    index: Any = row.get("index")
    score: Any = row.get("relevance_score")
    known = isinstance(index, int) and not isinstance(index, bool) and 0 <= index < len(texts)
    if not known or isinstance(score, bool) or not isinstance(score, (int, float)):
        message = "a ranking names a document that was not sent, or gives it no score"
        raise provider_error(Failure(FailureKind.UNDECODABLE, message, body=row))
    document = {"document": {"text": texts[index]}} if with_documents else {}
    return {"index": index, "relevance_score": score, **document}


def _drop_unread(call: ProviderCall, read: frozenset[str]) -> None:
    for name, value in call.body.items():
        if name not in read and name not in _WITHOUT_EFFECT and value is not None:
            call.drop(name)


def _reply(body: Json, usage: Usage, response: HttpResponse) -> Reply:
    limits = limits_of(response.headers, response.received_at)
    return Reply(body, usage=usage, headroom=limits, headers=response.headers)
