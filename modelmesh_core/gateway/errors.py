"""Errors as answers: the right status, an OpenAI-shaped body, and nothing that is only the operator's to know."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from time import perf_counter
from typing import Any

import attrs
import orjson

from ..errors import (
    AllProvidersExhaustedError,
    BudgetExceededError,
    CapabilityNotFoundError,
    Failure,
    FailureKind,
    InvalidRequestError,
    KeyLimitError,
    ModelMeshError,
    PermissionDeniedError,
    ProviderError,
    RoutingError,
)
from ..interfaces.records import AttemptRecord
from ..wire.messages import Dialect
from ..wire.shapes import as_object
from .channel import HeaderList
from .exchange import Exchange
from .redaction import Redactor
from .refusals import Refusal
from .story import story_headers, who_headers

logger = logging.getLogger("modelmesh.gateway")

_FOR_THE_OPERATOR = {
    FailureKind.AUTHENTICATION: "the provider refused the gateway's key or its billing",
    FailureKind.CONNECTION: "the provider could not be reached",
    FailureKind.UNDECODABLE: "the provider sent an answer that makes no sense",
}
"""Failures whose own text is about the operator's accounts and network: callers are told this instead."""


@attrs.frozen
class ErrorAnswer:
    """What a caller is told."""

    status: int
    body: bytes
    headers: HeaderList


_CALLERS = (CapabilityNotFoundError, RoutingError, BudgetExceededError, KeyLimitError, PermissionDeniedError)
"""What a caller may read as it is."""


def error_answer(error: BaseException, exchange: Exchange, redact: Redactor) -> ErrorAnswer:
    """The answer to a request that ended in ``error``, in the caller's dialect.

    What nobody foresaw is logged under the request's id.
    """
    answer = chat_error(error, exchange, redact)
    dialect = exchange.dialect
    if dialect.dialect is Dialect.OPENAI_CHAT:
        return answer
    told: Any = orjson.loads(answer.body).get("error")
    body = dialect.error(answer.status, as_object(told), exchange.request_id)
    return attrs.evolve(answer, body=orjson.dumps(body))


def chat_error(error: BaseException, exchange: Exchange, redact: Redactor) -> ErrorAnswer:
    """The same in the OpenAI shape."""
    if isinstance(error, Refusal):
        headers = [(name.encode(), value.encode("latin-1")) for name, value in error.headers.items()]
        return ErrorAnswer(error.status, _dumped(error.body, redact), headers)
    if isinstance(error, ProviderError):
        return _provider_answer(error, exchange, redact)
    if isinstance(error, _CALLERS):
        body = _body(str(error), error)
        if isinstance(error, AllProvidersExhaustedError):
            body = _body(_what_was_tried(error), error)
        elif isinstance(error, CapabilityNotFoundError):
            body["error"]["param"] = "model"
        return ErrorAnswer(error.status_code, _dumped(body, redact), _headers(error, error.status_code, exchange))
    logger.error("request %s failed unexpectedly", exchange.request_id, exc_info=error)
    message = f"internal error, see the log under request id {exchange.request_id}"
    return ErrorAnswer(500, _dumped(Refusal(500, message, code="internal_error").body, redact), [])


def _provider_answer(error: ProviderError, exchange: Exchange, redact: Redactor) -> ErrorAnswer:
    """The provider's own words where the request is at fault, so that the caller can mend it."""
    status = error.status_code
    if isinstance(error, InvalidRequestError):
        status = error.failure.status or 400
        body = error.body
    else:
        where = f"{error.model} at {error.provider}: " if error.model else ""
        body = _body(where + _public(error.failure), error)
    return ErrorAnswer(status, _dumped(body, redact), _headers(error, status, exchange))


def _public(failure: Failure) -> str:
    return _FOR_THE_OPERATOR.get(failure.kind, failure.message)


def _what_was_tried(error: AllProvidersExhaustedError) -> str:
    attempts: Sequence[AttemptRecord] = error.attempts
    tries = [f"{a.model} at {a.provider}: {_public(a.failure)}" for a in attempts if a.failure is not None]
    hint = f" {error.hint}" if error.hint else ""
    return f"all {len(attempts)} attempts failed: {'; '.join(tries)}.{hint}"


def _body(message: str, error: ModelMeshError) -> dict[str, Any]:
    return {"error": {"message": message, "type": error.error_type, "param": None, "code": error.code}}


def _dumped(body: dict[str, Any], redact: Redactor) -> bytes:
    return redact(orjson.dumps(body).decode()).encode()


def _headers(error: ModelMeshError, status: int, exchange: Exchange) -> HeaderList:
    headers = _attempt_headers(error, exchange)
    wait: float | None = getattr(error, "retry_after", None)
    if wait is not None and status in (429, 503):
        milliseconds = round(wait * 1000)
        headers.append((b"retry-after", b"%d" % math.ceil(milliseconds / 1000)))
        headers.append((b"retry-after-ms", b"%d" % milliseconds))
    if isinstance(error, AllProvidersExhaustedError):
        headers.append((b"x-should-retry", b"false"))
    return headers


def _attempt_headers(error: ModelMeshError, exchange: Exchange) -> HeaderList:
    attempts: Sequence[AttemptRecord] = getattr(error, "attempts", ())
    if not attempts and isinstance(error, ProviderError):  # there were some, but it does not say how many
        return who_headers(error.model, error.provider)
    upstream = sum(attempt.ended - attempt.started for attempt in attempts if attempt.ended is not None)
    return story_headers(attempts, perf_counter() - exchange.started - upstream)
