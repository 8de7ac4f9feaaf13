"""Ollama's errors → Failure."""

from __future__ import annotations

import re

import attrs
from modelmesh_core import (
    Failure,
    FailureKind,
    HttpResponse,
    Json,
    as_count,
    as_text,
    failure_of_error,
    failure_of_response,
)

_BY_TEXT = (
    (
        re.compile(r"model .{1,200} not found|try pulling it first|no such model", re.IGNORECASE),
        FailureKind.MODEL_NOT_FOUND,
    ),
    (
        re.compile(
            r"exceed\w* (?:the )?(?:available |maximum )?context|context (?:length|window|size)|prompt (?:is )?too long"
            r"|input length exceeds|prompt too long",
            re.IGNORECASE,
        ),
        FailureKind.CONTEXT_LENGTH,
    ),
    (
        re.compile(r"(?:hourly|daily|weekly|monthly|session) usage limit|usage limit reached", re.IGNORECASE),
        FailureKind.QUOTA,
    ),
    (re.compile(r"^unauthorized$", re.IGNORECASE), FailureKind.AUTHENTICATION),
    (
        re.compile(r"system memory|out of memory|server busy|runner process|loading model|overloaded", re.IGNORECASE),
        FailureKind.SERVER,
    ),
)  # fmt: skip
_NARROWED = frozenset({None, 400, 402, 404, 413, 429, 500})


def failure_of_answer(response: HttpResponse) -> Failure:
    """What a response that is no success means."""
    return _refined(failure_of_response(response))


def failure_of_event(body: Json) -> Failure:
    """What an error that came with a success status means: in a stream, or in place of an answer."""
    error: Json = {"message": as_text(body.get("error")) or "the server reported an error without a text"}
    status = as_count(body.get("StatusCode")) or as_count(body.get("status_code"))
    if status >= 400:  # the cloud's, handed on by a server
        error["code"] = status
    return _refined(failure_of_error(error, body))


def _refined(failure: Failure) -> Failure:
    if failure.status not in _NARROWED:
        return failure
    kind = next((kind for pattern, kind in _BY_TEXT if pattern.search(failure.message)), failure.kind)
    return attrs.evolve(failure, kind=kind)
