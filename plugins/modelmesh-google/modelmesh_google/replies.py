"""The bytes of an answer of ``generateContent`` → a Reply, or stream events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson
from modelmesh_core import (
    EventKind,
    Failure,
    FailureKind,
    HttpResponse,
    Json,
    LimitReport,
    ProviderError,
    Reply,
    SSEDecoder,
    StreamEvent,
    as_list,
    as_object,
    as_objects,
    fold_chunks,
    headroom_of,
    provider_error,
    usage_of,
)

from .answer import AnswerReader
from .endings import Ending
from .errors import error_in, failure_of_error

_LARGEST = 64 * 1024 * 1024
"""Bytes that an answer may hold which comes in one piece in place of a stream."""

_TOO_DEEP = (RecursionError, orjson.JSONEncodeError)
"""What becomes of JSON that was read, but nests too deeply to be worked with."""


def decode_chat(response: HttpResponse, model: str) -> Reply:
    """A whole answer. Raises ProviderError for an error in its place, or a body that is none."""
    try:
        return _decoded_chat(response, model)
    except _TOO_DEEP as error:
        message = f"HTTP {response.status} with a body that nests too deeply ({len(response.body)} bytes)"
        raise provider_error(Failure(FailureKind.UNDECODABLE, message, status=response.status)) from error


def _decoded_chat(response: HttpResponse, model: str) -> Reply:
    decoded: Any = response.json()
    error = error_in(decoded)
    if error is not None:
        raise provider_error(failure_of_error(error, decoded))
    reader = AnswerReader(model, response.received_at)
    chunks: list[Json] = []
    for payload in as_objects(decoded if isinstance(decoded, list) else [decoded]):
        chunks += reader.read(payload)
    if not reader.has_answer:
        raise _undecodable(response, decoded)
    broken = reader.failure()
    if broken is not None:
        raise _broken(broken, decoded)
    body = fold_chunks([*chunks, reader.end()])
    usage = {"usage": reader.usage} if reader.usage else {}
    return Reply(
        {**body, **usage},
        usage=usage_of(reader.usage),
        finish_reason=body["choices"][0]["finish_reason"],
        headroom=headroom_of(response.headers, response.received_at),
        headers=response.headers,
    )


class GoogleStreamDecoder:
    """Fed the bytes of a streamed answer, cut anywhere; gives StreamEvents.

    The end and the usage are told when the body ends: every event counts the usage so far, and more text has been
    seen after a ``finishReason``. An event that is no JSON object is skipped and counted in ``skipped``.
    """

    def __init__(self, response: HttpResponse, model: str, hide: Callable[[bytes], bytes] = bytes) -> None:
        """``hide`` takes what is secret out of an error."""
        self.headroom: Mapping[str, LimitReport] = headroom_of(response.headers, response.received_at)
        self.skipped = 0
        self._reader = AnswerReader(model, response.received_at)
        self._sse = SSEDecoder()
        self._is_json = response.headers.get("content-type", "").startswith("application/json")
        self._whole: list[bytes] = []
        self._size = 0
        self._failed = False
        self._hide = hide
        self._last: Json = {}

    def feed(self, data: bytes) -> list[StreamEvent]:
        """Events completed by ``data``. Raises ProviderError for an event of unbounded size."""
        if not self._is_json:
            return [event for one in self._sse.feed(data) for event in self._decode(one.data)]
        self._whole.append(data)
        self._size += len(data)
        if self._size > _LARGEST:
            raise provider_error(Failure(FailureKind.UNDECODABLE, f"an answer passed {_LARGEST} bytes without ending"))
        return []

    def finish(self) -> list[StreamEvent]:
        """What an unterminated last event still holds, then how the answer ended and what it used."""
        rest = [b"".join(self._whole)] if self._is_json else [one.data for one in self._sse.finish()]
        events = [event for data in rest for event in self._decode(data)]
        if self._failed:
            return events
        reader = self._reader
        broken = reader.failure()
        usage = usage_of(reader.usage)
        if broken is not None:
            error = _broken(broken, self._last)
            return [*events, StreamEvent(EventKind.ERROR, usage=usage, error=error)]
        if reader.has_ended:
            last = reader.end()
            reason = last["choices"][0]["finish_reason"]
            events.append(StreamEvent(EventKind.FINISH, last, finish_reason=reason))
        if reader.usage:
            events.append(StreamEvent(EventKind.USAGE, reader.chunk([], usage=reader.usage), usage=usage))
        return events

    def _decode(self, data: bytes) -> Iterable[StreamEvent]:
        data = data.strip()
        if data in (b"", b"[DONE]"):  # the latter is the word of servers in between: Google's stream just ends
            return []
        decoded = _loads(data)
        # Without a blank line between them, events arrive as the lines of one.
        payloads = [_loads(line) for line in data.split(b"\n")] if decoded is None and b"\n" in data else [decoded]
        events: list[StreamEvent] = []
        for payload in payloads:
            objects = as_objects(as_list(payload) or [payload])
            if not objects:
                self.skipped += 1
            for one in objects:
                try:
                    events.extend(self._read(one))
                except _TOO_DEEP:
                    self.skipped += 1
        return events

    def _read(self, payload: Json) -> Iterable[StreamEvent]:
        error = error_in(payload)
        if error is not None:
            self._failed = True
            payload = as_object(_loads(self._hide(orjson.dumps(payload))))
            error = error_in(payload) or {}
            return [StreamEvent(EventKind.ERROR, error=provider_error(failure_of_error(error, payload)))]
        self._last = payload
        return [_event(chunk) for chunk in self._reader.read(payload)]


def _event(chunk: Json) -> StreamEvent:
    deltas = [choice["delta"] for choice in chunk["choices"]]
    opens = all(delta.keys() <= {"role"} for delta in deltas) and not any("logprobs" in c for c in chunk["choices"])
    return StreamEvent(EventKind.OPENING if opens else EventKind.CONTENT, chunk)


def _loads(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except ValueError:
        return None


def _broken(ending: Ending, body: Any) -> ProviderError:
    asked_wrongly = ending.native == "MISSING_THOUGHT_SIGNATURE"
    kind = FailureKind.INVALID_REQUEST if asked_wrongly else FailureKind.SERVER
    message = f"the model broke down without an answer ({ending.native})"
    message = f"{message}: {ending.message}" if ending.message else message
    return provider_error(Failure(kind, message, code=ending.native, body=body))


def _undecodable(response: HttpResponse, decoded: Any) -> ProviderError:
    found = ", ".join(list(as_object(decoded))[:8]) if isinstance(decoded, dict) else type(decoded).__name__
    message = f"HTTP {response.status} with a body that has no candidates (it has: {found or 'nothing'})"
    return provider_error(Failure(FailureKind.UNDECODABLE, message, status=response.status, body=decoded))
