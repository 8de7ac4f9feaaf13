"""One small function for each endpoint of the API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter

import orjson

from ..dialects import AnthropicMessages, OpenAIResponses
from ..interfaces.records import DecisionRecord
from ..listing import find_model, list_models
from ..wire.messages import Delivery, Request
from .exchange import Exchange, HeaderList
from .operations import OPERATIONS, operation_request
from .policy import Policy
from .requests import chat_request, native_request
from .story import story_headers
from .streaming import send_events

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


async def _chat(exchange: Exchange, policy: Policy, request: Request) -> None:
    """A chat completion, in whichever dialect it was asked for."""
    if request.delivery is not Delivery.STREAMING:
        await _complete(exchange, policy, request)
        return
    writer = exchange.dialect.writer(request.native or request.body)
    async with exchange.until_gone():
        reply = await policy.router.stream(request)
        await send_events(exchange, reply, _story(exchange, reply.record), policy.redact, writer)


async def operation(exchange: Exchange, policy: Policy) -> None:
    """Everything that is asked and answered once: see OPERATIONS."""
    await _complete(exchange, policy, await operation_request(exchange, policy))


async def _complete(exchange: Exchange, policy: Policy, request: Request) -> None:
    async with exchange.until_gone():
        completion = await policy.router.complete(request)
    reply, story = completion.reply, _story(exchange, completion.record)
    if reply.content is not None:
        media_type = (reply.media_type or "application/octet-stream").encode("latin-1", "replace")
        await exchange.answer(200, reply.content, story, media_type)
        return
    if reply.raw is not None and reply.dialect is request.dialect:
        await exchange.answer(200, reply.raw, story)
        return
    body = exchange.dialect.from_chat(reply.body, request.native or request.body)
    await exchange.answer(200, orjson.dumps(body), story)


def _story(exchange: Exchange, record: DecisionRecord) -> HeaderList:
    overhead = perf_counter() - exchange.started - record.upstream_seconds
    return story_headers(record.attempts, overhead, record.answered_by)


async def models(exchange: Exchange, policy: Policy) -> None:
    await exchange.answer(200, orjson.dumps({"object": "list", "data": list_models(policy.engine)}))


async def model(exchange: Exchange, policy: Policy) -> None:
    name = exchange.path.removeprefix(MODELS + "/")
    await exchange.answer(200, orjson.dumps(find_model(policy.engine, name)))


ROUTES: dict[tuple[str, str], Handler] = {
    ("POST", "/v1/chat/completions"): chat_completions,
    ("POST", "/v1/messages"): messages,
    ("POST", "/v1/responses"): responses,
    **{("POST", path): operation for path in OPERATIONS},
    ("GET", MODELS): models,
    ("GET", MODELS + "/"): model,
}
"""A path that ends in a slash stands for everything below it."""
