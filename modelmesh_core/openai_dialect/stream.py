"""A streamed answer of the OpenAI dialect → stream events."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import orjson

from ..errors import Failure, FailureKind, ProviderError, provider_error
from ..wire.http import HttpResponse
from ..wire.messages import Body, EventKind, Headroom, Reply, StreamEvent, Usage
from ..wire.shapes import as_count, as_list, as_object, as_text
from ..wire.sse import MAX_EVENT, SSEDecoder
from .codec import PLAIN, decode_chat
from .errors import error_object, failure_of_error
from .folding import unfold_reply
from .limits import headroom_of
from .usage import usage_of


class OpenAIStreamDecoder:
    """Fed the bytes of an OpenAI-shaped event stream, cut anywhere; gives StreamEvents.

    An event that is no JSON object is skipped and counted in ``skipped``: one broken line does not lose an answer.
    """

    def __init__(
        self,
        headroom: Headroom | None = None,
        translate: Callable[[Body], Body | None] | None = None,
        codes: Mapping[str, FailureKind] = PLAIN.codes,
    ) -> None:
        """``translate`` makes a vendor's chunk one of this dialect; None of it leaves the chunk out.

        ``codes`` are the vendor's own error codes, in lower case.
        """
        self._translate = translate
        self._codes = codes
        self.headroom = headroom or {}
        """Limits as the head of the response reported them."""
        self.skipped = 0
        self._sse = SSEDecoder()
        self._ended: dict[int, bool] = {}
        self._finished = False

    def feed(self, data: bytes) -> list[StreamEvent]:
        """Events completed by ``data``. Raises ProviderError for an event of unbounded size."""
        events: list[StreamEvent] = []
        for name, payload in self._sse.feed(data):
            event = self._decode(name, payload)
            if event is not None:
                events.append(event)
        return events

    def finish(self) -> list[StreamEvent]:
        """What an unterminated last event still holds."""
        return [event for name, payload in self._sse.finish() if (event := self._decode(name, payload))]

    def event(self, chunk: Body, raw: bytes | None = None) -> StreamEvent:
        """The event that one decoded chunk is. For a server within this process, which sends dicts, not bytes."""
        reported = chunk.get("usage")
        usage = None if reported is None else usage_of(reported)
        error = error_object(chunk)
        if error is not None:
            return self._error(error, chunk, usage)
        choices = as_list(chunk.get("choices"))
        if not choices and usage is None and "choices" not in chunk:
            return StreamEvent(EventKind.OTHER)  # no chunk of this API: a caller would look for choices in it
        if not choices:
            return StreamEvent(EventKind.USAGE if usage else EventKind.OPENING, chunk, raw=raw, usage=usage)
        content, reason = False, None
        for choice in map(as_object, choices):
            content = content or _has_content(choice)
            ending, index = as_text(choice.get("finish_reason")), as_count(choice.get("index"))
            if not ending and index in self._ended:
                continue  # most chunks: nothing ends, and nothing begins
            if ending == "error":
                return self._error(as_object(choice.get("error")), chunk, usage)
            self._ended[index] = bool(ending) or self._ended.get(index, False)
            reason = ending or reason
        if reason and not all(self._ended.values()):
            content, reason = True, None  # one of several choices ended: to be handed on, but not the end
        kind = self._kind(content, reason is not None, usage is not None)
        self._finished = self._finished or reason is not None
        return StreamEvent(kind, chunk, raw=raw, usage=usage, finish_reason=reason)

    def _kind(self, content: bool, ends: bool, usage: bool) -> EventKind:
        if content:
            return EventKind.CONTENT
        if ends:
            return EventKind.FINISH
        # Some servers report usage in a chunk that still has a choice, after the one that finished.
        return EventKind.USAGE if usage and self._finished else EventKind.OPENING

    def _decode(self, name: str, payload: bytes) -> StreamEvent | None:
        payload = payload.strip()
        if payload == b"[DONE]":
            return StreamEvent(EventKind.DONE)
        if not payload:
            return None
        try:
            chunk = orjson.loads(payload)
        except ValueError:
            chunk = None
        if not isinstance(chunk, dict):
            self.skipped += 1
            return None
        body = as_object(chunk)
        if name == "error":
            return self._error(error_object(body) or body, body, usage_of(body.get("usage")))
        chunk = body if self._translate is None else self._translate(body)
        if chunk is None:
            return None
        # What was changed is no longer what came, and a payload of several lines cannot be forwarded as one.
        return self.event(chunk, payload if chunk is body and b"\n" not in payload else None)

    def _error(self, error: Body, body: Body, usage: Usage | None) -> StreamEvent:
        failure = failure_of_error(error, body, self._codes)
        return StreamEvent(EventKind.ERROR, usage=usage, error=provider_error(failure))


def chat_events(reply: Reply) -> list[StreamEvent]:
    """A whole chat completion as one chunk."""
    chunk = unfold_reply(reply.body)
    return [StreamEvent(EventKind.CONTENT, chunk, usage=reply.usage, finish_reason=reply.finish_reason)]


class WholeReplyDecoder:
    """For a server that answers a streamed request with one JSON body: the answer, or an error, as events."""

    def __init__(
        self,
        response: HttpResponse,
        decode: Callable[[HttpResponse], Reply] = decode_chat,
        headroom: Headroom | None = None,
        tell: Callable[[Reply], list[StreamEvent]] = chat_events,
    ) -> None:
        """``tell`` makes events of a decoded answer."""
        self.headroom = headroom_of(response.headers, response.received_at) if headroom is None else headroom
        self._tell = tell
        self._decode = decode
        self.skipped = 0
        self._response = response
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[StreamEvent]:
        """Nothing yet. Raises ProviderError when the body passes the size of the largest event."""
        self._parts.append(data)
        self._size += len(data)
        if self._size > MAX_EVENT:
            raise provider_error(Failure(FailureKind.UNDECODABLE, f"an answer passed {MAX_EVENT} bytes without ending"))
        return []

    def finish(self) -> list[StreamEvent]:
        """The whole answer as events."""
        response = HttpResponse(
            self._response.status, self._response.headers, b"".join(self._parts), self._response.received_at
        )
        try:
            reply = self._decode(response)
        except ProviderError as error:
            return [StreamEvent(EventKind.ERROR, error=error)]
        return self._tell(reply)


def _has_content(choice: Body) -> bool:
    """Whether the delta says anything but who speaks: text, reasoning, refusal, tool calls, audio, or what is new.

    A text completion's choice has its text beside, and no delta.
    """
    for key, value in as_object(choice.get("delta")).items():
        if value and key != "role":
            return True
    return bool(choice.get("text"))
