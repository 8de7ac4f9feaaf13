"""From the record of a request to its spans: one for the request, one for each attempt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelmesh_core import Entry, TraceContext, trace_context
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from .conventions import (
    error_type,
    input_tokens,
    operation_name,
    output_tokens,
    provider_name,
    upstream_model,
)
from .values import Attributes, clean, encoded, nanoseconds

_ATTRIBUTES = Span.ATTRIBUTES_FIELD_NUMBER
_SAMPLED = 1
_SCALE = 2**64


def spans_of(entry: Entry, share: float) -> list[bytes]:
    """The spans of a request, encoded; none if its trace is not sampled. ``share``: of the traces that begin here."""
    context = trace_context(entry["request_id"], entry["at"], entry["traceparent"])
    is_wanted = int(context.trace_id[16:], 16) < share * _SCALE if context.parent_id is None else context.is_sampled
    if not is_wanted:
        return []
    attempts = [_attempt_span(entry, context, place) for place in range(len(entry["attempts"]))]
    return [_request_span(entry, context), *attempts]


def _span(context: TraceContext, name: str, span_id: str, parent: str | None, state: str | None) -> Span:
    return Span(
        trace_id=bytes.fromhex(context.trace_id),
        span_id=bytes.fromhex(span_id),
        parent_span_id=bytes.fromhex(parent) if parent is not None else b"",
        trace_state=state or "",
        flags=_SAMPLED,
        name=clean(name),
    )


def _request_span(entry: Entry, context: TraceContext) -> bytes:
    operation, attempts = operation_name(entry["operation"]), entry["attempts"]
    state = entry["tracestate"] if context.parent_id is not None else None
    span = _span(context, f"{operation} {entry['requested']}", context.request_span, context.parent_id, state)
    span.kind = Span.SPAN_KIND_SERVER
    _time(span, entry["at"], entry["ended"])
    failed = entry["status"] == "failed"
    last = next((error_type(attempt) for attempt in reversed(attempts) if attempt["error"] is not None), None)
    attributes: Attributes = {
        "gen_ai.operation.name": operation,
        "gen_ai.request.model": entry["requested"],
        "error.type": (last or "no_active_model") if failed else _cancelled(entry),
        "modelmesh.request_id": entry["request_id"],
        "modelmesh.delivery": entry["delivery"],
        "modelmesh.key": entry["key"],
        "modelmesh.pool": entry["pool"],
        "modelmesh.model": entry["model"],
        "modelmesh.provider": entry["provider"],
        "modelmesh.replaced_model": entry["replaced_model"],
        "modelmesh.attempts": len(attempts),
        "modelmesh.cost_usd": _cost(entry),
        "modelmesh.routing_ms": entry["routing_ms"],
    }
    if failed:
        span.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message=clean(entry["error"] or "")))
    return span.SerializeToString() + encoded(_ATTRIBUTES, attributes)


def _attempt_span(entry: Entry, context: TraceContext, place: int) -> bytes:
    attempt: Mapping[str, Any] = entry["attempts"][place]
    operation, model = operation_name(entry["operation"]), upstream_model(attempt["model"], attempt["provider"])
    state = entry["tracestate"] if context.parent_id is not None else None
    span = _span(context, f"{operation} {model}", context.attempt_span(place), context.request_span, state)
    span.kind = Span.SPAN_KIND_CLIENT
    _time(span, attempt["started"], attempt["ended"])
    error, tokens, first = attempt["error"], attempt["tokens"], attempt["first_byte"]
    attributes: Attributes = {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": provider_name(attempt["provider"]),
        "gen_ai.request.model": model,
        "gen_ai.usage.input_tokens": None if tokens is None else input_tokens(tokens),
        "gen_ai.usage.output_tokens": None if tokens is None else output_tokens(tokens),
        "gen_ai.usage.cache_read.input_tokens": _some(tokens, "cached_input"),
        "gen_ai.usage.cache_creation.input_tokens": _some(tokens, "cache_write"),
        "gen_ai.response.time_to_first_chunk": None if first is None else first - attempt["started"],
        "error.type": error_type(attempt),
        "http.response.status_code": None if error is None else error["status"],
        "modelmesh.usage.reasoning_tokens": _some(tokens, "reasoning"),
        "modelmesh.usage.audio_tokens": _some(tokens, "audio"),
        "modelmesh.usage.estimated": True if tokens is not None and tokens["estimated"] else None,
        "modelmesh.pool": attempt["pool"],
        "modelmesh.model": attempt["model"],
        "modelmesh.provider": attempt["provider"],
        "modelmesh.attempt": place + 1,
        "modelmesh.follow_up": attempt["follow_up"],
        "modelmesh.is_hedge": True if attempt["is_hedge"] else None,
        "modelmesh.cost_usd": _cost(attempt),
    }
    if error is not None:
        span.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message=clean(error["message"] or "")))
    return span.SerializeToString() + encoded(_ATTRIBUTES, attributes)


def _time(span: Span, started: float, ended: float | None) -> None:
    span.start_time_unix_nano = nanoseconds(started)
    # A clock that was set back must not make a span that receivers refuse.
    span.end_time_unix_nano = nanoseconds(max(started, ended if ended is not None else started))


def _cancelled(entry: Entry) -> str | None:
    return "cancelled" if entry["status"] == "cancelled" else None


def _cost(told: Mapping[str, Any]) -> float | None:
    return None if told["cost"] is None else float(told["cost"])


def _some(tokens: Mapping[str, Any] | None, kind: str) -> int | None:
    return (tokens[kind] or None) if tokens is not None else None
