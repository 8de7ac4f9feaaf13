"""Errors of search vendors → Failure."""

from __future__ import annotations

import re
from typing import Any

import attrs
from modelmesh_core import Failure, FailureKind, HttpResponse, Json, as_object, as_objects, as_text, failure_of_response

_USED_UP = re.compile(
    r"not enough credits|insufficient (?:credits|balance)|usage limit|plan.s (?:set )?(?:usage )?limit"
    r"|quer(?:y|ies) per day|daily ?limit",
    re.IGNORECASE,
)
_BY_REASON = {
    "dailyLimitExceeded": FailureKind.QUOTA,
    "quotaExceeded": FailureKind.QUOTA,
    "rateLimitExceeded": FailureKind.RATE_LIMIT,
    "userRateLimitExceeded": FailureKind.RATE_LIMIT,
    "API_KEY_INVALID": FailureKind.AUTHENTICATION,
}
"""Google's, in a 400 or 403."""
_PLAN_LIMITS = frozenset({432, 433})
"""Statuses of Tavily's for a plan, or a spending limit, that is used up."""
_NARROWED = frozenset({400, 402, 403, 429})


def failure_of_answer(response: HttpResponse) -> Failure:
    """What a response that is no success means."""
    failure = failure_of_response(response)
    body: Json = as_object(failure.body)
    message = as_text(as_object(body.get("detail")).get("error")) or as_text(body.get("readableMessage"))
    code = failure.code or as_text(body.get("name")) or None
    failure = attrs.evolve(failure, message=message or failure.message, code=code)
    return attrs.evolve(failure, kind=_kind(failure, body))


def _kind(failure: Failure, body: Json) -> FailureKind:
    if failure.status in _PLAN_LIMITS:
        return FailureKind.QUOTA
    reasons = _reasons(body)
    if kind := next((_BY_REASON[reason] for reason in reasons if reason in _BY_REASON), None):
        return FailureKind.QUOTA if _USED_UP.search(failure.message) else kind
    if failure.status in _NARROWED and _USED_UP.search(failure.message):
        return FailureKind.QUOTA
    # A page or a path that is missing says nothing about the model.
    return FailureKind.INVALID_REQUEST if failure.status == 404 else failure.kind


def _reasons(body: Json) -> list[Any]:
    error = as_object(body.get("error"))
    return [as_text(one.get("reason")) for one in as_objects(error.get("errors")) + as_objects(error.get("details"))]
