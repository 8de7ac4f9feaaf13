"""One small function for each endpoint of the API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter

import orjson

from ..dialects import ChatCompletions
from ..interfaces.records import DecisionRecord
from ..listing import find_model, list_models
from ..wire.messages import Delivery, Request
from .exchange import Exchange, HeaderList
from .policy import Policy
from .requests import chat_request, embeddings_request
from .story import story_headers
from .streaming import send_events

Handler = Callable[[Exchange, Policy], Awaitable[None]]

MODELS = "/v1/models"
CHAT = ChatCompletions()


async def chat_completions(exchange: Exchange, policy: Policy) -> None:
    request = chat_request(exchange, await exchange.read_body(policy.config.max_body))
    if request.delivery is not Delivery.STREAMING:
        await _complete(exchange, policy, request)
        return
    async with exchange.until_gone():
        reply = await policy.router.stream(request)
        await send_events(exchange, reply, _story(exchange, reply.record), policy.redact, CHAT.writer(request.body))


async def embeddings(exchange: Exchange, policy: Policy) -> None:
    request = embeddings_request(exchange, await exchange.read_body(policy.config.max_body))
    await _complete(exchange, policy, request)


async def _complete(exchange: Exchange, policy: Policy, request: Request) -> None:
    async with exchange.until_gone():
        completion = await policy.router.complete(request)
    reply = completion.reply
    body = reply.raw if reply.raw is not None else orjson.dumps(reply.body)
    await exchange.answer(200, body, _story(exchange, completion.record))


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
    ("POST", "/v1/embeddings"): embeddings,
    ("GET", MODELS): models,
    ("GET", MODELS + "/"): model,
}
"""A path that ends in a slash stands for everything below it."""
