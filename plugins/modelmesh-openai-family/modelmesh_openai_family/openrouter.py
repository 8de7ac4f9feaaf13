"""OpenRouter: one gateway to many vendors, whose errors and reasoning come with theirs inside."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import attrs
import orjson
from modelmesh_core import (
    CatalogueModel,
    Failure,
    FailureKind,
    HttpRequest,
    HttpResponse,
    Operation,
    Pricing,
    ProviderCall,
    as_list,
    as_object,
    as_text,
    failure_of_error,
    reset_seconds,
)

from .answers import Body
from .pictures import data_urls
from .provider import FamilyProvider

FORMATS = frozenset(
    {
        "unknown",
        "openai-responses-v1",
        "azure-openai-responses-v1",
        "xai-responses-v1",
        "anthropic-claude-v1",
        "google-gemini-v1",
    }
)
"""Of the reasoning blocks that it gives out, and takes back."""


class OpenRouter(FamilyProvider):
    """``openrouter.gateway.v1``."""

    def prepare(self, call: ProviderCall) -> Body:
        body = super().prepare(call)
        if call.operation is Operation.IMAGES:
            urls = data_urls(body.pop("image", None), "image")
            if urls:
                body["input_references"] = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
        if call.operation is not Operation.CHAT:
            return body
        thinking = as_object(body.pop("thinking", None))
        if thinking and "reasoning" not in body:
            body["reasoning"] = _reasoning(thinking)
        if isinstance(body.get("messages"), list):
            body["messages"] = [_own_blocks(message) for message in as_list(body["messages"])]
        return body

    def describe(self, row: Mapping[str, object], model: CatalogueModel) -> CatalogueModel:
        """Its list has prices: USD a token, as text; below zero where they depend on the model that is taken."""
        prices = as_object(row.get("pricing"))
        found = {name: _per_million(prices.get(key)) for name, key in _PRICES.items()}
        return attrs.evolve(model, pricing=Pricing(**found)) if found["input"] is not None else model

    def check_health(self) -> Generator[HttpRequest, HttpResponse, None]:
        """What the key is good for: the list of models is there for everybody."""
        response = yield HttpRequest("GET", f"{self.base_url}/key", self.headers)
        if not 200 <= response.status < 300:
            raise self.error(response)

    def failure(self, response: HttpResponse) -> Failure:
        failure = super().failure(response)
        error = as_object(as_object(failure.body).get("error"))
        told = as_object(error.get("metadata"))
        inner = _text_of(told.get("raw"))
        if inner:
            vendor = as_text(told.get("provider_name")) or "its provider"
            message = f"{failure.message} ({vendor}: {inner[:1000]})"
            meant = failure_of_error({"code": response.status, "message": inner}, failure.body)
            kind = meant.kind if response.status in (400, 413, 422) else failure.kind
            wait = failure.retry_after if failure.retry_after is not None else meant.retry_after
            failure = attrs.evolve(failure, message=message, kind=kind, retry_after=wait)
        if response.status == 403 and (told.get("reasons") or told.get("flagged_input")):
            return attrs.evolve(failure, kind=FailureKind.CONTENT_FILTER)
        if failure.kind is FailureKind.RATE_LIMIT and failure.retry_after is None:
            return attrs.evolve(failure, retry_after=_reset(as_object(told.get("headers")), response.received_at))
        return failure


def _reasoning(thinking: Body) -> Body:
    if thinking.get("type") == "disabled":
        return {"enabled": False}
    budget = thinking.get("budget_tokens")
    return {"max_tokens": budget} if isinstance(budget, int) else {"enabled": True}


def _own_blocks(message: Any) -> Any:
    """``message`` without reasoning blocks that were made elsewhere: their signatures hold for their maker only."""
    given = as_object(message)
    blocks = as_list(given.get("reasoning_details"))
    if not blocks:
        return message
    own = [block for block in blocks if as_object(block).get("format") in (FORMATS | {None})]
    if len(own) == len(blocks):
        return message
    rest = {key: value for key, value in given.items() if key != "reasoning_details"}
    return {**rest, "reasoning_details": own} if own else rest


def _text_of(raw: Any) -> str:
    """What the vendor behind said: its own message, where its body can be read, else the body."""
    if isinstance(raw, str):
        try:
            decoded = orjson.loads(raw)
        except ValueError:
            return raw
    else:
        decoded = raw
    error = as_object(decoded).get("error")
    message = as_text(as_object(error).get("message")) or as_text(error) or as_text(as_object(decoded).get("message"))
    return message or as_text(raw) or (orjson.dumps(raw).decode() if raw else "")


def _reset(headers: Body, now: float) -> float | None:
    found = next((headers[name] for name in headers if name.lower() == "x-ratelimit-reset"), None)
    return None if found is None else reset_seconds(str(found), now)


_PRICES = {"input": "prompt", "output": "completion", "cached_input": "input_cache_read"}


def _per_million(price: object) -> Decimal | None:
    try:
        usd = Decimal(as_text(price)) * 1_000_000
    except InvalidOperation:
        return None
    return usd if usd.is_finite() and usd >= 0 else None
