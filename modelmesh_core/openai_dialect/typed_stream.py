"""Streams of the operations other than chat: events that name their type, such as ``speech.audio.delta``."""

from __future__ import annotations

import base64

import attrs
import orjson

from ..errors import provider_error
from ..wire.messages import Body, EventKind, Headroom, Operation, Reply, StreamEvent, Usage
from ..wire.shapes import as_list, as_object, as_text
from ..wire.sse import ServerSentEvent, SSEDecoder
from .errors import error_object, failure_of_error
from .usage import usage_of


class TypedStreamDecoder:
    """Fed the bytes of such a stream, cut anywhere. Its events are handed on as they are, not as chat chunks.

    ``.done`` ends an answer. ``.completed`` ends one picture of several, so that the answer ends with the stream.
    """

    def __init__(self, headroom: Headroom) -> None:
        self.headroom = headroom
        self.skipped = 0
        self._sse = SSEDecoder()
        self._completed = 0

    def feed(self, data: bytes) -> list[StreamEvent]:
        """Events completed by ``data``. Raises ProviderError for an event of unbounded size."""
        return self._decoded(self._sse.feed(data))

    def finish(self) -> list[StreamEvent]:
        """What an unterminated last event still holds, and the end."""
        return [*self._decoded(self._sse.finish()), *self._ending()]

    def _decoded(self, events: list[ServerSentEvent]) -> list[StreamEvent]:
        return [event for name, payload in events for event in self._decode(name, payload.strip())]

    def _decode(self, name: str, payload: bytes) -> list[StreamEvent]:
        if payload == b"[DONE]":
            return [*self._ending(), StreamEvent(EventKind.DONE)]
        if not payload:
            return []
        try:
            decoded = orjson.loads(payload)
        except ValueError:
            decoded = None
        if not isinstance(decoded, dict):
            self.skipped += 1
            return []
        return [self._event(name, as_object(decoded), payload)]

    def _event(self, name: str, body: Body, payload: bytes) -> StreamEvent:
        usage = usage_of(body.get("usage"))
        error = error_object(body)
        if error is not None or name == "error":
            return StreamEvent(
                EventKind.ERROR, usage=usage, error=provider_error(failure_of_error(error or body, body))
            )
        raw = None if b"\n" in payload else payload
        kind = as_text(body.get("type"))
        if kind.endswith(".done"):
            return StreamEvent(EventKind.FINISH, body, raw=raw, usage=usage, finish_reason="stop")
        if kind.endswith(".completed"):
            self._completed += 1
            usage = attrs.evolve(usage or Usage(), images=self._completed)
        return StreamEvent(EventKind.CONTENT, body, raw=raw, usage=usage)

    def _ending(self) -> list[StreamEvent]:
        return [StreamEvent(EventKind.FINISH, finish_reason="stop")] if self._completed else []


class SoundStreamDecoder:
    """For a server that answers with the sound itself: its bytes, as they come, as the events that they would be."""

    def __init__(self, headroom: Headroom) -> None:
        self.headroom = headroom
        self.skipped = 0

    def feed(self, data: bytes) -> list[StreamEvent]:
        """One event with ``data`` in base64."""
        return [StreamEvent(EventKind.CONTENT, _sound(data))] if data else []

    def finish(self) -> list[StreamEvent]:
        """The end."""
        return [StreamEvent(EventKind.FINISH, {"type": "speech.audio.done"}, finish_reason="stop")]


def events_of(operation: Operation, reply: Reply, *, is_edit: bool = False) -> list[StreamEvent]:
    """A whole answer, told as the stream that the caller asked for."""
    chunks = _chunks(operation, reply, "image_edit" if is_edit else "image_generation")
    events = [StreamEvent(EventKind.CONTENT, chunk) for chunk in chunks[:-1]]
    last = chunks[-1] if chunks else None
    reason = reply.finish_reason or "stop"
    return [*events, StreamEvent(EventKind.FINISH, last, usage=reply.usage, finish_reason=reason)]


def _chunks(operation: Operation, reply: Reply, picture: str) -> list[Body]:
    body = reply.body
    if operation is Operation.SPEECH:
        return [_sound(reply.content or b""), {"type": "speech.audio.done"}]
    if operation is Operation.TRANSCRIPTION:
        return [{"type": "transcript.text.done", **body}]
    if operation is not Operation.IMAGES:
        return [body]
    beside = {key: value for key, value in body.items() if key not in ("data", "created")}
    about = {"type": f"{picture}.completed", "created_at": body.get("created", 0), **beside}
    return [{**about, **as_object(one)} for one in as_list(body.get("data"))]


def _sound(data: bytes) -> Body:
    return {"type": "speech.audio.delta", "audio": base64.b64encode(data).decode()}
