"""Cohere's errors and limits → Failure, LimitReport."""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs
from modelmesh_core import (
    Failure,
    FailureKind,
    HttpResponse,
    Json,
    LimitReport,
    as_object,
    as_text,
    failure_of_response,
    headroom_of,
)

Headroom = Mapping[str, LimitReport]
"""Kind of limit → what was reported."""

_CODES = {"too_many_tokens": FailureKind.CONTEXT_LENGTH}
_BY_STATUS = {
    498: FailureKind.CONTENT_FILTER,
    499: FailureKind.SERVER,
}
"""Cohere's own: an input or output that was blocked; a request that was cancelled on the way."""
_OUTPUT_LIMIT = re.compile(r"max[_ ]tokens must be|maximum output", re.IGNORECASE)
_BY_TEXT = (
    (re.compile(r"too many tokens", re.IGNORECASE), FailureKind.CONTEXT_LENGTH),
    (
        re.compile(
            r"model '[^']*' (?:not found|was removed|is not (?:found|available))|unknown model|model not found",
            re.IGNORECASE,
        ),
        FailureKind.MODEL_NOT_FOUND,
    ),
    (
        re.compile(r"invalid api token|no api key supplied|api key has expired", re.IGNORECASE),
        FailureKind.AUTHENTICATION,
    ),
    (re.compile(r"blocked (?:input|output)|safety", re.IGNORECASE), FailureKind.CONTENT_FILTER),
)
_USED_UP = re.compile(r"calls? / month|per month|monthly", re.IGNORECASE)
_LIMITS = {"requests": "x-trial-endpoint-call", "requests-month": "x-endpoint-monthly-call"}


def failure_of_answer(response: HttpResponse) -> Failure:
    """What a response that is no success means."""
    failure = failure_of_response(response)
    error = as_object(failure.body)
    code = failure.code or as_text(error.get("error_type")) or None
    return attrs.evolve(failure, code=code, kind=_kind(failure, code))


def failure_of_ending(reason: str, body: Json) -> Failure:
    """What an answer means that ended with an error: ``finish_reason`` ERROR and its kin."""
    told = as_text(body.get("error")) or as_text(as_object(body.get("error")).get("message"))
    message = told or f"Cohere ended the answer with finish_reason {reason}"
    kind = next((kind for pattern, kind in _BY_TEXT if told and pattern.search(told)), FailureKind.SERVER)
    return Failure(kind, message, code=as_text(body.get("error_type")) or reason, body=body)


def limits_of(headers: Mapping[str, str], now: float) -> Headroom:
    """What the head of a response says of limits: those of trial keys, and whatever a proxy adds."""
    found = dict(headroom_of(headers, now))
    for kind, name in _LIMITS.items():
        report = LimitReport(_count(headers.get(f"{name}-limit")), _count(headers.get(f"{name}-remaining")))
        if report != LimitReport():
            found[kind] = report
    return found


def _kind(failure: Failure, code: str | None) -> FailureKind:
    if failure.status in _BY_STATUS:
        return _BY_STATUS[failure.status]
    if failure.kind is FailureKind.RATE_LIMIT:
        return FailureKind.QUOTA if _USED_UP.search(failure.message) else failure.kind
    if failure.status not in (400, 422):
        return failure.kind
    if _OUTPUT_LIMIT.search(failure.message):
        return FailureKind.INVALID_REQUEST
    known = _CODES.get((code or "").lower())
    return known or next((kind for pattern, kind in _BY_TEXT if pattern.search(failure.message)), failure.kind)


def _count(text: str | None) -> int | None:
    try:
        number = int(text) if text is not None else -1
    except ValueError:
        return None
    return number if number >= 0 else None
