"""Anthropic's errors → Failure."""

from __future__ import annotations

import re
from typing import Any

import attrs
from modelmesh_core import (
    Failure,
    FailureKind,
    HttpResponse,
    Json,
    as_object,
    as_text,
    failure_of_error,
    failure_of_response,
)

from .limits import exhausted_wait, headroom_of, seconds_until

_BY_TYPE = {
    "authentication_error": FailureKind.AUTHENTICATION,
    "permission_error": FailureKind.AUTHENTICATION,
    "billing_error": FailureKind.AUTHENTICATION,
    "not_found_error": FailureKind.MODEL_NOT_FOUND,
    "request_too_large": FailureKind.CONTEXT_LENGTH,
    "rate_limit_error": FailureKind.RATE_LIMIT,
    "overloaded_error": FailureKind.SERVER,
    "api_error": FailureKind.SERVER,
    "timeout_error": FailureKind.SERVER,
}
_BY_TEXT = (
    (re.compile(r"credit balance is too low|plans & billing", re.IGNORECASE), FailureKind.AUTHENTICATION),
    (re.compile(r"reached your (?:specified )?\w* ?(?:API )?usage limits?", re.IGNORECASE), FailureKind.QUOTA),
    (
        re.compile(
            r"prompt is too long|exceeds? (?:the )?(?:model's )?(?:maximum )?context|input is too long"
            r"|request (?:size )?exceeds the maximum|too many tokens in",
            re.IGNORECASE,
        ),
        FailureKind.CONTEXT_LENGTH,
    ),
    (re.compile(r"blocked by (?:our )?content filter", re.IGNORECASE), FailureKind.CONTENT_FILTER),
)
"""Sentences that say more than ``invalid_request_error``, which they come with."""
_REGAINED = re.compile(r"regain access on (\d{4}-\d\d-\d\d)(?: at (\d\d:\d\d))?")


def failure_of_answer(response: HttpResponse) -> Failure:
    """What a response that is no success means."""
    failure = failure_of_response(response)
    failure = _refined(failure, _error_of(failure.body), response.received_at)
    wait = failure.retry_after
    if wait is None and failure.kind is FailureKind.RATE_LIMIT:
        wait = exhausted_wait(headroom_of(response.headers, response.received_at))
    return attrs.evolve(failure, retry_after=wait)


def failure_of_event(payload: Json, now: float = 0.0) -> Failure:
    """What an error that came with a success status means: in a stream, or in place of an answer."""
    error = _error_of(payload)
    return _refined(failure_of_error(error, payload), error, now)


def _refined(failure: Failure, error: Json, now: float) -> Failure:
    kind = _kind(as_text(error.get("type")), failure)
    wait = failure.retry_after
    if kind is FailureKind.QUOTA and (date := _REGAINED.search(failure.message)):
        wait = seconds_until(f"{date[1]}T{date[2] or '00:00'}:00+00:00", now)
    return attrs.evolve(failure, kind=kind, retry_after=wait)


def _kind(named: str, failure: Failure) -> FailureKind:
    if named == "invalid_request_error" or failure.kind is FailureKind.INVALID_REQUEST:
        return next((kind for pattern, kind in _BY_TEXT if pattern.search(failure.message)), failure.kind)
    if named == "rate_limit_error" and _BY_TEXT[1][0].search(failure.message):
        return FailureKind.QUOTA
    return _BY_TYPE.get(named, failure.kind)


def _error_of(payload: Any) -> Json:
    body = as_object(payload)
    return as_object(body.get("error")) or body
