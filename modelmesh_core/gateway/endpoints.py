"""One small function for each endpoint of the API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter

import orjson

from ..dialects import AnthropicMessages, OpenAIResponses, StreamWriter
from ..interfaces.records import DecisionRecord
from ..listing import find_model, list_models
from ..wire.messages import Delivery, Operation, Reply, Request
from .access import METRICS
from .channel import HeaderList
from .exchange import Exchange
from .metrics import metrics
from .openapi import openapi_document
from .operations import OPERATIONS, operation_request
from .policy import Policy
from .requests import chat_request, native_request
from .resources import RESOURCES, resource_call
from .routes import DOCUMENT, Routes
from .story import resource_headers, story_headers
from .streaming import TypedEvents, send_events

Handler = Callable[[Exchange, Policy], Awaitable[None]]

MODELS = "/v1/models"


async def chat_completions(exchange: Exchange, policy: Policy) -> None:
    await _chat(exchange, policy, chat_request(exchange, await exchange.read_body(policy.config.max_body)))


async def messages(exchange: Exchange, policy: Policy) -> None:
    exchange.dialect = AnthropicMessages()
    await _chat(exchange, policy, native_request(exchange, await exchange.read_body(policy.config.max_body)))


async def responses(exchange: Exchange, policy: Policy) -> None:
    exchange.dialect = OpenAIResponses()
    await _chat(exchange, policy, native_request(exchange, await exchange.read_body(policy.config.max_body)))


def _chat(exchange: Exchange, policy: Policy, request: Request) -> Awaitable[None]:
    """A chat completion, in whichever dialect it was asked for."""
    if request.delivery is not Delivery.STREAMING:
        return _complete(exchange, policy, request)
    return _stream(exchange, policy, request, exchange.dialect.writer(request.native or request.body))


async def _stream(exchange: Exchange, policy: Policy, request: Request, writer: StreamWriter) -> None:
    with exchange.until_gone():
        reply = await policy.router.stream(request)
        await send_events(exchange, reply, _story(exchange, reply.record), policy.redact, writer)


async def operation(exchange: Exchange, policy: Policy) -> None:
    """Everything else that is asked of a model: see OPERATIONS."""
    request = await operation_request(exchange, policy)
    if request.delivery is not Delivery.STREAMING:
        await _complete(exchange, policy, request)
        return
    is_text = request.operation is Operation.TEXT_COMPLETION
    await _stream(exchange, policy, request, exchange.dialect.writer(request.body) if is_text else TypedEvents())


async def _complete(exchange: Exchange, policy: Policy, request: Request) -> None:
    with exchange.until_gone():
        completion = await policy.router.complete(request)
    reply, story = completion.reply, _story(exchange, completion.record)
    if reply.content is not None:
        await _answer_content(exchange, reply, reply.content, story)
        return
    if reply.raw is not None and reply.dialect is request.dialect:
        await exchange.answer(200, reply.raw, story)
        return
    body = exchange.dialect.from_chat(reply.body, request.native or request.body)
    await exchange.answer(200, orjson.dumps(body), story)


async def _answer_content(exchange: Exchange, reply: Reply, content: bytes, story: HeaderList) -> None:
    media_type = (reply.media_type or "application/octet-stream").encode("latin-1", "replace")
    await exchange.answer(200, content, story, media_type)


async def resource(exchange: Exchange, policy: Policy) -> None:
    """What a provider keeps: see RESOURCES."""
    call = await resource_call(exchange, policy)
    with exchange.until_gone():
        answer = await policy.router.resources.ask(call)
    reply, overhead = answer.reply, perf_counter() - exchange.started - answer.record.upstream_seconds
    story = resource_headers(answer.record, overhead)
    if reply.content is not None:
        await _answer_content(exchange, reply, reply.content, story)
        return
    await exchange.answer(200, orjson.dumps(reply.body) if reply.raw is None else reply.raw, story)


def _story(exchange: Exchange, record: DecisionRecord) -> HeaderList:
    overhead = perf_counter() - exchange.started - record.upstream_seconds
    return story_headers(record.attempts, overhead, record.answered_by)


async def models(exchange: Exchange, policy: Policy) -> None:
    await exchange.answer(
        200, orjson.dumps({"object": "list", "data": list_models(policy.engine, exchange.key_limits)})
    )


async def model(exchange: Exchange, policy: Policy) -> None:
    await exchange.answer(200, orjson.dumps(find_model(policy.engine, exchange.arguments["id"], exchange.key_limits)))


async def openapi(exchange: Exchange, policy: Policy) -> None:
    await exchange.answer(200, orjson.dumps(openapi_document(Routes(ROUTES).all, policy.config)))


ROUTES: dict[tuple[str, str], Handler] = {
    ("POST", "/v1/chat/completions"): chat_completions,
    ("POST", "/v1/messages"): messages,
    ("POST", "/v1/responses"): responses,
    **{("POST", path): operation for path in OPERATIONS},
    ("GET", MODELS): models,
    ("GET", MODELS + "/{*id}"): model,
    ("GET", METRICS): metrics,
    ("GET", DOCUMENT): openapi,
    **dict.fromkeys(RESOURCES, resource),
}
"""(method, path) → what answers: see ``Routes``."""
