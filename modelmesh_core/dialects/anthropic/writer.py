"""A streamed chat completion → the events of a streamed message."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from ...openai_dialect import reported_usage
from ...wire.messages import Body, Dialect, StreamEvent
from ...wire.shapes import as_object, as_text
from .blocks import BlockWriter
from .errors import error_event
from .forwarding import Forwarder
from .pieces import DeltaReader
from .reading import Json, without
from .reply import OF_COMPLETIONS, ending_of, first_choice, opening_of
from .usage import message_usage

_OF_THE_END = ("stop_reason", "stop_sequence", "stop_details", "container")
"""Fields that an answer's end tells in its delta; others stand beside it."""


class MessageWriter:
    """One streamed answer.

    Anthropic's own events go on as they come. As soon as something comes that is not Anthropic's, or not of the same
    message, the rest is written from the chunks: in the open block, if it goes on with that.
    """

    def __init__(self, body: Body) -> None:
        self._body = body
        self._out: list[bytes] = []
        self._blocks = BlockWriter(self._emit)
        self._deltas = DeltaReader(self._blocks)
        self._forwarder: Forwarder | None = Forwarder(self._blocks, self._deltas)
        self._is_started = self._is_told = self._is_over = False
        self._head: Json = {}
        self._choice: Json = {}
        self._extras: Json = {}
        self._usage: Json = {}

    def write(self, events: Sequence[StreamEvent]) -> bytes:
        """One piece for the events that arrived together; perhaps nothing."""
        for event in events:
            if self._is_over:
                break
            if self._forwarder is not None and not self._forward(event, self._forwarder):
                self._forwarder = None
            if self._forwarder is None and not self._is_told:
                self._translate(event)
            self._note_usage(event)
        return self._taken()

    def end(self) -> bytes:
        """The end of the open block and of the message, as far as they are still to be told."""
        if self._is_over:
            return b""
        self._start()
        if not self._is_told:
            self._deltas.finish()
            end = ending_of(
                self._choice, self._body, has_calls=self._deltas.has_calls, is_refused=self._deltas.is_refused
            )
            told = {**self._extras, **end}
            delta = {key: told.pop(key) for key in _OF_THE_END if key in told}
            rest = without(told, "type", "delta", "usage")
            self._emit({"type": "message_delta", "delta": delta, **rest, "usage": message_usage(self._usage)})
        self._emit({"type": "message_stop"})
        self._is_over = True
        return self._taken()

    def fail(self, error: Body) -> bytes:
        """The error event, and nothing after it."""
        self._is_over = True
        self._emit(error_event(error))
        return self._taken()

    def _forward(self, event: StreamEvent, forwarder: Forwarder) -> bool:
        """Hand a vendor's own event on; False if it has none, or one that does not go on with this message."""
        if event.raw is None or event.dialect is not Dialect.ANTHROPIC_MESSAGES:
            return event.chunk is None
        try:
            body = as_object(orjson.loads(event.raw))
        except ValueError:
            return False
        kind = as_text(body.get("type"))
        if not kind or not forwarder.take(kind, body):
            return False
        self._is_started = self._is_started or kind == "message_start"
        self._is_told = self._is_told or kind == "message_delta"
        self._is_over = kind in ("message_stop", "error")
        self._out += (b"event: ", kind.encode(), b"\ndata: ", event.raw, b"\n\n")
        return True

    def _translate(self, event: StreamEvent) -> None:
        if event.chunk is None:
            return
        chunk = event.chunk
        for key in ("id", "model"):
            if value := as_text(chunk.get(key)):
                self._head.setdefault(key, value)
        self._extras |= without(chunk, *OF_COMPLETIONS)
        choice = first_choice(chunk)
        if not choice:
            return
        self._start()
        self._choice |= without(choice, "delta")
        self._deltas.read(as_object(choice.get("delta")), explained=choice.get("stop_details") is not None)

    def _note_usage(self, event: StreamEvent) -> None:
        told = as_object(event.chunk.get("usage")) if event.chunk is not None else {}
        if not told and event.usage is not None:
            told = reported_usage(event.usage)
        self._usage = told or self._usage

    def _start(self) -> None:
        if self._is_started:
            return
        self._is_started = True
        unsaid: Json = {"content": [], "stop_reason": None, "stop_sequence": None, "usage": message_usage(self._usage)}
        self._emit({"type": "message_start", "message": {**opening_of(self._head), **unsaid}})

    def _emit(self, data: Json) -> None:
        self._out += (b"event: ", data["type"].encode(), b"\ndata: ", orjson.dumps(data), b"\n\n")

    def _taken(self) -> bytes:
        piece = b"".join(self._out)
        self._out.clear()
        return piece
