"""Hugging Face: a router for chat; embeddings and pictures at its own inference service, in a shape of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from modelmesh_core import (
    Flow,
    HttpRequest,
    HttpResponse,
    LimitReport,
    Operation,
    ProviderCall,
    Reply,
    Usage,
    as_list,
    as_text,
)

from .answers import Body
from .json_calls import JsonCalls
from .pictures import data_urls

_POLICY = re.compile(r'(?:"[^"]*"|[\w-]+)\s*;\s*r=(\d+)(?:\s*;\s*t=(\d+(?:\.\d+)?))?')
_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})", re.ASCII)


class HuggingFace(JsonCalls):
    """``huggingface.inference.v1``."""

    def execute(self, call: ProviderCall) -> Flow:
        if call.operation is Operation.EMBEDDINGS:
            return self._embed(call)
        return self._paint(call) if call.operation is Operation.IMAGES else super().execute(call)

    def limits(self, response: HttpResponse) -> Mapping[str, LimitReport]:
        """``ratelimit: "api";r=999;t=295``, beside what the vendor behind reports."""
        headroom = dict(super().limits(response))
        match = _POLICY.search(response.headers.get("ratelimit", ""))
        if match is not None:
            headroom["requests"] = LimitReport(
                remaining=int(match[1]), reset_after=float(match[2]) if match[2] else None
            )
        return headroom

    def _model_url(self, call: ProviderCall) -> str:
        root = self.base_url.removesuffix("/v1")
        return f"{root}/hf-inference/models/{quote(call.upstream_model, safe='/')}"

    def _embed(self, call: ProviderCall) -> Flow:
        given = call.body.get("input")
        inputs: list[Any] = as_list(given) if isinstance(given, list) else [given]
        for name in ("dimensions", "input_type"):
            if call.body.get(name) is not None:
                call.drop(name)
        response = yield self.json_call(f"{self._model_url(call)}/pipeline/feature-extraction", {"inputs": inputs})
        rows = as_list(self.checked(response).json())
        if len(rows) != len(inputs) or not all(_is_vector(row) for row in rows):
            raise self.undecodable(response, "an embedding for each input")
        data = [{"object": "embedding", "index": index, "embedding": row} for index, row in enumerate(rows)]
        body: Body = {"object": "list", "data": data, "model": call.upstream_model}
        return Reply(body, headroom=self.limits(response), headers=response.headers)

    def _paint(self, call: ProviderCall) -> Flow:
        response = yield self._painting(call)
        kind = self.checked(response).headers.get("content-type", "")
        if not kind.startswith("image/") or not response.body:
            raise self.undecodable(response, "a picture")
        picture = data_urls(response.body, "image")[0].partition(",")[2]
        body: Body = {"created": int(response.received_at), "data": [{"b64_json": picture}]}
        return Reply(body, usage=Usage(images=1), headroom=self.limits(response), headers=response.headers)

    def _painting(self, call: ProviderCall) -> HttpRequest:
        known = {"model", "prompt", "size", "n", "response_format", "stream", "user"}
        for name in ("image", "images", "mask", "quality"):
            if call.body.get(name) is not None:
                call.drop(name)
        if call.body.get("n") not in (None, 1):
            call.drop("n")
        parameters = {name: value for name, value in call.body.items() if name not in known and not _is_foreign(name)}
        if size := _SIZE.fullmatch(as_text(call.body.get("size"))):
            parameters |= {"width": int(size[1]), "height": int(size[2])}
        body: Mapping[str, Any] = {"inputs": call.body.get("prompt"), "parameters": parameters}
        return self.json_call(self._model_url(call), body)


def _is_foreign(name: str) -> bool:
    return name in ("image", "images", "mask", "quality")


def _is_vector(row: Any) -> bool:
    return bool(as_list(row)) and all(isinstance(number, (int, float)) for number in as_list(row))
