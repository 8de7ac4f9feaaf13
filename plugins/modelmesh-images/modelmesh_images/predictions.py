"""Replicate's predictions: made, and asked for until they are done."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from urllib.parse import quote

import attrs
from modelmesh_core import (
    Failure,
    FailureKind,
    HttpRequest,
    HttpResponse,
    Json,
    LimitReport,
    ProviderCall,
    ProviderError,
    ProviderSettings,
    VendorProvider,
    as_text,
    object_of,
    poll_delays,
    provider_error,
    reset_seconds,
)

_PENDING = frozenset({"starting", "processing", "queued"})
_REFUSED = re.compile(r"nsfw|flagged (?:as|by)|\(E005\)|content polic|moderation|safety system|sensitive", re.I)
_MISTAKEN = re.compile(r"validation|invalid (?:input|value|image)|\(E006\)|is required|must be", re.I)
_RESETS = re.compile(r"resets in ~?(\d{1,6})\s?s")


class Predictions(VendorProvider):
    """An account at Replicate."""

    title = "Replicate"

    def __init__(self, settings: ProviderSettings) -> None:
        super().__init__(settings, "https://api.replicate.com")
        self.base_url = self.base_url.removesuffix("/v1")

    def check_health(self) -> Generator[HttpRequest, HttpResponse, None]:
        """Asks for the account."""
        yield from self.ask(self.request("GET", "/v1/account"))

    def predict(
        self, call: ProviderCall, arguments: Json
    ) -> Generator[HttpRequest, HttpResponse, tuple[Json, HttpResponse]]:
        """A finished prediction, with the response to its creation. Raises ProviderError for one that failed."""
        path, version = where_of(call.upstream_model)
        headers = {"prefer": "wait"}
        first = yield from self.ask(self.request("POST", path, json={**version, "input": arguments}, headers=headers))
        response, prediction, polls = first, object_of(first), poll_delays()
        identity = as_text(prediction.get("id"))
        # The answer names an address to ask, on whatever host: the one that is known is used.
        home = f"/v1/predictions/{quote(identity, safe='')}"
        while (status := as_text(prediction.get("status"))) in _PENDING and identity:
            response = yield from self.ask(self.request("GET", home, delay=next(polls)))
            prediction = object_of(response)
        if status in ("failed", "canceled", "aborted"):
            raise failed(prediction)
        if status not in ("succeeded", "successful"):
            raise self.undecodable(response, "a prediction's id and status")
        return prediction, first

    def failure(self, response: HttpResponse) -> Failure:
        """What an answer means that is no success; how long to wait stands in its text."""
        failure = super().failure(response)
        resets = _RESETS.search(failure.message)
        if failure.kind is not FailureKind.RATE_LIMIT or failure.retry_after is not None or not resets:
            return failure
        return attrs.evolve(failure, retry_after=float(resets[1]))


def where_of(model: str) -> tuple[str, Json]:
    """``owner/name`` has a path of its own; ``owner/name:version``, or a version alone, goes with the request."""
    name, _, version = model.partition(":")
    if not version and "/" in name:
        return f"/v1/models/{'/'.join(quote(part, safe='') for part in name.split('/', 1))}/predictions", {}
    return "/v1/predictions", {"version": version or name}


def failed(prediction: Json) -> ProviderError:
    """A prediction that came to nothing."""
    status = as_text(prediction.get("status"))
    message = as_text(prediction.get("error")) or f"the prediction was {status}, and no reason was given"
    kind = FailureKind.SERVER
    if status == "failed" and _REFUSED.search(message):
        kind = FailureKind.CONTENT_FILTER
    elif status == "failed" and _MISTAKEN.search(message):
        kind = FailureKind.INVALID_REQUEST
    code = 400 if kind is not FailureKind.SERVER else None
    return provider_error(Failure(kind, message, status=code, code=f"prediction_{status}", body=prediction))


def limits_of(response: HttpResponse) -> Mapping[str, LimitReport]:
    """How many more predictions may be made, by ``ratelimit-remaining`` and ``ratelimit-reset``."""
    left = response.headers.get("ratelimit-remaining", "")
    if not (left.isascii() and left.isdecimal() and len(left) < 19):
        return {}
    reset = reset_seconds(response.headers.get("ratelimit-reset"), response.received_at)
    return {"requests": LimitReport(None, int(left), reset)}
