"""Perplexity: sources, documents by URL, embeddings as packed bytes, and web search without a model."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from modelmesh_core import (
    Flow,
    HttpRequest,
    Operation,
    ProviderCall,
    Reply,
    as_list,
    as_object,
    as_text,
    refused,
)

from .answers import Body
from .json_calls import JsonCalls
from .sourced import Sourced

_SEARCH_NAMES = {"max_results": "max_results", "country": "country", "time_range": "search_recency_filter"}


class Perplexity(JsonCalls, Sourced):
    """``perplexity.search.v1``."""

    def execute(self, call: ProviderCall) -> Flow:
        return self._search(call) if call.operation is Operation.SEARCH else super().execute(call)

    def models_url(self) -> str:
        return f"{self.base_url}/v1/models"

    def prepare(self, call: ProviderCall) -> Body:
        body = super().prepare(call)
        if call.operation is Operation.EMBEDDINGS:
            if body.get("encoding_format") in (None, "float"):
                body.pop("encoding_format", None)
            return body
        if as_object(body.get("response_format")).get("type") == "json_object":
            body["response_format"] = {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}
        messages = body.get("messages")
        if isinstance(messages, list):
            body["messages"] = [_message(one) for one in as_list(messages)]
        return body

    def translate_chunks(self, call: ProviderCall) -> Callable[[Body], Body | None]:
        read = super().translate_chunks(call)
        return lambda chunk: read(_as_chunk(chunk))

    def translate_reply(self, call: ProviderCall, body: Body) -> Body:
        if call.operation is Operation.EMBEDDINGS and call.body.get("encoding_format") in (None, "float"):
            rows = [_unpacked(as_object(row)) for row in as_list(body.get("data"))]
            return {**body, "data": rows} if rows != body.get("data") else body
        return super().translate_reply(call, body)

    def _search(self, call: ProviderCall) -> Flow:
        response = yield self._search_request(call)
        body = self.json_of(response)
        rows = body.get("results")
        if not isinstance(rows, list):
            raise self.undecodable(response, "results")
        results = [_result(as_object(row)) for row in as_list(rows)]
        return Reply({**body, "results": results}, headroom=self.limits(response), headers=response.headers)

    def _search_request(self, call: ProviderCall) -> HttpRequest:
        given = call.body
        if not given.get("query"):
            raise refused("search needs a query: this provider does not read pages by their URL")
        excluded = [f"-{domain}" for domain in as_list(given.get("exclude_domains"))]
        domains = [*as_list(given.get("include_domains")), *excluded]
        ours = {*_SEARCH_NAMES, "include_domains", "exclude_domains", "model", "stream", "url"}
        body = {name: value for name, value in given.items() if name not in ours}
        body |= {own: given[name] for name, own in _SEARCH_NAMES.items() if given.get(name) is not None}
        if domains:
            body["search_domain_filter"] = domains
        return self.json_call(f"{self.base_url}/search", body)


def _result(row: Body) -> Body:
    date = row.get("date") or row.get("last_updated")
    return {**row, "published_at": date} if date else row


def _as_chunk(chunk: Body) -> Body:
    """The last chunk calls itself the end; it is one like the others."""
    return {**chunk, "object": "chat.completion.chunk"} if chunk.get("object") == "chat.completion.done" else chunk


def _message(message: Any) -> Any:
    parts = as_list(as_object(message).get("content"))
    if not any(as_object(part).get("type") == "file" for part in parts):
        return message
    return {**as_object(message), "content": [_part(part) for part in parts]}


def _part(part: Any) -> Any:
    given = as_object(part)
    if given.get("type") != "file":
        return part
    file = as_object(given.get("file"))
    data = as_text(file.get("file_data"))
    url = data.partition(",")[2] if data.startswith("data:") else data or as_text(file.get("file_url"))
    named = {"file_name": file["filename"]} if file.get("filename") else {}
    return {"type": "file_url", "file_url": {"url": url}, **named}


def _unpacked(row: Body) -> Body:
    """Signed bytes in base64 → numbers."""
    if not isinstance(row.get("embedding"), str):
        return row
    try:
        packed = base64.b64decode(row["embedding"], validate=True)
    except ValueError:
        return row
    return {**row, "embedding": [byte - 256 if byte > 127 else byte for byte in packed]}
