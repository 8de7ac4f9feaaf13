"""The endpoints beside chat: what each operation needs in its body, and which model serves it where none is named."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import attrs
import orjson

from ..wire.messages import Body, Delivery, Operation, Request
from ..wire.stored import StoredBytes
from .exchange import Exchange
from .forms import Part, read_form
from .policy import Policy
from .refusals import Refusal
from .requests import decode_body, from_caller, mistake, optional, required_name

_KINDS: Mapping[str, tuple[Any, str]] = {
    "input": ((str, list), "a text or a list"),
    "documents": (list, "a list of texts"),
    "query": (str, "a text"),
    "prompt": (str, "a text"),
}


@attrs.frozen
class OperationEndpoint:
    """One endpoint."""

    operation: Operation
    capability: str
    """Asked for where the body names no model."""
    required: tuple[str, ...]
    is_form: bool = False
    """Whether files are uploaded to it."""
    kinds: Mapping[str, tuple[Any, str]] = attrs.field(default=_KINDS, repr=False)
    """Of what is required: its type, and that type in words."""


OPERATIONS = {
    "/v1/completions": OperationEndpoint(
        Operation.TEXT_COMPLETION,
        "text-completion",
        ("model", "prompt"),
        kinds={"prompt": ((str, list), "a text or a list")},
    ),
    "/v1/embeddings": OperationEndpoint(Operation.EMBEDDINGS, "text-embeddings", ("model", "input")),
    "/v1/moderations": OperationEndpoint(Operation.MODERATION, "content-moderation", ("input",)),
    "/v1/rerank": OperationEndpoint(Operation.RERANK, "reranking", ("query", "documents")),
    "/v1/search": OperationEndpoint(Operation.SEARCH, "web-search", ()),
    "/v1/images/generations": OperationEndpoint(Operation.IMAGES, "text-to-image", ("prompt",)),
    "/v1/images/edits": OperationEndpoint(Operation.IMAGES, "image-to-image", ("prompt", "image"), is_form=True),
    "/v1/images/variations": OperationEndpoint(Operation.IMAGES, "image-to-image", ("image",), is_form=True),
    "/v1/audio/speech": OperationEndpoint(Operation.SPEECH, "text-to-speech", ("input",)),
    "/v1/audio/transcriptions": OperationEndpoint(Operation.TRANSCRIPTION, "speech-to-text", ("file",), is_form=True),
    "/v1/audio/translations": OperationEndpoint(Operation.AUDIO_TRANSLATION, "speech-to-text", ("file",), is_form=True),
}


async def operation_request(exchange: Exchange, policy: Policy) -> Request:
    """The request that the exchange is. Raises Refusal for what no provider could understand."""
    endpoint = OPERATIONS[exchange.path]
    limit = policy.config.max_body
    is_form = endpoint.is_form and exchange.header(b"content-type").lower().startswith("multipart/")
    if is_form:
        raw, body = None, await _read_form(exchange, limit, is_stored="file" in endpoint.required)
    else:
        raw = await exchange.read_body(limit)
        body = decode_body(raw)
    for name in endpoint.required:
        value = body.get(name)
        if value in (None, "", b"", []) or (isinstance(value, StoredBytes) and not value):
            raise Refusal(400, f"{name} is missing", param=name, code="missing_required_parameter")
        kind, expected = endpoint.kinds.get(name, (object, ""))
        if not isinstance(body[name], kind):
            raise mistake(name, expected, body[name])
    if endpoint.operation is Operation.SEARCH and not (body.get("query") or body.get("url")):
        raise Refusal(400, "query is missing", param="query", code="missing_required_parameter")
    is_streaming = optional(body, "stream", bool, "true or false") is True
    is_streaming = is_streaming or (endpoint.operation is Operation.SPEECH and body.get("stream_format") == "sse")
    options: Body = optional(body, "stream_options", dict, "an object") or {}
    model = required_name(body) if body.get("model") is not None else endpoint.capability
    delivery = Delivery.STREAMING if is_streaming else Delivery.SYNCHRONOUS
    includes_usage = options.get("include_usage") is True
    request = Request(
        endpoint.operation, model, body, delivery, capability=endpoint.capability, include_usage=includes_usage, raw=raw
    )
    return from_caller(request, exchange)


_FILES = frozenset({"file", "image", "mask"})
_TEXTS = frozenset({"model", "prompt", "language", "user"})


async def _read_form(exchange: Exchange, limit: int, *, is_stored: bool) -> Body:
    """The form as a body. With ``is_stored`` a large one goes to the disk, and its file stays there."""
    media_type = exchange.header(b"content-type")
    if not is_stored:
        return _form_body(read_form(await exchange.read_body(limit), media_type))
    content = await exchange.read_upload(limit)
    if isinstance(content, bytes):
        return _form_body(read_form(content, media_type))
    return await asyncio.to_thread(lambda: _form_body(read_form(content, media_type)))


def _form_body(parts: list[Part]) -> Body:
    """A form as the body that its JSON would be; names that end in ``[]`` gather a list."""
    body: Body = {}
    for part in parts:
        name = part.name.removesuffix("[]")
        value: Any = part.content if name in _FILES else _value(name, part.text)
        if name == "file":
            body["filename"] = part.filename or "file"
            if part.media_type:
                body["media_type"] = part.media_type
        if part.name.endswith("[]") or name in body:
            known = body.get(name, [])
            body[name] = [*(known if isinstance(known, list) else [known]), value]
        else:
            body[name] = value
    return body


def _value(name: str, text: str) -> Any:
    """A form has only texts; numbers and truths among them are what they look like."""
    if name in _TEXTS:
        return text
    try:
        value: Any = orjson.loads(text)
    except ValueError:
        return text
    # What would not read the same when it is written again is a text that only looks like a number.
    is_plain = isinstance(value, (bool, int, float)) and orjson.dumps(value).decode() == text
    return value if is_plain else text
