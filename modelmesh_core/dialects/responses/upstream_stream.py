"""A vendor's stream of the Responses API → stream events."""

from __future__ import annotations

import orjson

from ...errors import provider_error
from ...openai_dialect.errors import error_object, failure_of_error
from ...wire.messages import Body, Dialect, EventKind, Headroom, StreamEvent
from ...wire.shapes import as_list, as_object, as_text
from ...wire.sse import ServerSentEvent, SSEDecoder
from .answer import usage_to_chat
from .items import VERBATIM, message_of
from .takeover import LAST
from .upstream import beside, ending_of, head_of
from .upstream_items import StreamedItem, Tally, joined

_DELTAS = {
    "response.output_text.delta": "message",
    "response.refusal.delta": "message",
    "response.reasoning_text.delta": "reasoning",
    "response.reasoning_summary_text.delta": "reasoning",
}


class ResponsesStreamDecoder:
    """Fed the bytes of a Responses stream, cut anywhere; gives StreamEvents.

    ``native``: the caller asked in this dialect, and every event has ``raw``. An event that is no JSON object is
    skipped and counted in ``skipped``; one of an unknown type says nothing.
    """

    def __init__(self, headroom: Headroom | None = None, native: bool = False) -> None:
        self.headroom: Headroom = headroom or {}
        self.skipped = 0
        self._native = native
        self._sse = SSEDecoder()
        self._head: Body = head_of({}, "chat.completion.chunk")
        self._items: dict[int | str, StreamedItem] = {}
        self._tally = Tally()

    def feed(self, data: bytes) -> list[StreamEvent]:
        """Events completed by ``data``. Raises ProviderError for an event of unbounded size."""
        return self._read(self._sse.feed(data))

    def finish(self) -> list[StreamEvent]:
        """What an unterminated last event still holds."""
        return self._read(self._sse.finish())

    def _read(self, arrived: list[ServerSentEvent]) -> list[StreamEvent]:
        return [event for name, payload in arrived for event in self._decode(name, payload.strip())]

    def _decode(self, name: str, payload: bytes) -> list[StreamEvent]:
        if payload == b"[DONE]":
            return [StreamEvent(EventKind.DONE)]
        if not payload:
            return []
        try:
            body = as_object(orjson.loads(payload))
        except ValueError:
            body = {}
        kind = as_text(body.get("type")) or name
        if not body or not (kind or error_object(body)):
            self.skipped += 1
            return []
        said = self._event(kind, body)
        if self._native:
            said.dialect = Dialect.OPENAI_RESPONSES
            said.raw = payload.replace(b"\n", b" ").replace(b"\r", b" ")
            return [said]
        if said.kind is EventKind.FINISH and said.chunk is not None and "usage" in said.chunk:
            chunk: Body = {**self._head, "choices": [], "usage": said.chunk.pop("usage")}
            usage, said.usage = said.usage, None
            return [said, StreamEvent(EventKind.USAGE, chunk, usage=usage)]
        return [] if said.kind is EventKind.OTHER else [said]

    def _event(self, kind: str, body: Body) -> StreamEvent:
        response = as_object(body.get("response"))
        if kind in ("error", "response.failed") or error_object(body) is not None:
            error = error_object(response) or error_object(body) or body
            usage = usage_to_chat(response.get("usage"))[0]
            return StreamEvent(EventKind.ERROR, usage=usage, error=provider_error(failure_of_error(error, body)))
        if kind == "response.created":
            self._head = head_of(response, "chat.completion.chunk")
            return self._chunk(EventKind.OPENING, {"role": "assistant", "content": ""})
        if kind in LAST:
            return self._end(response)
        delta = self._said(kind, body)
        if not delta:
            return StreamEvent(EventKind.OTHER)
        logprobs = delta.pop("logprobs", None)
        return self._chunk(EventKind.CONTENT, delta, {"logprobs": logprobs} if logprobs else {})

    def _said(self, kind: str, body: Body) -> Body:
        item = as_object(body.get("item"))
        index = self._place_of(body, item)
        if kind == "response.output_item.added":
            return self._begin(index, item).opening()
        known = self._items.get(index)
        if kind == "response.output_item.done":
            return self._all_of(known or self._begin(index, item), item)
        if known is None and kind in _DELTAS:  # a server that leaves the beginning of an item out
            known = self._begin(index, {"type": _DELTAS[kind], "id": body.get("item_id")})
        return known.grow(kind, body) if known is not None else {}

    def _begin(self, index: int | str, item: Body) -> StreamedItem:
        known = self._items[index] = StreamedItem(item, self._tally)
        return known

    def _place_of(self, body: Body, item: Body) -> int | str:
        """By what an event names its item: some servers leave the index out."""
        index = body.get("output_index")
        if isinstance(index, int):
            return index
        identity = as_text(body.get("item_id")) or as_text(item.get("id"))
        return next((place for place, known in self._items.items() if known.whole.get("id") == identity), identity)

    def _all_of(self, known: StreamedItem, item: Body) -> Body:
        opening = known.opening()
        return joined(opening, known.rest(item))

    def _end(self, response: Body) -> StreamEvent:
        output = [as_object(item) for item in as_list(response.get("output"))]
        rest: Body = {}
        ids = {as_text(known.whole.get("id")) for known in self._items.values()} | set(self._items)
        for index, item in enumerate(output):
            if index not in self._items and as_text(item.get("id")) not in ids - {""}:
                rest = joined(rest, self._all_of(self._begin(index, item), item))
        items = output or [known.whole for known in self._items.values()]
        if VERBATIM in (message := message_of(items)):
            rest[VERBATIM] = message[VERBATIM]
        logprobs = rest.pop("logprobs", None)
        end = ending_of(response, self._tally.calls > 0) | ({"logprobs": logprobs} if logprobs else {})
        finish = self._chunk(EventKind.FINISH, rest, end)
        finish.finish_reason = end["finish_reason"]
        finish.usage, reported = usage_to_chat(response.get("usage"))
        finish.chunk = {**(finish.chunk or {}), **beside(response), **({"usage": reported} if reported else {})}
        return finish

    def _chunk(self, kind: EventKind, delta: Body, choice: Body | None = None) -> StreamEvent:
        made = {"index": 0, "delta": delta, "finish_reason": None, **(choice or {})}
        return StreamEvent(kind, {**self._head, "choices": [made]})
