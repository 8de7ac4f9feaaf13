"""Error bodies → Failure, by the error table: the provider's own code first, then well-known texts, then the status."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import attrs
import orjson

from ..errors import Failure, FailureKind
from ..wire.http import HttpResponse, retry_after_seconds
from ..wire.shapes import as_object, as_text, body_of
from .limits import advised_wait, exhausted_wait, headroom_of

_BY_CODE: dict[str, FailureKind] = {
    "insufficient_quota": FailureKind.QUOTA,
    "billing_hard_limit_reached": FailureKind.QUOTA,
    "context_length_exceeded": FailureKind.CONTEXT_LENGTH,
    "exceed_context_size_error": FailureKind.CONTEXT_LENGTH,
    "too_many_prompt_tokens": FailureKind.CONTEXT_LENGTH,
    "content_filter": FailureKind.CONTENT_FILTER,
    "content_policy_violation": FailureKind.CONTENT_FILTER,
    "responsibleaipolicyviolation": FailureKind.CONTENT_FILTER,
    "moderation_blocked": FailureKind.CONTENT_FILTER,
    "model_not_found": FailureKind.MODEL_NOT_FOUND,
    "deploymentnotfound": FailureKind.MODEL_NOT_FOUND,
    "invalid_api_key": FailureKind.AUTHENTICATION,
}
"""Codes that say more than the status they come with."""

_WITHOUT_STATUS: dict[str, FailureKind] = {
    "rate_limit_exceeded": FailureKind.RATE_LIMIT,
    "rate_limit_error": FailureKind.RATE_LIMIT,
    "authentication_error": FailureKind.AUTHENTICATION,
    "permission_error": FailureKind.AUTHENTICATION,
    "invalid_request_error": FailureKind.INVALID_REQUEST,
    "not_found_error": FailureKind.MODEL_NOT_FOUND,
}
"""Codes that matter only where no status came along, as inside a stream."""

_BY_STATUS: dict[int, FailureKind] = {
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
}

_TOO_LONG = re.compile(
    r"max(?:imum)? (?:context|input|prompt) (?:length|window)"
    r"|exceed\w* (?:the )?(?:\w+ )?(?:available )?context"
    r"|context (?:length|window|size) (?:of only|exceeded)"
    r"|(?:prompt|input) (?:is )?too long"
    r"|total length of all messages is too long"
    r"|reduce the length of (?:the )?(?:messages|prompt|input|either)"
    r"|request too large",
    re.IGNORECASE,
)
_REFUSED = re.compile(
    r"content management policy|violat\w+ (?:our|the) (?:usage|content) polic|rejected .{0,40}safety system",
    re.IGNORECASE,
)
_WRONG_KEY = re.compile(r"(?:incorrect|invalid) api key|api key (?:is )?(?:not valid|invalid)", re.IGNORECASE)
_TEXT_DECIDES = frozenset({400, 413, 422, 429})
"""Statuses whose meaning the message may narrow."""

_NONE: Mapping[str, FailureKind] = MappingProxyType({})
_WAITS = frozenset({FailureKind.RATE_LIMIT, FailureKind.QUOTA, FailureKind.SERVER})
_EXCERPT = 300


def failure_of_response(response: HttpResponse, codes: Mapping[str, FailureKind] = _NONE) -> Failure:
    """What an HTTP response that is no success means. Its body is kept for the caller.

    ``codes`` are the vendor's own, in lower case; they win over everything else.
    """
    body = body_of(response)
    described = error_object(body) or as_object(body)
    failure = _failure(described, body, response.status, codes)
    if failure.message == "":
        failure = attrs.evolve(failure, message=_without_message(response))
    wait = None
    if failure.kind in _WAITS:
        wait = retry_after_seconds(response.headers, response.received_at)
        wait = failure.retry_after if wait is None else wait
        if wait is None and failure.kind is FailureKind.RATE_LIMIT:
            wait = exhausted_wait(headroom_of(response.headers, response.received_at))
    return attrs.evolve(failure, retry_after=wait)


def failure_of_error(error: dict[str, Any], body: Any, codes: Mapping[str, FailureKind] = _NONE) -> Failure:
    """What an error object that came with a success status means: in a stream, or in place of an answer."""
    failure = _failure(error, body, _status_within(error), codes)
    return (
        failure if failure.message else attrs.evolve(failure, message="the provider reported an error without a text")
    )


def error_object(payload: Any) -> dict[str, Any] | None:
    """The error that a JSON value reports, in the shapes that servers of this dialect use; None if it reports none."""
    body = as_object(payload)
    error = body.get("error")
    if not error:
        return body if "error" in (body.get("object"), body.get("type")) else None
    return {**body, "message": error} if isinstance(error, str) else as_object(error)


def _failure(error: dict[str, Any], body: Any, status: int | None, known: Mapping[str, FailureKind]) -> Failure:
    message = _message(error)
    own = [as_text(error.get("code")), as_text(error.get("type")), as_text(_inner_code(error))]
    codes = [code for code in own if code]
    number = error.get("code")
    written = [*codes, str(number)] if isinstance(number, int) else codes
    own_kind = next((known[code.lower()] for code in written if code.lower() in known), None)
    kind = own_kind or _kind(status, [code.lower() for code in codes], message)
    return Failure(
        kind,
        message,
        status=status,
        code=codes[0] if codes else None,
        retry_after=advised_wait(message) if kind in _WAITS else None,
        body=body,
    )


def _kind(status: int | None, codes: list[str], message: str) -> FailureKind:
    for code in codes:
        if code in _BY_CODE:
            return _BY_CODE[code]
    if status is None or status in _TEXT_DECIDES:
        if _TOO_LONG.search(message):
            return FailureKind.CONTEXT_LENGTH
        if _REFUSED.search(message):
            return FailureKind.CONTENT_FILTER
        if _WRONG_KEY.search(message):
            return FailureKind.AUTHENTICATION
    if status is None:
        return next((_WITHOUT_STATUS[code] for code in codes if code in _WITHOUT_STATUS), FailureKind.SERVER)
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status < 400:
        return FailureKind.UNDECODABLE
    return FailureKind.SERVER if status >= 500 else FailureKind.INVALID_REQUEST


def _message(error: dict[str, Any]) -> str:
    text = error.get("message") or error.get("detail")
    if text is None or isinstance(text, str):
        return text or ""
    return orjson.dumps(text)[:_EXCERPT].decode("utf-8", "replace")


def _inner_code(error: dict[str, Any]) -> Any:
    return as_object(error.get("innererror")).get("code")


def _status_within(error: dict[str, Any]) -> int | None:
    code = error.get("code")
    number = int(code) if isinstance(code, str) and code.isascii() and code.isdigit() else code
    return number if isinstance(number, int) and 400 <= number <= 599 else None


def _without_message(response: HttpResponse) -> str:
    begins = f", beginning {response.body[:_EXCERPT]!r}" if response.body else ""
    media_type = response.headers.get("content-type", "no content type")
    advice = "; base_url may be wrong" if response.status < 400 or response.status in (404, 405) else ""
    return f"HTTP {response.status} without an error message ({media_type}, {len(response.body)} bytes{begins}){advice}"
