"""From a request's bytes and headers to the mesh's Request. Only what routing needs is looked at; the rest goes on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import orjson

from ..dialects import DialectError
from ..interfaces.traces import is_traceparent, is_tracestate
from ..values import parse_duration
from ..wire.messages import Body, Delivery, Operation, Request
from .exchange import Exchange
from .refusals import Refusal

MAX_DEPTH = 128
"""Levels that a body may nest. Deeper ones are an attack on whoever walks them."""
LONGEST_NAME = 512
"""Characters of ``model``, which is searched for near misses, and told in errors."""
_NAME = f"a text of 1 to {LONGEST_NAME} characters"


def chat_request(exchange: Exchange, raw: bytes) -> Request:
    """A chat completion. Raises Refusal for what no provider could understand."""
    body = decode_body(raw)
    model = required_name(body)
    messages: list[Any] = _required(body, "messages", list, "a list of messages")
    for place, message in enumerate(messages):
        if not isinstance(message, dict):
            raise mistake(f"messages[{place}]", "an object", message)
    delivery, includes_usage = Delivery.SYNCHRONOUS, False
    if "stream" in body and optional(body, "stream", bool, "true or false"):
        delivery = Delivery.STREAMING
    if "stream_options" in body:
        options: Body = optional(body, "stream_options", dict, "an object") or {}
        includes_usage = options.get("include_usage") is True
    request = Request(Operation.CHAT, model, body, delivery)
    request.include_usage, request.raw = includes_usage, raw
    return from_caller(request, exchange)


def native_request(exchange: Exchange, raw: bytes) -> Request:
    """A chat completion that is asked for in the exchange's own dialect. Raises Refusal."""
    body = decode_body(raw)
    dialect = exchange.dialect
    model = required_name(body)
    is_streaming = optional(body, "stream", bool, "true or false") is True
    try:
        chat, native = dialect.to_chat(body), dialect.native(body)
    except DialectError as error:
        raise Refusal(400, str(error), param=error.param, code="invalid_value") from None
    request = Request(Operation.CHAT, model, chat, Delivery.STREAMING if is_streaming else Delivery.SYNCHRONOUS)
    request.include_usage, request.dialect, request.native = True, dialect.dialect, native
    return from_caller(request, exchange)


def decode_body(raw: bytes) -> Body:
    """The JSON object that ``raw`` holds. Raises Refusal for anything else."""
    try:
        body: Any = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        what = "the request body is not valid JSON" if raw else "the request has no body"
        raise Refusal(400, f"{what}: {error}", code="invalid_json") from None
    if not isinstance(body, dict):
        raise Refusal(400, f"the request body must be a JSON object, not {_shown(body)}", code="invalid_json")
    # Few bodies have that many brackets, so few are walked.
    if _has_openings(raw, MAX_DEPTH) and _is_deep(body):
        raise Refusal(400, f"the request body nests more than {MAX_DEPTH} levels", code="invalid_json")
    return body  # pyright: ignore[reportUnknownVariableType]


def _has_openings(raw: bytes, most: int) -> bool:
    """Whether ``raw`` has more than ``most`` opening brackets. To count them all takes longer than to decode it."""
    left = most
    for bracket in (b"{", b"["):
        place = raw.find(bracket)
        while place >= 0:
            left -= 1
            if left < 0:
                return True
            place = raw.find(bracket, place + 1)
    return False


def required_name(body: Body) -> str:
    """The body's ``model``. Raises Refusal."""
    model: str = _required(body, "model", str, _NAME)
    if not 0 < len(model) <= LONGEST_NAME:
        raise mistake("model", _NAME, model)
    return model


def _is_deep(body: Any) -> bool:
    level: list[Any] = [body]
    for _ in range(MAX_DEPTH):
        level = [inner for value in level for inner in _inside(value) if isinstance(inner, (dict, list))]
        if not level:
            return False
    return True


def _inside(value: Any) -> Iterable[Any]:
    return cast(Body, value).values() if isinstance(value, dict) else cast(list[Any], value)


def _required(body: Body, name: str, kind: type, expected: str) -> Any:
    value = body.get(name)
    if value is None:
        raise Refusal(400, f"{name} is missing", param=name, code="missing_required_parameter")
    if not isinstance(value, kind):
        raise mistake(name, expected, value)
    return value


def optional(body: Body, name: str, kind: type, expected: str) -> Any:
    """The body's value of that kind, or None. Raises Refusal."""
    value = body.get(name)
    if value is not None and not isinstance(value, kind):
        raise mistake(name, expected, value)
    return value


def mistake(name: str, expected: str, found: Any) -> Refusal:
    """The refusal of a value of the wrong kind."""
    return Refusal(400, f"{name} must be {expected}, not {_shown(found)}", param=name, code="invalid_type")


def _shown(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "a list"
    return orjson.dumps(value).decode()[:80]


def from_caller(request: Request, exchange: Exchange) -> Request:
    """``request`` with who the caller is, and what its headers say to the mesh."""
    request.id, request.key, request.key_limits = exchange.request_id, exchange.key, exchange.key_limits
    headers = exchange.headers
    if b"x-modelmesh-session" in headers or b"x-session-id" in headers:
        request.session_id = exchange.header(b"x-modelmesh-session") or exchange.header(b"x-session-id") or None
    if b"x-modelmesh-timeout" in headers:
        request.timeout = timeout_of(exchange)
    if b"traceparent" in headers:
        request.traceparent, request.tracestate = trace_of(exchange)
    return request


def trace_of(exchange: Exchange) -> tuple[str | None, str | None]:
    """The caller's traceparent and tracestate. What is malformed is passed over: it says nothing of the request."""
    parent, state = exchange.header(b"traceparent").strip(), exchange.header(b"tracestate").strip()
    if not is_traceparent(parent):
        return None, None
    return parent, state if is_tracestate(state) else None


def timeout_of(exchange: Exchange) -> float | None:
    """The caller's own limit, in seconds. Raises Refusal."""
    text = exchange.header(b"x-modelmesh-timeout")
    if not text:
        return None
    try:
        try:
            seconds = parse_duration(float(text))
        except ValueError:
            seconds = parse_duration(text)
    except ValueError as error:
        raise Refusal(400, f"x-modelmesh-timeout: {error}", code="invalid_header") from None
    if seconds <= 0:
        raise Refusal(400, "x-modelmesh-timeout must be longer than 0", code="invalid_header")
    return seconds
