"""Streams of the operations other than chat: events that name their type, such as ``speech.audio.delta``."""

from __future__ import annotations

import base64

import orjson

from ..errors import provider_error
from ..wire.messages import Body, EventKind, Headroom, StreamEvent
from ..wire.sse import SSEDecoder
from .errors import error_object, failure_of_error
from .shapes import as_object, as_text
from .usage import usage_of

_LAST = (".done", ".completed")


class TypedStreamDecoder:
    """Fed the bytes of such a stream, cut anywhere. Its events are handed on as they are, not as chat chunks."""

    def __init__(self, headroom: Headroom) -> None:
        self.headroom = headroom
        self.skipped = 0
        self._sse = SSEDecoder()

    def feed(self, data: bytes) -> list[StreamEvent]:
        """Events completed by ``data``. Raises ProviderError for an event of unbounded size."""
        return [event for name, payload in self._sse.feed(data) if (event := self._decode(name, payload.strip()))]

    def finish(self) -> list[StreamEvent]:
        """What an unterminated last event still holds."""
        return [event for name, payload in self._sse.finish() if (event := self._decode(name, payload.strip()))]

    def _decode(self, name: str, payload: bytes) -> StreamEvent | None:
        if payload == b"[DONE]":
            return StreamEvent(EventKind.DONE)
        if not payload:
            return None
        try:
            decoded = orjson.loads(payload)
        except ValueError:
            decoded = None
        if not isinstance(decoded, dict):
            self.skipped += 1
            return None
        return _event(name, as_object(decoded), payload)


class SoundStreamDecoder:
    """For a server that answers with the sound itself: its bytes, as they come, as the events that they would be."""

    def __init__(self, headroom: Headroom) -> None:
        self.headroom = headroom
        self.skipped = 0

    def feed(self, data: bytes) -> list[StreamEvent]:
        """One event with ``data`` in base64."""
        body = {"type": "speech.audio.delta", "audio": base64.b64encode(data).decode()}
        return [StreamEvent(EventKind.CONTENT, body)] if data else []

    def finish(self) -> list[StreamEvent]:
        """The end."""
        return [StreamEvent(EventKind.FINISH, {"type": "speech.audio.done"}, finish_reason="stop")]


def _event(name: str, body: Body, payload: bytes) -> StreamEvent:
    usage = usage_of(body.get("usage"))
    error = error_object(body)
    if error is not None or name == "error":
        return StreamEvent(EventKind.ERROR, usage=usage, error=provider_error(failure_of_error(error or body, body)))
    raw = None if b"\n" in payload else payload
    if (as_text(body.get("type")) or "").endswith(_LAST):
        return StreamEvent(EventKind.FINISH, body, raw=raw, usage=usage, finish_reason="stop")
    return StreamEvent(EventKind.CONTENT, body, raw=raw, usage=usage)
