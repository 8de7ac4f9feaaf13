"""A streamed answer of ``/api/chat``, one JSON object a line → stream events."""

from __future__ import annotations

import orjson
from modelmesh_core import (
    EventKind,
    Failure,
    FailureKind,
    HttpResponse,
    Json,
    ProviderCall,
    StreamEvent,
    as_object,
    as_text,
    headroom_of,
    provider_error,
)

from .answers import as_reported, ending, head_of, logprobs_of, tool_calls_of, usage_of
from .errors import failure_of_event

_LONGEST = 32 * 1024 * 1024
"""Bytes of a line."""


class LinesDecoder:
    """Fed the bytes of an answer's lines, cut anywhere; gives StreamEvents."""

    def __init__(self, call: ProviderCall, response: HttpResponse) -> None:
        self.headroom = headroom_of(response.headers, response.received_at)
        self.skipped = 0
        """Lines that could not be read."""
        self._request_id, self._received_at = call.request_id, response.received_at
        self._head: Json = {}
        self._pieces: list[bytes] = []
        self._held = 0
        self._calls = 0

    def feed(self, data: bytes) -> list[StreamEvent]:
        """Events completed by ``data``. Raises ProviderError for a line of unbounded size."""
        *ended, rest = data.split(b"\n")
        events: list[StreamEvent] = []
        for piece in ended:
            line = b"".join((*self._pieces, piece))
            self._pieces, self._held = [], 0
            events += self._line(line)
        if rest:
            self._pieces.append(rest)
            self._held += len(rest)
        if self._held > _LONGEST:
            raise provider_error(Failure(FailureKind.UNDECODABLE, f"a line passed {_LONGEST} bytes without ending"))
        return events

    def finish(self) -> list[StreamEvent]:
        """What a last line without its end still holds."""
        line, self._pieces = b"".join(self._pieces), []
        return self._line(line)

    def _line(self, line: bytes) -> list[StreamEvent]:
        if not line.strip():
            return []
        try:
            body = as_object(orjson.loads(line))
        except ValueError:
            body = {}
        if body.get("error"):
            return [StreamEvent(EventKind.ERROR, error=provider_error(failure_of_event(body)))]
        if not isinstance(body.get("message"), dict) and body.get("done") is not True:
            self.skipped += 1
            return []
        events: list[StreamEvent] = []
        if not self._head:
            self._head = head_of(body, "chat.completion.chunk", self._request_id, self._received_at)
            events.append(self._chunk(EventKind.OPENING, {"role": "assistant", "content": ""}))
        said, extra = self._said(body), logprobs_of(body)
        if said or extra:
            events.append(self._chunk(EventKind.CONTENT, said, extra))
        return events + self._end(body) if body.get("done") is True else events

    def _said(self, body: Json) -> Json:
        message = as_object(body.get("message"))
        said: Json = {}
        if thinking := as_text(message.get("thinking")):
            said["reasoning_content"] = thinking
        if text := as_text(message.get("content")):
            said["content"] = text
        if calls := tool_calls_of(body, self._calls):
            said["tool_calls"] = [{"index": index, **call} for index, call in enumerate(calls, self._calls)]
            self._calls += len(calls)
        return said

    def _end(self, body: Json) -> list[StreamEvent]:
        end = ending(body, self._calls > 0)
        finish = self._chunk(EventKind.FINISH, {}, end)
        finish.finish_reason = end["finish_reason"]
        usage = usage_of(body)
        done = StreamEvent(EventKind.DONE)
        if usage is None:
            return [finish, done]
        chunk: Json = {**self._head, "choices": [], "usage": as_reported(usage, body)}
        return [finish, StreamEvent(EventKind.USAGE, chunk, usage=usage), done]

    def _chunk(self, kind: EventKind, delta: Json, extra: Json | None = None) -> StreamEvent:
        choice = {"index": 0, "delta": delta, "finish_reason": None, **(extra or {})}
        return StreamEvent(kind, {**self._head, "choices": [choice]})
