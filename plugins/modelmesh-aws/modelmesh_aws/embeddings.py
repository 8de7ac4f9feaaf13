"""Embeddings over InvokeModel: each maker's own body, and as many texts a call as it takes."""

from __future__ import annotations

import base64
from array import array
from collections.abc import Callable, Generator
from sys import byteorder
from typing import Any

import attrs
from modelmesh_core import (
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
    headroom_of,
    json_bytes,
)

from .shapes import refused, undecodable

Invoke = Callable[[str, bytes], Generator[HttpRequest, HttpResponse, HttpResponse]]
"""Model and body → its answer. Raises ProviderError for an error status."""

_READ = frozenset({"model", "input", "encoding_format", "user", "metadata", "store", "service_tier"})
_COHERE_TYPES = {"query": "search_query", "document": "search_document"}
_NOVA_PURPOSES = {"query": "GENERIC_RETRIEVAL", "document": "GENERIC_INDEX"}


@attrs.frozen
class _Embedder:
    """How one maker's models are asked."""

    encode: Callable[[list[str], Json], Json]
    batch: int = 1
    """Texts that one call takes."""
    takes: frozenset[str] = frozenset()
    """Parameters that go into the body."""


def embed(call: ProviderCall, invoke: Invoke) -> Generator[HttpRequest, HttpResponse, Reply]:
    """The flow of an embeddings call: a request for as many texts as one takes."""
    embedder = _embedder_of(call.upstream_model)
    texts = _texts(call.body.get("input"))
    for name, value in call.body.items():
        # A model that does not tell queries from documents embeds both alike: nothing is lost.
        if name not in _READ | embedder.takes | {"input_type"} and value is not None:
            call.drop(name)
    vectors: list[list[Any]] = []
    tokens = 0
    response = HttpResponse(200)
    for start in range(0, len(texts), embedder.batch):
        batch = texts[start : start + embedder.batch]
        response = yield from invoke(call.upstream_model, json_bytes(embedder.encode(batch, call.body)))
        answer = as_object(response.json())
        found = _vectors(answer)
        if len(found) != len(batch):
            message = f"{len(batch)} texts were sent, and {len(found)} embeddings came back"
            raise undecodable(message, response.status, answer if len(response.body) < 10_000 else None)
        vectors += found
        tokens += as_count(answer.get("inputTextTokenCount")) or tokens_in(response)
    return _reply(call, vectors, tokens, response)


def tokens_in(response: HttpResponse) -> int:
    """Input tokens, by the header in which Bedrock counts those of InvokeModel."""
    text = response.headers.get("x-amzn-bedrock-input-token-count", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else 0


def _embedder_of(model: str) -> _Embedder:
    name = model.lower()
    found = next((embedder for part, embedder in _EMBEDDERS.items() if part in name), None)
    if found is None:
        known = ", ".join(_EMBEDDERS)
        raise refused(f"{model} is no embedding model whose body this connector knows (known: {known})")
    return found


def _texts(given: Any) -> list[str]:
    texts = [given] if isinstance(given, str) else as_list(given)
    if not texts or not all(isinstance(text, str) for text in texts):
        raise refused("input has to be a text or a list of texts: Bedrock embeds no token lists")
    return texts


def _titan(texts: list[str], body: Json) -> Json:
    return {"inputText": texts[0], **_given(dimensions=body.get("dimensions"), normalize=body.get("normalize"))}


def _titan_image(texts: list[str], body: Json) -> Json:
    size = body.get("dimensions")
    return {"inputText": texts[0], **({"embeddingConfig": {"outputEmbeddingLength": size}} if size else {})}


def _cohere(texts: list[str], body: Json) -> Json:
    kind = as_text(body.get("input_type")) or "document"
    own = _given(output_dimension=body.get("dimensions"), truncate=body.get("truncate"))
    return {"texts": texts, "input_type": _COHERE_TYPES.get(kind, kind), **own}


def _nova(texts: list[str], body: Json) -> Json:
    kind = as_text(body.get("input_type")) or "document"
    size = {"embeddingDimension": body["dimensions"]} if body.get("dimensions") else {}
    text = {"truncationMode": body.get("truncate") or "NONE", "value": texts[0]}
    params = {"embeddingPurpose": _NOVA_PURPOSES.get(kind, kind), **size, "text": text}
    return {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": params}


def _given(**fields: Any) -> Json:
    return {key: value for key, value in fields.items() if value is not None}


_EMBEDDERS = {
    "titan-embed-image": _Embedder(_titan_image, takes=frozenset({"dimensions"})),
    "titan-embed-text-v2": _Embedder(_titan, takes=frozenset({"dimensions", "normalize"})),
    "titan-embed": _Embedder(_titan),
    "cohere.embed-v4": _Embedder(_cohere, 96, frozenset({"dimensions", "truncate"})),
    "cohere.embed": _Embedder(_cohere, 96, frozenset({"truncate"})),
    "multimodal-embeddings": _Embedder(_nova, takes=frozenset({"dimensions", "truncate"})),
}
"""Part of a model's id → how it is asked; the first that fits."""


def _vectors(answer: Json) -> list[list[Any]]:
    """The vectors of an answer in any of the makers' shapes."""
    if isinstance(answer.get("embedding"), list):
        return [answer["embedding"]]
    found = answer.get("embeddings")
    by_type = as_object(found)
    if by_type:
        found = by_type.get("float")
    own = as_list(found)
    if own and all(isinstance(one, dict) for one in own):
        return [as_list(one.get("embedding")) for one in as_objects(own) if as_list(one.get("embedding"))]
    return [as_list(one) for one in own if as_list(one)]


def _reply(call: ProviderCall, vectors: list[list[Any]], tokens: int, response: HttpResponse) -> Reply:
    is_base64 = call.body.get("encoding_format") == "base64"
    written: list[Any] = [_base64(vector) for vector in vectors] if is_base64 else vectors
    body: Json = {
        "object": "list",
        "data": [{"object": "embedding", "index": index, "embedding": one} for index, one in enumerate(written)],
        "model": call.upstream_model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }
    headroom = headroom_of(response.headers, response.received_at)
    return Reply(body=body, usage=Usage(input=tokens), headroom=headroom, headers=response.headers)


def _base64(vector: list[Any]) -> str:
    """A vector as OpenAI packs it: 32-bit floats, the least significant byte first."""
    try:
        floats = array("f", vector)
    except (TypeError, OverflowError) as error:
        raise undecodable(f"an embedding holds what is no number: {error}") from error
    if byteorder == "big":
        floats.byteswap()
    return base64.b64encode(floats.tobytes()).decode()
