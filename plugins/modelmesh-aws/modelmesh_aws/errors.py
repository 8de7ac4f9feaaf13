"""AWS's errors → Failure: by the exception's name, narrowed by well-known sentences."""

from __future__ import annotations

import re
from typing import Any

import attrs
import orjson
from modelmesh_core import (
    Failure,
    FailureKind,
    HttpResponse,
    Json,
    as_object,
    as_text,
    failure_of_response,
    retry_after_seconds,
)

_BY_NAME = {
    "AccessDeniedException": FailureKind.AUTHENTICATION,
    "UnrecognizedClientException": FailureKind.AUTHENTICATION,
    "InvalidSignatureException": FailureKind.AUTHENTICATION,
    "SignatureDoesNotMatch": FailureKind.AUTHENTICATION,
    "IncompleteSignatureException": FailureKind.AUTHENTICATION,
    "IncompleteSignature": FailureKind.AUTHENTICATION,
    "MissingAuthenticationTokenException": FailureKind.AUTHENTICATION,
    "MissingAuthenticationToken": FailureKind.AUTHENTICATION,
    "InvalidClientTokenId": FailureKind.AUTHENTICATION,
    "ExpiredTokenException": FailureKind.AUTHENTICATION,
    "ExpiredToken": FailureKind.AUTHENTICATION,
    "RequestExpired": FailureKind.AUTHENTICATION,
    "RequestTimeTooSkewed": FailureKind.AUTHENTICATION,
    "OptInRequired": FailureKind.AUTHENTICATION,
    "NotAuthorized": FailureKind.AUTHENTICATION,
    "AccessDenied": FailureKind.AUTHENTICATION,
    "ResourceNotFoundException": FailureKind.MODEL_NOT_FOUND,
    "UnknownOperationException": FailureKind.INVALID_REQUEST,
    "ValidationException": FailureKind.INVALID_REQUEST,
    "SerializationException": FailureKind.INVALID_REQUEST,
    "ThrottlingException": FailureKind.RATE_LIMIT,
    "TooManyRequestsException": FailureKind.RATE_LIMIT,
    "RequestLimitExceeded": FailureKind.RATE_LIMIT,
    "ServiceQuotaExceededException": FailureKind.QUOTA,
    "ModelNotReadyException": FailureKind.SERVER,
    "ModelTimeoutException": FailureKind.SERVER,
    "ModelErrorException": FailureKind.SERVER,
    "ModelStreamErrorException": FailureKind.SERVER,
    "ConflictException": FailureKind.SERVER,
    "InternalServerException": FailureKind.SERVER,
    "InternalFailure": FailureKind.SERVER,
    "ServiceUnavailableException": FailureKind.SERVER,
    "ServiceUnavailable": FailureKind.SERVER,
}
_STATUS_OF_NAME = {
    "ThrottlingException": 429,
    "ValidationException": 400,
    "ServiceUnavailableException": 503,
    "InternalServerException": 500,
    "ModelStreamErrorException": 424,
    "ModelTimeoutException": 408,
    "ModelErrorException": 424,
    "ModelNotReadyException": 429,
    "AccessDeniedException": 403,
    "ResourceNotFoundException": 404,
    "ServiceQuotaExceededException": 400,
}
"""What an exception inside a stream would have been as a status."""

_TOO_LONG = re.compile(
    r"(?:input|prompt|request|context)\w*(?: \w+)? (?:is|are) too (?:long|large)|too many (?:input )?tokens(?! per)"
    r"|input tokens exceeded|input tokens exceeds|exceeds? (?:the )?(?:model'?s? )?(?:maximum|max)\w* "
    r"(?:\w+ ){0,2}(?:length|tokens|context|size)|exceeds? (?:the |this )?(?:model'?s? )?(?:context|input) (?:length|"
    r"window|limit)|maximum (?:context|prompt|input) length"
    r"|request: (?:#/(?:inputText|texts/\d+|prompt): )?expected maxLength",
    re.IGNORECASE,
)
_NO_MODEL = re.compile(
    r"model identifier is invalid|model id\w* .{0,120}(?:isn.t|is not) supported|on-demand throughput isn.t supported"
    r"|access to the model|could not resolve the foundation model|model version has reached the end of its life"
    r"|model \S+ (?:is not|isn.t) (?:available|supported) in this region|access denied\. this model is marked",
    re.IGNORECASE,
)
_FILTERED = re.compile(
    r"blocked by (?:our |the )?(?:content|guardrail)|content filter|violates? .{0,40}polic", re.IGNORECASE
)
_NOT_ALLOWED = re.compile(r"^operation not allowed\.?$|account (?:is )?(?:not authorized|suspended)", re.IGNORECASE)
_QUOTA = re.compile(r"tokens per day|per-day|daily", re.IGNORECASE)

_BY_TEXT: dict[FailureKind, tuple[tuple[re.Pattern[str], FailureKind], ...]] = {
    FailureKind.INVALID_REQUEST: (
        (_NO_MODEL, FailureKind.MODEL_NOT_FOUND),
        (_TOO_LONG, FailureKind.CONTEXT_LENGTH),
        (_FILTERED, FailureKind.CONTENT_FILTER),
        (_NOT_ALLOWED, FailureKind.AUTHENTICATION),
    ),
    FailureKind.AUTHENTICATION: ((_NO_MODEL, FailureKind.MODEL_NOT_FOUND),),
    FailureKind.RATE_LIMIT: ((_QUOTA, FailureKind.QUOTA),),
}
"""What a kind becomes by the words that come with it."""
_WAITS = frozenset({FailureKind.RATE_LIMIT, FailureKind.QUOTA, FailureKind.SERVER})


def failure_of_answer(response: HttpResponse) -> Failure:
    """What a response that is no success means."""
    failure = failure_of_response(response)
    body = as_object(failure.body)
    name = error_name(response.headers.get("x-amzn-errortype", "")) or _name_within(body)
    message = _message(body) or failure.message
    kind = _kind(name, message, body, failure.kind)
    wait = retry_after_seconds(response.headers, response.received_at) if kind in _WAITS else None
    code = name or failure.code
    return attrs.evolve(failure, kind=kind, message=message, code=code, retry_after=wait)


def failure_of_exception(name: str, payload: bytes, message: str = "") -> Failure:
    """What an exception or error inside an event stream means. ``name`` is as the stream spells it."""
    try:
        decoded: Any = orjson.loads(payload)
    except ValueError:
        decoded = payload.decode("utf-8", "replace")
    body, name = as_object(decoded), error_name(name)
    text = _message(body) or message or f"the provider broke its stream off with {name or 'an error without a name'}"
    kind = _kind(name, text, body, FailureKind.SERVER)
    return Failure(kind, text, status=_STATUS_OF_NAME.get(name), code=name or None, body=decoded or None)


def error_name(text: str) -> str:
    """An exception's name, in the one spelling: ``ns#Name``, ``Name:http://...`` and ``name`` are all ``Name``."""
    name = text.strip().partition(":")[0].rpartition("#")[2]
    return name[:1].upper() + name[1:]


def _kind(name: str, message: str, body: Json, otherwise: FailureKind) -> FailureKind:
    kind = _BY_NAME.get(name, otherwise)
    if name in ("ModelErrorException", "ModelStreamErrorException"):
        kind = _kind_within(body.get("originalStatusCode"))
    return next((other for pattern, other in _BY_TEXT.get(kind, ()) if pattern.search(message)), kind)


def _kind_within(status: Any) -> FailureKind:
    """What the model's own status, which Bedrock tells, means."""
    if status == 429:
        return FailureKind.RATE_LIMIT
    return FailureKind.INVALID_REQUEST if status in (400, 413, 422) else FailureKind.SERVER


def _name_within(body: Json) -> str:
    return error_name(as_text(body.get("__type")) or as_text(body.get("code")))


def _message(body: Json) -> str:
    own = as_text(body.get("message")) or as_text(body.get("Message"))
    inner = as_text(body.get("originalMessage"))
    return f"{own} ({inner})" if own and inner and inner not in own else own or inner
