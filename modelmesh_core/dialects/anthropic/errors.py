"""Errors as Anthropic words them."""

from __future__ import annotations

from ...wire.shapes import as_text
from .reading import Json

_BY_STATUS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_OWN = frozenset({*_BY_STATUS.values(), "api_error"})
_BY_TYPE = {"insufficient_quota": "rate_limit_error", "routing_error": "overloaded_error"}


def error_body(status: int, error: Json, request_id: str) -> Json:
    """The whole body for an error that is answered with ``status``."""
    other = "invalid_request_error" if 400 <= status < 500 else "api_error"
    return {"type": "error", "error": _told(_BY_STATUS.get(status, other), error), "request_id": request_id}


def error_event(error: Json) -> Json:
    """The data of the event that ends a stream in ``error``, which has no status any more."""
    kind = as_text(error.get("type"))
    return {"type": "error", "error": _told(kind if kind in _OWN else _BY_TYPE.get(kind, "api_error"), error)}


def _told(kind: str, error: Json) -> Json:
    more = {key: error[key] for key in ("code", "param") if error.get(key) is not None}
    return {"type": kind, "message": as_text(error.get("message")) or "the request failed", **more}
