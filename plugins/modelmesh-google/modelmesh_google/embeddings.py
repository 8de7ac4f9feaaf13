"""Embeddings: ``batchEmbedContents`` of the Gemini API, ``predict`` and ``embedContent`` of Vertex AI."""

from __future__ import annotations

import base64
from array import array
from collections.abc import Generator, Iterator, Sequence
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
    as_list,
    as_object,
    as_objects,
    as_text,
    headroom_of,
    provider_error,
)

from .contents import parts_in
from .endpoint import Endpoint
from .errors import error_in, failure_of_error
from .families import family_of
from .shapes import as_count, refuse

_LARGEST_BATCH = 100
"""Inputs that one ``batchEmbedContents`` takes."""
_LARGEST_PREDICTION = 250
_TASKS = {"query": "RETRIEVAL_QUERY", "document": "RETRIEVAL_DOCUMENT"}
_PREFIXES = {"query": "task: search result | query: ", "document": "title: none | text: "}
"""How Gemini Embedding 2 is told the task: in the text itself."""
_READ = frozenset({"model", "input", "dimensions", "encoding_format", "input_type", "user", "metadata"})


def embed(call: ProviderCall, endpoint: Endpoint) -> Generator[HttpRequest, HttpResponse, Reply]:
    """The flow of an embeddings call: a request for as many inputs as one takes."""
    inputs = _inputs(call.body.get("input"))
    for name, value in call.body.items():
        if name not in _READ and value is not None:
            call.drop(name)
    vectors: list[list[Any]] = []
    tokens = 0
    response: HttpResponse | None = None
    for method, body in _requests(call, inputs, endpoint):
        response = yield from endpoint.ask(call.upstream_model, method, body)
        found, used = _vectors(response)
        vectors += found
        tokens += used
    assert response is not None
    if len(vectors) != len(inputs):
        message = f"{len(inputs)} inputs were sent, and {len(vectors)} embeddings came back"
        raise provider_error(Failure(FailureKind.UNDECODABLE, message, status=response.status))
    return _reply(call, vectors, tokens, response)


def _inputs(given: Any) -> list[list[Json]]:
    """Each input as Google's parts: a text, a content part, or a list of content parts."""
    items: list[Any] = as_list(given) or [given]
    result: list[list[Json]] = []
    for item in items:
        if isinstance(item, str):
            result.append([{"text": item}])
        elif isinstance(item, dict) or (isinstance(item, list) and as_objects(item)):
            result.append(parts_in(item if isinstance(item, list) else [item]))
        else:
            refuse("input: expected a text or a list of texts; Google's models take no tokens", "invalid_input")
    return result


def _requests(call: ProviderCall, inputs: Sequence[list[Json]], endpoint: Endpoint) -> Iterator[tuple[str, Json]]:
    family = family_of(call.upstream_model)
    kind, size = as_text(call.body.get("input_type")), call.body.get("dimensions")
    by_prefix = family.name in ("gemini-embedding-2", "embeddinggemma") or family.name.startswith("embeddinggemma")
    task = "" if by_prefix else _TASKS.get(kind, kind)
    if by_prefix and kind in _PREFIXES:
        inputs = [_prefixed(parts, _PREFIXES[kind]) for parts in inputs]
    sized: Json = {"outputDimensionality": size} if size else {}
    if endpoint.is_vertex and not family.name.startswith("gemini-embedding-2"):
        # Gemini Embedding takes one text a request here.
        step = 1 if family.name.startswith("gemini-embedding") else _LARGEST_PREDICTION
        for start in range(0, len(inputs), step):
            texts = ["".join(_text(part) for part in parts) for parts in inputs[start : start + step]]
            instances = [{"content": text, **({"task_type": task} if task else {})} for text in texts]
            yield "predict", {"instances": instances, **({"parameters": sized} if sized else {})}
        return
    described = [{"content": {"parts": parts}, **({"taskType": task} if task else {}), **sized} for parts in inputs]
    if endpoint.is_vertex:
        for one in described:
            yield "embedContent", one
        return
    name = call.upstream_model if "/" in call.upstream_model else f"models/{call.upstream_model}"
    for start in range(0, len(described), _LARGEST_BATCH):
        batch = [{"model": name, **one} for one in described[start : start + _LARGEST_BATCH]]
        yield "batchEmbedContents", {"requests": batch}


def _text(part: Json) -> str:
    return as_text(part["text"]) if "text" in part else refuse("the model embeds text only", "unsupported_content")


def _prefixed(parts: list[Json], prefix: str) -> list[Json]:
    """A task can be named for a single text only."""
    return [{"text": prefix + as_text(parts[0]["text"])}] if len(parts) == 1 and "text" in parts[0] else parts


def _vectors(response: HttpResponse) -> tuple[list[list[Any]], int]:
    """The vectors of one answer in order, and the tokens that it counted."""
    decoded: Any = response.json()
    error = error_in(decoded)
    if error is not None:
        raise provider_error(failure_of_error(error, decoded))
    body = as_object(decoded)
    predicted = [as_object(one.get("embeddings")) for one in as_objects(body.get("predictions"))]
    single = [as_object(body["embedding"])] if isinstance(body.get("embedding"), dict) else []
    found = as_objects(body.get("embeddings")) or single or predicted
    vectors = [as_list(one.get("values")) for one in found]
    if not vectors or not all(vectors):
        names = ", ".join(list(body)[:8]) or type(decoded).__name__
        message = f"HTTP {response.status} with a body that has no embeddings (it has: {names})"
        raise provider_error(Failure(FailureKind.UNDECODABLE, message, status=response.status, body=decoded))
    counted = sum(as_count(as_object(one.get("statistics")).get("token_count")) for one in predicted)
    return vectors, as_count(as_object(body.get("usageMetadata")).get("promptTokenCount")) or counted


def _reply(call: ProviderCall, vectors: list[list[Any]], tokens: int, response: HttpResponse) -> Reply:
    is_base64 = call.body.get("encoding_format") == "base64"
    written: list[Any] = [_base64(vector) for vector in vectors] if is_base64 else vectors
    data: list[Json] = [{"object": "embedding", "index": i, "embedding": one} for i, one in enumerate(written)]
    body: Json = {"object": "list", "model": call.upstream_model, "data": data}
    if tokens:
        body["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens}
    return Reply(
        body,
        usage=Usage(input=tokens) if tokens else None,
        headroom=headroom_of(response.headers, response.received_at),
        headers=response.headers,
    )


def _base64(vector: list[Any]) -> str:
    """32-bit floats, little-endian, as OpenAI encodes them."""
    try:
        floats = array("f", vector)
    except (TypeError, OverflowError) as error:
        raise provider_error(
            Failure(FailureKind.UNDECODABLE, f"an embedding is not made of numbers: {error}")
        ) from error
    if byteorder == "big":
        floats.byteswap()
    return base64.b64encode(floats.tobytes()).decode()
