"""A streamed answer of ``/v2/chat`` → stream events."""

from __future__ import annotations

import orjson
from modelmesh_core import (
    EventKind,
    Failure,
    FailureKind,
    HttpResponse,
    Json,
    ProviderCall,
    ProviderError,
    ServerSentEvent,
    SSEDecoder,
    StreamEvent,
    as_object,
    as_objects,
    as_text,
    provider_error,
    unfold_reply,
)

from .answers import FAILED, annotations_of, ending, logprobs_of, plan, thought, tool_call
from .errors import failure_of_ending, limits_of
from .reply import decode
from .usage import as_reported, usage_of

_MAX_ANSWER = 64 * 1024 * 1024
"""Bytes of an answer that comes whole where a stream was asked for."""


class ChatStreamDecoder:
    """Fed the bytes of an answer's event stream, cut anywhere; gives StreamEvents."""

    def __init__(self, call: ProviderCall, response: HttpResponse) -> None:
        self.headroom = limits_of(response.headers, response.received_at)
        self.skipped = 0
        """Events that could not be read."""
        self._sse = SSEDecoder()
        created, model = int(response.received_at), call.upstream_model
        self._head: Json = {"id": "", "object": "chat.completion.chunk", "created": created, "model": model}
        self._length = 0
        self._starts: dict[int, int] = {}
        """Content block → character of the answer at which its text begins."""
        self._details: dict[int, int] = {}
        """Content block (-1 for the plan) → its index among the reasoning blocks."""
        self._calls: dict[int, int] = {}
        """Cohere's index of a tool call → ours."""
        self._silent: set[int] = set()
        """Tool calls whose arguments have not begun."""

    def feed(self, data: bytes) -> list[StreamEvent]:
        """Events completed by ``data``. Raises ProviderError for an event of unbounded size."""
        return [event for one in self._sse.feed(data) for event in self._event(one)]

    def finish(self) -> list[StreamEvent]:
        """What an unterminated last event still holds."""
        return [event for one in self._sse.finish() for event in self._event(one)]

    def _event(self, event: ServerSentEvent) -> list[StreamEvent]:
        data = event.data.strip()
        if data == b"[DONE]":
            return [StreamEvent(EventKind.DONE)]
        try:
            body = as_object(orjson.loads(data))
        except ValueError:
            body = {}
        kind = as_text(body.get("type")) or event.name
        if kind == "error" or (isinstance(body.get("message"), str) and "delta" not in body):
            told = as_text(body.get("message")) or as_text(body.get("error"))
            return [StreamEvent(EventKind.ERROR, error=provider_error(failure_of_ending("ERROR", {"error": told})))]
        if not body or not kind:
            self.skipped += 1
            return []
        message = as_object(as_object(body.get("delta")).get("message"))
        if kind == "message-start":
            self._head["id"] = as_text(body.get("id")) or self._head["id"]
            return [self._chunk(EventKind.OPENING, {"role": "assistant", "content": ""})]
        if kind == "message-end":
            return self._end(body)
        said = self._said(kind, _index(body), message)
        extra = logprobs_of([body["logprobs"]]) if isinstance(body.get("logprobs"), dict) else {}
        return [self._chunk(EventKind.CONTENT, said, extra)] if said or extra else []

    def _said(self, kind: str, index: int, message: Json) -> Json:
        if kind in ("content-start", "content-delta"):
            return self._content(index, as_object(message.get("content")))
        if kind == "tool-plan-delta":
            return self._thought(-1, as_text(message.get("tool_plan")))
        if kind == "tool-call-start":
            return self._begin_call(index, as_object(message.get("tool_calls")))
        if kind == "tool-call-delta":
            function = as_object(as_object(message.get("tool_calls")).get("function"))
            return self._arguments(index, as_text(function.get("arguments")))
        if kind == "tool-call-end":
            return self._arguments(index, "{}" if index in self._silent else "")
        if kind == "citation-start":
            cited = message.get("citations")
            found = [as_object(cited)] if isinstance(cited, dict) else as_objects(cited)
            notes = [note for one in found for note in annotations_of(one, self._starts.get(_content_index(one), 0))]
            return {"annotations": notes} if notes else {}
        return {}

    def _content(self, index: int, content: Json) -> Json:
        text, thinking = as_text(content.get("text")), as_text(content.get("thinking"))
        self._starts.setdefault(index, self._length)
        said = self._thought(index, thinking)
        if text:
            self._length += len(text)
            said["content"] = text
        return said

    def _thought(self, block: int, text: str) -> Json:
        if not text:
            return {}
        index = self._details.setdefault(block, len(self._details))
        return plan(text, index) if block == -1 else thought(text, index)

    def _begin_call(self, index: int, call: Json) -> Json:
        place = self._calls[index] = len(self._calls)
        made = tool_call(call, place)
        if not made["function"]["arguments"]:
            self._silent.add(index)
        return {"tool_calls": [{"index": place, **made}]}

    def _arguments(self, index: int, piece: str) -> Json:
        if not piece:
            return {}
        if index not in self._calls:  # the event that names the function is missing: there is nothing to call
            self.skipped += 1
            return {}
        self._silent.discard(index)
        return {"tool_calls": [{"index": self._calls[index], "function": {"arguments": piece}}]}

    def _end(self, body: Json) -> list[StreamEvent]:
        delta = as_object(body.get("delta"))
        native, own = as_text(delta.get("finish_reason")), as_object(delta.get("usage"))
        if native in FAILED:
            return [StreamEvent(EventKind.ERROR, error=provider_error(failure_of_ending(native, delta)))]
        rest = [self._arguments(index, "{}")["tool_calls"][0] for index in sorted(self._silent)]
        end = ending(native)
        finish = self._chunk(EventKind.FINISH, {"tool_calls": rest} if rest else {}, end)
        finish.finish_reason = end["finish_reason"]
        usage = usage_of(own)
        if usage is None:
            return [finish]
        chunk: Json = {**self._head, "choices": [], "usage": as_reported(usage, own)}
        return [finish, StreamEvent(EventKind.USAGE, chunk, usage=usage)]

    def _chunk(self, kind: EventKind, delta: Json, extra: Json | None = None) -> StreamEvent:
        choice = {"index": 0, "delta": delta, "finish_reason": None, **(extra or {})}
        return StreamEvent(kind, {**self._head, "choices": [choice]})


class WholeAnswerDecoder:
    """For a server that answers a streamed request with one JSON body: the answer, or an error, as events."""

    def __init__(self, call: ProviderCall, response: HttpResponse) -> None:
        self.headroom = limits_of(response.headers, response.received_at)
        self.skipped = 0
        self._call, self._response = call, response
        self._body = bytearray()

    def feed(self, data: bytes) -> list[StreamEvent]:
        """Nothing yet. Raises ProviderError when the body grows beyond bounds."""
        self._body += data
        if len(self._body) > _MAX_ANSWER:
            message = f"an answer passed {_MAX_ANSWER} bytes without ending"
            raise provider_error(Failure(FailureKind.UNDECODABLE, message))
        return []

    def finish(self) -> list[StreamEvent]:
        """The whole answer as one chunk."""
        head = self._response
        try:
            reply = decode(self._call, HttpResponse(head.status, head.headers, bytes(self._body), head.received_at))
        except ProviderError as error:
            return [StreamEvent(EventKind.ERROR, error=error)]
        chunk = unfold_reply(reply.body)
        return [StreamEvent(EventKind.CONTENT, chunk, usage=reply.usage, finish_reason=reply.finish_reason)]


def _index(body: Json) -> int:
    index = body.get("index")
    return index if isinstance(index, int) and index >= 0 else 0


def _content_index(citation: Json) -> int:
    index = citation.get("content_index")
    return index if isinstance(index, int) else 0
