"""Voyage AI: embeddings of texts and pictures, reranking."""

from __future__ import annotations

import re
from typing import Any

import attrs
from modelmesh_core import Failure, FailureKind, HttpResponse, Json, Operation, ProviderCall, ProviderSettings, as_text

from .embedding import EmbeddingProvider, image_of, inputs_of, parts_of

_EMBED = frozenset(
    {"input", "input_type", "dimensions", "encoding_format", "truncation", "output_dimension", "output_dtype"}
)
_RERANK = frozenset({"query", "documents", "top_n", "return_documents", "truncation"})
_UNKNOWN_MODEL = re.compile(r"model .{1,80} is not supported", re.IGNORECASE)
_TOO_LONG = re.compile(r"(?:tokens|length|batch).{0,80}(?:exceed|limit|too (?:long|many|large))", re.IGNORECASE)


class Voyage(EmbeddingProvider):
    """``voyage.embeddings.v1``."""

    operations = frozenset({Operation.EMBEDDINGS, Operation.RERANK})

    def __init__(self, settings: ProviderSettings) -> None:
        base_url = settings.base_url or "https://api.voyageai.com/v1"
        super().__init__(attrs.evolve(settings, base_url=base_url))

    def url(self, call: ProviderCall, path: str) -> str:
        return self.base_url + ("/multimodalembeddings" if _is_multimodal(call) else path)

    def prepare(self, call: ProviderCall) -> Json:
        if call.operation is Operation.RERANK:
            body = self.agreed(call, _RERANK)
            if "top_n" in body:
                body["top_k"] = body.pop("top_n")
            return body
        body = self.agreed(call, _EMBED)
        if "dimensions" in body:
            body["output_dimension"] = body.pop("dimensions")
        if body.get("encoding_format") == "float":  # what comes without one
            del body["encoding_format"]
        if _is_multimodal(call):
            body.pop("input", None)
            body["inputs"] = [{"content": _content(one)} for one in inputs_of(call.body)]
            if "encoding_format" in body:
                body["output_encoding"] = body.pop("encoding_format")
        return body

    def failure(self, response: HttpResponse) -> Failure:
        failure = super().failure(response)
        if failure.status != 400:
            return failure
        if _UNKNOWN_MODEL.search(failure.message):
            return attrs.evolve(failure, kind=FailureKind.MODEL_NOT_FOUND)
        return attrs.evolve(failure, kind=FailureKind.CONTEXT_LENGTH) if _TOO_LONG.search(failure.message) else failure


def _is_multimodal(call: ProviderCall) -> bool:
    if call.operation is not Operation.EMBEDDINGS:
        return False
    return "multimodal" in call.upstream_model or any(parts_of(one) for one in inputs_of(call.body))


def _content(value: Any) -> list[Json]:
    return [_part(part) for part in parts_of(value)] or [{"type": "text", "text": as_text(value)}]


def _part(part: Json) -> Json:
    if part.get("type") == "text":
        return {"type": "text", "text": as_text(part.get("text"))}
    url = image_of(part)
    kind = "image_base64" if url.startswith("data:") else "image_url"
    return {"type": kind, kind: url}
