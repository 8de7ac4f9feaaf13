"""The endpoints for what providers keep: files, batches, stored answers. They go on, and come back, as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ..execution.resources import ResourceCall
from ..interfaces.provider import ResourceRequest
from ..wire.messages import Operation
from ..wire.stored import Content, StoredBytes
from .exchange import Exchange
from .policy import Policy
from .refusals import Refusal
from .requests import LONGEST_NAME, decode_body, timeout_of, trace_of

RESOURCES: Mapping[tuple[str, str], Operation] = {
    ("GET", "/v1/chat/completions"): Operation.STORED_COMPLETIONS,
    ("GET", "/v1/chat/completions/{id}"): Operation.STORED_COMPLETIONS,
    ("POST", "/v1/chat/completions/{id}"): Operation.STORED_COMPLETIONS,
    ("DELETE", "/v1/chat/completions/{id}"): Operation.STORED_COMPLETIONS,
    ("GET", "/v1/chat/completions/{id}/messages"): Operation.STORED_COMPLETIONS,
    ("GET", "/v1/responses/{id}"): Operation.RESPONSES,
    ("DELETE", "/v1/responses/{id}"): Operation.RESPONSES,
    ("POST", "/v1/responses/{id}/cancel"): Operation.RESPONSES,
    ("GET", "/v1/responses/{id}/input_items"): Operation.RESPONSES,
    ("GET", "/v1/files"): Operation.FILES,
    ("POST", "/v1/files"): Operation.FILES,
    ("GET", "/v1/files/{id}"): Operation.FILES,
    ("DELETE", "/v1/files/{id}"): Operation.FILES,
    ("GET", "/v1/files/{id}/content"): Operation.FILES,
    ("GET", "/v1/batches"): Operation.BATCH,
    ("POST", "/v1/batches"): Operation.BATCH,
    ("GET", "/v1/batches/{id}"): Operation.BATCH,
    ("POST", "/v1/batches/{id}/cancel"): Operation.BATCH,
    ("DELETE", "/v1/models/{*id}"): Operation.MODELS,
}
"""What is asked for at a path of the API. Where an object is named, its provider is found."""
_MADE_OF = "input_file_id"
"""Names, in a body, the object that a new one is made of."""


async def resource_call(exchange: Exchange, policy: Policy) -> ResourceCall:
    """The call that the exchange is. Raises Refusal for what no provider could understand."""
    method = "GET" if exchange.method == "HEAD" else exchange.method
    operation = RESOURCES[method, exchange.route]
    content = await exchange.read_upload(policy.config.max_body)
    media_type = exchange.header(b"content-type")
    object_id = exchange.arguments.get("id")
    lists = method == "GET" and object_id is None
    if lists:
        object_id = exchange.query_value("after")
    elif object_id is None:
        object_id = _made_of(content, media_type)
    elif len(object_id) > LONGEST_NAME:
        raise Refusal(400, f"an id has at most {LONGEST_NAME} characters", param="id", code="invalid_value")
    return ResourceCall(
        operation,
        ResourceRequest(
            method,
            _path(exchange.route, exchange.arguments),
            exchange.query.decode("latin-1"),
            content or None,
            media_type if content else None,
        ),
        object_id,
        lists,
        exchange.header(b"x-modelmesh-provider") or None,
        exchange.request_id,
        timeout_of(exchange),
        exchange.key,
        *trace_of(exchange),
    )


def _path(route: str, arguments: Mapping[str, str]) -> str:
    """Below a provider's root. What the caller put into it stays one piece of it."""
    pieces = route.removeprefix("/v1").split("/")
    return "/".join(_quoted(arguments[piece.strip("{*}")]) if piece.startswith("{") else piece for piece in pieces)


def _quoted(text: str) -> str:
    # Dots alone would be taken for a way through the folders by whatever stands before the provider.
    return quote(text, safe="") if text.strip(".") else text.replace(".", "%2E")


def _made_of(content: Content, media_type: str) -> str | None:
    is_json = media_type.lower().startswith("application/json")
    if not content or not is_json or isinstance(content, StoredBytes):  # what makes a batch is short
        return None
    named: Any = decode_body(content).get(_MADE_OF)
    return named if isinstance(named, str) else None
