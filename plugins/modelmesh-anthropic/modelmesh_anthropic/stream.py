"""A streamed answer of the Messages API → stream events."""

from __future__ import annotations

from typing import Any

import orjson
from modelmesh_core import (
    Dialect,
    EventKind,
    Failure,
    FailureKind,
    HttpResponse,
    Json,
    ProviderError,
    ServerSentEvent,
    SSEDecoder,
    StreamEvent,
    as_object,
    as_text,
    provider_error,
    unfold_reply,
)

from .assembly import OpenBlock
from .blocks import (
    annotations_of,
    arguments_of,
    ending,
    extras_of,
    json_answer,
    needs_verbatim,
    reasoning_detail,
    refusal_of,
    tool_call,
)
from .conversation import VERBATIM
from .errors import failure_of_event
from .limits import Headroom, headroom_of
from .reply import decode
from .request import EncodedCall
from .usage import as_reported, usage_of

_MAX_ANSWER = 64 * 1024 * 1024
"""Bytes of an answer that comes whole where a stream was asked for."""


class MessageEvents:
    """Fed the events of one streamed message, each as its JSON; gives StreamEvents.

    An event that is no JSON object is skipped and counted in ``skipped``; one of an unknown type says nothing.
    """

    def __init__(self, encoded: EncodedCall, created: float = 0.0) -> None:
        self.skipped = 0
        self._native = encoded.native
        self._form = encoded.form
        self._head: Json = {"id": "", "object": "chat.completion.chunk", "created": int(created), "model": ""}
        self._created = created
        self._blocks: dict[int, OpenBlock] = {}
        self._length = self._calls = self._details = 0
        self._usage: Json = {}
        self._extras: Json = {}

    def event(self, payload: bytes, name: str = "") -> list[StreamEvent]:
        """What one event says; in the caller's own dialect, always one event with the vendor's JSON."""
        payload = payload.strip()
        if not payload or payload == b"[DONE]":
            return []
        try:
            body = as_object(orjson.loads(payload))
        except ValueError:
            body = {}
        kind = as_text(body.get("type")) or name
        if not body or not kind:
            self.skipped += 1
            return []
        said = self._read(kind, body)
        if self._native:
            said.dialect = Dialect.ANTHROPIC_MESSAGES
            said.raw = payload.replace(b"\n", b" ").replace(b"\r", b" ")
            return [said]
        if said.kind is EventKind.FINISH and said.usage is not None:
            usage, said.usage = said.usage, None
            chunk: Json = {**self._head, "choices": [], "usage": as_reported(usage, self._usage)}
            return [said, StreamEvent(EventKind.USAGE, chunk, usage=usage)]
        return [] if said.kind is EventKind.OTHER else [said]

    def _read(self, kind: str, body: Json) -> StreamEvent:
        if kind == "message_start":
            message = as_object(body.get("message"))
            self._head |= {key: value for key in ("id", "model") if (value := as_text(message.get(key)))}
            self._usage |= _stated(message.get("usage"))
            self._extras = extras_of(message)
            return self._chunk(EventKind.OPENING, {"role": "assistant", "content": ""})
        if kind == "content_block_start":
            return self._said(self._begin(body))
        if kind == "content_block_delta":
            return self._said(self._grow(body))
        if kind == "content_block_stop":
            block = self._blocks.get(_index(body))
            return self._said(self._close(block) if block else {})
        if kind == "message_delta":
            return self._end(body)
        if kind == "message_stop":
            return StreamEvent(EventKind.DONE)
        if kind == "error":
            return StreamEvent(EventKind.ERROR, error=provider_error(failure_of_event(body, self._created)))
        return StreamEvent(EventKind.OTHER)

    def _begin(self, body: Json) -> Json:
        block = self._blocks[_index(body)] = OpenBlock(as_object(body.get("content_block")))
        block.start, kind = self._length, block.block.get("type")
        if kind == "text":
            return self._text(as_text(block.block.get("text")))
        if kind in ("thinking", "redacted_thinking"):
            block.detail, self._details = self._details, self._details + 1
            opening = {key: value for key, value in block.block.items() if value and key != "type"}
            return self._thought(block, {"type": kind, **opening}) if opening else {}
        if kind == "tool_use" and not self._is_answer(block):
            block.call, self._calls = self._calls, self._calls + 1
            return {"tool_calls": [{"index": block.call, **tool_call(block.block, "")}]}
        return {}

    def _grow(self, body: Json) -> Json:
        delta = as_object(body.get("delta"))
        kind, index = as_text(delta.get("type")), _index(body)
        if index not in self._blocks:
            opened = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "thinking"}.get(kind)
            if opened is None:
                self.skipped += 1
                return {}
            self._begin({"index": index, "content_block": {"type": opened}})
        block = self._blocks[index]
        block.add(delta)
        if kind == "text_delta":
            return self._text(as_text(delta.get("text")))
        if kind in ("thinking_delta", "signature_delta") and block.detail is not None:
            return self._thought(block, {**delta, "type": "thinking"})
        if kind == "input_json_delta":
            piece = as_text(delta.get("partial_json"))
            if block.call is not None and piece:
                return {"tool_calls": [{"index": block.call, "function": {"arguments": piece}}]}
            if self._is_answer(block) and not self._form.wrapped:
                return self._text(piece)
        return {}

    def _close(self, block: OpenBlock) -> Json:
        """What can be said only when a block is whole."""
        if not block.is_open:
            return {}
        block.is_open = False
        whole = block.whole()
        if whole.get("type") == "text":
            found = annotations_of(whole.get("citations"), block.start, self._length)
            return {"annotations": found} if found else {}
        streamed = bool(block.text("partial_json"))
        if block.call is not None and not streamed:
            arguments = arguments_of(whole.get("input"))
            return {"tool_calls": [{"index": block.call, "function": {"arguments": arguments}}]}
        if self._is_answer(block) and (self._form.wrapped or not streamed):
            return self._text(json_answer(whole.get("input"), self._form))
        return {}

    def _end(self, body: Json) -> StreamEvent:
        delta = as_object(body.get("delta"))
        self._usage |= _stated(body.get("usage"))
        reason = delta.get("stop_reason")
        if not isinstance(reason, str):
            return StreamEvent(EventKind.OTHER)
        rest: Json = {}
        for block in self._blocks.values():
            for key, value in self._close(block).items():
                rest[key] = rest[key] + value if key in rest else value
        if why := refusal_of(delta):
            rest["refusal"] = why
        content = [block.whole() for block in self._blocks.values()]
        if not self.skipped and needs_verbatim(content, self._form):  # with a gap in it, it could not go back
            rest[VERBATIM] = content
        end = ending(reason, delta, self._form, has_calls=self._calls > 0)
        usage = usage_of(self._usage)
        finish = self._chunk(EventKind.FINISH, rest, end)
        finish.usage, finish.finish_reason = usage, end["finish_reason"]
        if finish.chunk is not None:
            told = {key: value for key, value in body.items() if key != "delta"}
            finish.chunk = {**self._extras, **extras_of(told), **extras_of(delta), **finish.chunk}
        return finish

    def _text(self, text: str) -> Json:
        self._length += len(text)
        return {"content": text} if text else {}

    def _thought(self, block: OpenBlock, piece: Json) -> Json:
        text = as_text(piece.get("thinking"))
        said: Json = {"reasoning_details": [reasoning_detail(piece, block.detail or 0)]}
        return {"reasoning_content": text, **said} if text else said

    def _is_answer(self, block: OpenBlock) -> bool:
        """Whether the block is the call by which an answer in JSON comes."""
        form, own = self._form.json_tool, block.block
        return form is not None and own.get("type") == "tool_use" and own.get("name") == form

    def _said(self, delta: Json) -> StreamEvent:
        return self._chunk(EventKind.CONTENT, delta) if delta else StreamEvent(EventKind.OTHER)

    def _chunk(self, kind: EventKind, delta: Json, end: Json | None = None) -> StreamEvent:
        choice = {"index": 0, "delta": delta, **(end or {"finish_reason": None})}
        return StreamEvent(kind, {**self._head, "choices": [choice]})


class MessageStreamDecoder:
    """Fed the bytes of an answer's event stream, cut anywhere; gives StreamEvents."""

    def __init__(self, encoded: EncodedCall, headroom: Headroom | None = None, created: float = 0.0) -> None:
        self.headroom: Headroom = headroom or {}
        self.skipped = 0
        """Events that could not be read."""
        self._sse = SSEDecoder()
        self._events = MessageEvents(encoded, created)

    def feed(self, data: bytes) -> list[StreamEvent]:
        """Events completed by ``data``. Raises ProviderError for an event of unbounded size."""
        return self._read(self._sse.feed(data))

    def finish(self) -> list[StreamEvent]:
        """What an unterminated last event still holds."""
        return self._read(self._sse.finish())

    def _read(self, arrived: list[ServerSentEvent]) -> list[StreamEvent]:
        found = [event for name, payload in arrived for event in self._events.event(payload, name)]
        self.skipped = self._events.skipped
        return found


class WholeMessageDecoder:
    """For a server that answers a streamed request with one JSON body: the answer, or an error, as events."""

    def __init__(self, encoded: EncodedCall, response: HttpResponse) -> None:
        self.headroom = headroom_of(response.headers, response.received_at)
        self.skipped = 0
        self._encoded, self._response = encoded, response
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[StreamEvent]:
        """Nothing yet. Raises ProviderError when the body grows beyond bounds."""
        self._parts.append(data)
        self._size += len(data)
        if self._size > _MAX_ANSWER:
            message = f"an answer passed {_MAX_ANSWER} bytes without ending"
            raise provider_error(Failure(FailureKind.UNDECODABLE, message))
        return []

    def finish(self) -> list[StreamEvent]:
        """The whole answer as one chunk."""
        head = self._response
        try:
            reply = decode(
                HttpResponse(head.status, head.headers, b"".join(self._parts), head.received_at), self._encoded
            )
        except ProviderError as error:
            return [StreamEvent(EventKind.ERROR, error=error)]
        chunk = unfold_reply(reply.body)
        return [StreamEvent(EventKind.CONTENT, chunk, usage=reply.usage, finish_reason=reply.finish_reason)]


def _index(body: Json) -> int:
    index = body.get("index")
    return index if isinstance(index, int) else -1


def _stated(usage: Any) -> Json:
    """The fields of a usage report that say something: later reports leave some of them out."""
    return {key: value for key, value in as_object(usage).items() if value is not None}
