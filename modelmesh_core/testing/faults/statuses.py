"""Faults that the status line tells."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from email.utils import formatdate

from .answering import Answering
from .dialect import error_body
from .fault import Fault, Remedy, fault

BAD_GATEWAY_PAGE = b"<html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"
LimitHeaders = Callable[[float], Mapping[str, str]]


def _in_seconds(seconds: float) -> Mapping[str, str]:
    return {"retry-after": str(math.ceil(seconds))}


def _in_milliseconds(seconds: float) -> Mapping[str, str]:
    return {"retry-after-ms": str(math.ceil(seconds * 1000))}


def _as_a_date(seconds: float) -> Mapping[str, str]:
    # Dates know whole seconds only: rounded up, so that nobody who obeys comes early.
    return {"retry-after": formatdate(math.ceil(time.time() + seconds), usegmt=True)}


def _no_headers(seconds: float) -> Mapping[str, str]:
    return {}


def status_fault(
    name: str,
    title: str,
    body: bytes,
    *,
    remedy: Remedy = "elsewhere",
    limits: LimitHeaders = _no_headers,
    seconds: float = 0.0,
    content_type: str = "application/json",
) -> Fault:
    """A fault that answers ``body`` with the status in its name; ``limits`` makes headers of the fault's seconds."""
    status = int(name.split("-")[1])

    async def act(answering: Answering) -> None:
        headers = limits(answering.fault.seconds)
        await answering.send_whole(body, status=status, headers=headers, content_type=content_type)

    return Fault(name, title, "status", remedy, act, seconds=seconds)


@fault("http-302", "sends the caller to another address", "status")
async def redirect(answering: Answering) -> None:
    await answering.send_whole(b"", status=302, headers={"location": answering.redirect_url})


_SERVER = "server_error"
_RATE = "rate_limit_error"
_INVALID = "invalid_request_error"
_RATE_BODY = error_body("Rate limit reached: too many requests.", _RATE, "rate_limit_exceeded")
_DOWN_BODY = error_body("The service is unavailable.", _SERVER)

STATUS = (
    status_fault("http-500", "answers 500", error_body("The server had an error.", _SERVER)),
    status_fault("http-502-html", "answers 502 with a page", BAD_GATEWAY_PAGE, content_type="text/html"),
    status_fault("http-503-retry-after", "answers 503, for a second", _DOWN_BODY, limits=_in_seconds, seconds=1),
    status_fault("http-503-retry-after-date", "answers 503 with a date", _DOWN_BODY, limits=_as_a_date, seconds=1),
    status_fault("http-529-overloaded", "answers 529, overloaded", error_body("Overloaded", "overloaded_error")),
    status_fault("http-408", "answers 408, too slow a request", error_body("Request timeout.", _SERVER)),
    status_fault("http-429-retry-after", "limits the rate for a second", _RATE_BODY, limits=_in_seconds, seconds=1),
    status_fault(
        "http-429-retry-after-ms",
        "limits the rate for 250 ms",
        _RATE_BODY,
        limits=_in_milliseconds,
        seconds=0.25,
    ),
    status_fault("http-429-long-wait", "limits the rate for an hour", _RATE_BODY, limits=_in_seconds, seconds=3600),
    status_fault("http-429-no-hint", "limits the rate and does not say for how long", _RATE_BODY),
    status_fault(
        "http-429-quota",
        "says that the quota is used up",
        error_body("You exceeded your current quota.", "insufficient_quota", "insufficient_quota"),
    ),
    status_fault(
        "http-401", "does not know the key", error_body("Incorrect API key provided.", _INVALID, "invalid_api_key")
    ),
    status_fault("http-402", "wants to be paid first", error_body("Insufficient credits.", "billing_error")),
    status_fault(
        "http-403", "forbids it to this key", error_body("This key may not use this model.", "permission_error")
    ),
    status_fault(
        "http-404-model",
        "does not have the model",
        error_body("The model does not exist.", _INVALID, "model_not_found", "model"),
    ),
    status_fault("http-410", "says that the model is gone", error_body("This model was retired.", _INVALID)),
    redirect,
    status_fault(
        "http-400-context",
        "finds the prompt too long for the model",
        error_body("This model's maximum context length is 8 tokens.", _INVALID, "context_length_exceeded", "messages"),
    ),
    status_fault("http-413", "finds the request too large", error_body("Request too large.", _INVALID)),
    status_fault(
        "http-400-invalid",
        "finds a mistake in the request",
        error_body("'temperature' must be at most 2.", _INVALID, "invalid_value", "temperature"),
        remedy="caller",
    ),
    status_fault(
        "http-422",
        "cannot process the request",
        error_body("'messages' must not be empty.", _INVALID, None, "messages"),
        remedy="caller",
    ),
    status_fault(
        "http-400-content-policy",
        "refuses the content of the request",
        error_body("Your request was rejected by the safety system.", _INVALID, "content_policy_violation"),
        remedy="caller",
    ),
)
