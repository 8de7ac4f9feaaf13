"""Google's error bodies (``google.rpc.Status``) → Failure."""

from __future__ import annotations

import re
from typing import Any

from modelmesh_core import (
    Failure,
    FailureKind,
    HttpResponse,
    Json,
    as_object,
    as_objects,
    as_text,
    body_of,
    reset_seconds,
    retry_after_seconds,
)

from .shapes import as_count

_BY_STATUS_WORD = {
    "INVALID_ARGUMENT": FailureKind.INVALID_REQUEST,
    "OUT_OF_RANGE": FailureKind.INVALID_REQUEST,
    "FAILED_PRECONDITION": FailureKind.INVALID_REQUEST,
    "ALREADY_EXISTS": FailureKind.INVALID_REQUEST,
    "UNIMPLEMENTED": FailureKind.INVALID_REQUEST,
    "UNAUTHENTICATED": FailureKind.AUTHENTICATION,
    "PERMISSION_DENIED": FailureKind.AUTHENTICATION,
    "NOT_FOUND": FailureKind.MODEL_NOT_FOUND,
    "RESOURCE_EXHAUSTED": FailureKind.RATE_LIMIT,
    "ABORTED": FailureKind.SERVER,
    "CANCELLED": FailureKind.SERVER,
    "DATA_LOSS": FailureKind.SERVER,
    "DEADLINE_EXCEEDED": FailureKind.SERVER,
    "INTERNAL": FailureKind.SERVER,
    "UNAVAILABLE": FailureKind.SERVER,
    "UNKNOWN": FailureKind.SERVER,
}
_BY_CODE = {
    401: FailureKind.AUTHENTICATION,
    402: FailureKind.AUTHENTICATION,
    403: FailureKind.AUTHENTICATION,
    404: FailureKind.MODEL_NOT_FOUND,
    408: FailureKind.SERVER,
    409: FailureKind.SERVER,
    410: FailureKind.MODEL_NOT_FOUND,
    413: FailureKind.CONTEXT_LENGTH,
    425: FailureKind.SERVER,
    429: FailureKind.RATE_LIMIT,
    499: FailureKind.SERVER,
    501: FailureKind.INVALID_REQUEST,
}
_REASONS_OF_THE_ACCOUNT = re.compile(
    r"API_KEY_\w+|ACCESS_TOKEN_\w+|ACCOUNT_STATE_INVALID|BILLING_DISABLED|CONSUMER_\w+|CREDENTIALS_MISSING"
    r"|IAM_PERMISSION_DENIED|SERVICE_DISABLED|SERVICE_NOT_ACTIVATED|SESSION_COOKIE_INVALID|USER_\w*BLOCKED\w*"
)
"""``ErrorInfo.reason``: the key, the billing or the rights are at fault, whatever the status."""
_OF_THE_ACCOUNT = re.compile(
    r"api key (?:not valid|not found|expired)|api_key_invalid|invalid authentication credentials"
    r"|user location is not supported|(?:enable|requires?) billing|billing (?:account|to be enabled)",
    re.IGNORECASE,
)
_TOO_LONG = re.compile(
    r"token count .{0,60}exceeds?|exceeds? the maximum (?:number of )?(?:input )?tokens?|model only supports up to"
    r"|input (?:context|prompt|is) (?:is )?too long|request payload size exceeds|prompt (?:is )?too long"
    r"|context (?:length|window) (?:of|exceeded)",
    re.IGNORECASE,
)
_BLOCKED = re.compile(
    r"responsible ai|violat\w+ .{0,60}(?:polic|guideline|filter)|blocked by .{0,40}(?:safety|filter)|prohibited use",
    re.IGNORECASE,
)
_LONG_QUOTA = re.compile(r"per_?-?day|per_?-?month|daily|monthly", re.IGNORECASE)
_USED_UP = re.compile(
    r"credits? (?:are|is|have been) (?:depleted|exhausted)|spend(?:ing)? (?:cap|limit)|prepa(?:id|yment) credits?"
    r"|insufficient (?:quota|credits?|balance)",
    re.IGNORECASE,
)
_ADVICE = re.compile(r"\bretry (?:in|after) ((?:\d+(?:\.\d+)?\s*(?:ms|s|m|h)\s*)+)", re.IGNORECASE)
_WAITS = frozenset({FailureKind.RATE_LIMIT, FailureKind.QUOTA, FailureKind.SERVER})
_TEXT_DECIDES = frozenset({FailureKind.INVALID_REQUEST, FailureKind.RATE_LIMIT, FailureKind.SERVER})
_EXCERPT = 300


def failure_of_response(response: HttpResponse) -> Failure:
    """What an HTTP response that is no success means. Its body is kept for the caller."""
    body = body_of(response)
    error = error_in(body) or as_object(body)
    header = retry_after_seconds(response.headers, response.received_at)
    return _failure(error, body, response.status, header, _without_message(response))


def failure_of_error(error: Json, body: Any) -> Failure:
    """What an error means that came within a stream, or with a success status in place of an answer."""
    return _failure(error, body, None, None, "Google reported an error without a text")


def error_in(payload: Any) -> Json | None:
    """The error that a JSON value reports: in an object, or in the list that streams make of it."""
    for body in (as_object(payload), *as_objects(payload)):
        error = body.get("error")
        if isinstance(error, str) and error:  # the token endpoint's shape
            return {"status": error, "message": as_text(body.get("error_description")) or error}
        if error:
            return as_object(error)
    return None


def _failure(error: Json, body: Any, status: int | None, header: float | None, otherwise: str) -> Failure:
    message = as_text(error.get("message"))
    details = as_objects(error.get("details"))
    code = as_count(error.get("code"))
    status = status if status is not None else code if 400 <= code <= 599 else None
    kind = _kind(error, details, message, status)
    reasons = [as_text(detail.get("reason")) for detail in details]
    words = [word for word in (*reasons, as_text(error.get("status"))) if word]
    wait = _wait(kind, details, message, header)
    own = words[0] if words else str(code) if code else None
    return Failure(kind, message or otherwise, status=status, code=own, retry_after=wait, body=body)


def _kind(error: Json, details: list[Json], message: str, status: int | None) -> FailureKind:
    if any(_REASONS_OF_THE_ACCOUNT.fullmatch(as_text(detail.get("reason"))) for detail in details):
        return FailureKind.AUTHENTICATION
    kind = _BY_STATUS_WORD.get(as_text(error.get("status")))
    if status is not None and status >= 400:
        by_code = FailureKind.SERVER if status >= 500 else FailureKind.INVALID_REQUEST
        kind = _BY_CODE.get(status) or kind or by_code
    if kind is None:
        kind = FailureKind.UNDECODABLE if status is not None else FailureKind.SERVER
    if kind in _TEXT_DECIDES:
        if _TOO_LONG.search(message):
            return FailureKind.CONTEXT_LENGTH
        if kind is FailureKind.INVALID_REQUEST and _OF_THE_ACCOUNT.search(message):
            return FailureKind.AUTHENTICATION
        if kind is FailureKind.INVALID_REQUEST and _BLOCKED.search(message):
            return FailureKind.CONTENT_FILTER
    if kind is FailureKind.RATE_LIMIT and _is_used_up(details, message):
        return FailureKind.QUOTA
    return kind


def _is_used_up(details: list[Json], message: str) -> bool:
    """Whether waiting a minute does not help: a quota of a day or a month, one of zero, or money."""
    violations = [violation for detail in details for violation in as_objects(detail.get("violations"))]
    for violation in violations:
        name = as_text(violation.get("quotaId")) or as_text(violation.get("description"))
        if _LONG_QUOTA.search(name) or str(violation.get("quotaValue")) == "0":
            return True
    return bool(_USED_UP.search(message)) or (not violations and bool(_LONG_QUOTA.search(message)))


def _wait(kind: FailureKind, details: list[Json], message: str, header: float | None) -> float | None:
    """Seconds to wait. What comes with a used-up quota is the rate limit's advice, some seconds, and of no use."""
    if kind not in _WAITS:
        return None
    advice = _ADVICE.search(message)
    waits = [header, reset_seconds(advice[1].replace(" ", ""), 0.0) if advice else None]
    waits += [_duration(detail.get("retryDelay")) for detail in details]
    known = [wait for wait in waits if wait is not None]
    if kind is FailureKind.QUOTA and known and max(known) < 3600:
        return None
    return max(known, default=None)


def _duration(value: Any) -> float | None:
    """A ``google.protobuf.Duration``: ``48s``, ``48.9s``, or an object of seconds and nanoseconds."""
    if isinstance(value, dict):
        parts = as_object(value)
        return as_count(parts.get("seconds")) + as_count(parts.get("nanos")) / 1e9
    return reset_seconds(as_text(value), 0.0) if as_text(value) else None


def _without_message(response: HttpResponse) -> str:
    begins = f", beginning {response.body[:_EXCERPT]!r}" if response.body else ""
    media_type = response.headers.get("content-type", "no content type")
    advice = "; base_url may be wrong" if response.status < 400 or response.status in (404, 405) else ""
    return f"HTTP {response.status} without an error message ({media_type}, {len(response.body)} bytes{begins}){advice}"
