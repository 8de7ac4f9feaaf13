"""A streamed answer of ConverseStream → stream events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from modelmesh_core import (
    EventKind,
    HttpResponse,
    Json,
    LimitReport,
    ProviderError,
    StreamEvent,
    as_object,
    as_text,
    headroom_of,
    provider_error,
    unfold_reply,
)

from .assembly import OpenBlock, take_in
from .blocks import (
    annotations_of,
    arguments_of,
    breakdown,
    ending,
    hidden_thought,
    image_of,
    is_answer,
    is_call,
    json_answer,
    needs_verbatim,
    thought,
    tool_call,
    verbatim,
)
from .conversation import VERBATIM
from .errors import failure_of_exception
from .eventstream import MAX_PAYLOAD, EventStreamDecoder, Message
from .reply import EXTRAS, completion_head, decode
from .request import EncodedCall
from .shapes import undecodable
from .usage import as_reported, usage_of


class ConverseStreamDecoder:
    """Fed the bytes of an answer's event stream, cut anywhere; gives StreamEvents.

    An event that is no JSON object is skipped and counted in ``skipped``; one of an unknown type says nothing.
    """

    def __init__(self, encoded: EncodedCall, response: HttpResponse) -> None:
        self.headroom: Mapping[str, LimitReport] = headroom_of(response.headers, response.received_at)
        self.skipped = 0
        self._messages = EventStreamDecoder()
        self._encoded = encoded
        self._head = completion_head("chat.completion.chunk", response, encoded)
        self._blocks: dict[int, OpenBlock] = {}
        self._length = self._calls = self._details = self._images = 0

    def feed(self, data: bytes) -> list[StreamEvent]:
        """Events completed by ``data``. Raises ProviderError for a stream whose framing is broken."""
        return [event for message in self._messages.feed(data) if (event := self._event(message)) is not None]

    def finish(self) -> list[StreamEvent]:
        """Nothing: what is not whole makes no sense."""
        return []

    def _event(self, message: Message) -> StreamEvent | None:
        headers = message.headers
        kind = headers.get(":message-type", "event")
        if kind == "exception":
            return _failed(headers.get(":exception-type", ""), message.payload)
        if kind == "error":
            return _failed(headers.get(":error-code", ""), message.payload, headers.get(":error-message", ""))
        try:
            decoded: Any = orjson.loads(message.payload)
        except ValueError:
            decoded = None
        if not isinstance(decoded, dict):
            self.skipped += 1
            return None
        name, body = headers.get(":event-type", ""), as_object(decoded)
        if name.endswith("Exception"):
            return _failed(name, message.payload)
        return self._read(name, body)

    def _read(self, name: str, body: Json) -> StreamEvent | None:
        if name == "messageStart":
            return self._chunk(EventKind.OPENING, {"role": "assistant", "content": ""})
        if name == "contentBlockStart":
            return self._said(self._begin(body))
        if name == "contentBlockDelta":
            return self._said(self._grow(body))
        if name == "contentBlockStop":
            block = self._blocks.get(_index(body))
            return self._said(self._close(block)) if block else None
        if name == "messageStop":
            return self._end(body)
        return self._measure(body) if name == "metadata" else None

    def _begin(self, body: Json) -> Json:
        block = self._open(_index(body), as_object(body.get("start")))
        if not block.use or is_answer(block.use, self._encoded.form) or not is_call(block.use):
            return {}
        block.call, self._calls = self._calls, self._calls + 1
        return {"tool_calls": [{"index": block.call, **tool_call(block.use, "", block.call)}]}

    def _open(self, index: int, start: Json) -> OpenBlock:
        block = self._blocks[index] = OpenBlock(start, self._length)
        return block

    def _grow(self, body: Json) -> Json:
        index, delta = _index(body), as_object(body.get("delta"))
        if not delta:
            self.skipped += 1
            return {}
        block = self._blocks.get(index) or self._open(index, {})
        take_in(block, delta)
        if piece := as_text(delta.get("text")):
            return self._text(piece)
        if piece := as_text(as_object(delta.get("toolUse")).get("input")):
            if block.call is not None:
                return {"tool_calls": [{"index": block.call, "function": {"arguments": piece}}]}
            streams = is_answer(block.use, self._encoded.form) and not self._encoded.form.wrapped
            return self._text(piece) if streams else {}
        return self._thought(block, as_object(delta.get("reasoningContent")))

    def _thought(self, block: OpenBlock, piece: Json) -> Json:
        if not piece:
            return {}
        if block.detail is None:
            block.detail, self._details = self._details, self._details + 1
        text, signature = as_text(piece.get("text")), as_text(piece.get("signature"))
        if not text and not signature:
            return {}  # encrypted: told when it is whole
        said: Json = {"reasoning_details": [thought(text, signature, block.detail, self._encoded.family)]}
        return {"reasoning_content": text, **said} if text else said

    def _close(self, block: OpenBlock) -> Json:
        """What can be said only when a block is whole."""
        if not block.is_open:
            return {}
        block.is_open = False
        said: Json = {}
        if block.redacted and block.detail is not None:
            index = block.detail
            if block.text("reasoning") or block.text("signature"):
                index, self._details = self._details, self._details + 1
            said["reasoning_details"] = [hidden_thought(block.redacted, index, self._encoded.family)]
        if block.citations:
            said["annotations"] = annotations_of(block.citations, block.begins_at, self._length)
        streamed = bool(block.text("input"))
        if block.call is not None and not streamed:
            arguments = arguments_of(block.input)
            said["tool_calls"] = [{"index": block.call, "function": {"arguments": arguments}}]
        if is_answer(block.use, self._encoded.form) and (self._encoded.form.wrapped or not streamed):
            said |= self._text(json_answer(block.input, self._encoded.form))
        if image := image_of(block.whole()):
            said["images"] = [{**image, "index": self._images}]
            self._images += 1
        return said

    def _end(self, body: Json) -> StreamEvent:
        rest: Json = {}
        for block in self._blocks.values():
            for key, value in self._close(block).items():
                rest[key] = rest[key] + value if key in rest else value
        content = [block.whole() for _, block in sorted(self._blocks.items())]
        says = bool(rest) or any(block != {"text": ""} for block in content)
        reason = body.get("stopReason")
        if (broken := breakdown(reason, says_something=says)) is not None:
            return StreamEvent(EventKind.ERROR, error=broken)
        if not self.skipped and needs_verbatim(content, self._encoded.form):  # with a gap in it, it could not go back
            rest[VERBATIM] = verbatim(content, self._encoded.family)
        end = ending(reason, self._encoded.form, has_calls=self._calls > 0)
        finish = self._chunk(EventKind.FINISH, rest, end)
        finish.finish_reason = end["finish_reason"]
        return _with_extras(finish, body)

    def _measure(self, body: Json) -> StreamEvent | None:
        own = as_object(body.get("usage"))
        usage = usage_of(own)
        if usage is None:
            return None
        chunk: Json = {**self._head, "choices": [], "usage": as_reported(usage, own)}
        return _with_extras(StreamEvent(EventKind.USAGE, chunk, usage=usage), body)

    def _text(self, text: str) -> Json:
        self._length += len(text)
        return {"content": text} if text else {}

    def _said(self, delta: Json) -> StreamEvent | None:
        return self._chunk(EventKind.CONTENT, delta) if delta else None

    def _chunk(self, kind: EventKind, delta: Json, end: Json | None = None) -> StreamEvent:
        choice = {"index": 0, "delta": delta, **(end or {"finish_reason": None})}
        return StreamEvent(kind, {**self._head, "choices": [choice]})


class WholeAnswerDecoder:
    """For a server that answers a streamed request with one JSON body: the answer, or an error, as events."""

    def __init__(self, encoded: EncodedCall, response: HttpResponse) -> None:
        self.headroom: Mapping[str, LimitReport] = headroom_of(response.headers, response.received_at)
        self.skipped = 0
        self._encoded, self._response = encoded, response
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[StreamEvent]:
        """Nothing yet. Raises ProviderError when the body grows beyond bounds."""
        self._parts.append(data)
        self._size += len(data)
        if self._size > MAX_PAYLOAD:
            raise undecodable(f"an answer passed {MAX_PAYLOAD} bytes without ending")
        return []

    def finish(self) -> list[StreamEvent]:
        """The whole answer as one chunk."""
        head = self._response
        whole = HttpResponse(head.status, head.headers, b"".join(self._parts), head.received_at)
        try:
            reply = decode(whole, self._encoded)
        except ProviderError as error:
            return [StreamEvent(EventKind.ERROR, error=error)]
        chunk = unfold_reply(reply.body)
        return [StreamEvent(EventKind.CONTENT, chunk, usage=reply.usage, finish_reason=reply.finish_reason)]


def _with_extras(event: StreamEvent, body: Json) -> StreamEvent:
    if event.chunk is not None:
        event.chunk = {**{key: body[key] for key in EXTRAS if body.get(key)}, **event.chunk}
    return event


def _failed(name: str, payload: bytes, message: str = "") -> StreamEvent:
    return StreamEvent(EventKind.ERROR, error=provider_error(failure_of_exception(name, payload, message)))


def _index(body: Json) -> int:
    index = body.get("contentBlockIndex")
    return index if isinstance(index, int) else -1
