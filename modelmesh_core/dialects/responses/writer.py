"""One streamed answer as events of the Responses API."""

from __future__ import annotations

from collections.abc import Sequence

from ...wire.messages import Body, Dialect, StreamEvent
from .assembly import ResponseAssembly
from .takeover import LAST, absorb, name_of


class ResponsesWriter:
    """Events as they came where the vendor speaks this dialect; else made of the chunks.

    What came is kept until the end, unread: should another model go on with the answer, its events join on.
    """

    def __init__(self, body: Body) -> None:
        self._assembly = ResponseAssembly(body)
        self._came: list[bytes] = []
        self._is_over = False
        self._makes_own = False

    def write(self, events: Sequence[StreamEvent]) -> bytes:
        """One piece for the events that arrived together."""
        parts: list[bytes] = []
        for event in events:
            raw = event.raw if event.dialect is Dialect.OPENAI_RESPONSES else None
            if raw is not None and not self._makes_own:
                name = name_of(raw)
                if not (self._came and name == "response.created"):  # a second beginning is that of another model
                    self._came.append(raw)
                    self._is_over = name in LAST
                    parts += (b"event: ", name.encode(), b"\ndata: ", raw, b"\n\n")
                    continue
            if event.chunk is not None:
                self._go_on_alone()
                self._assembly.take(event.chunk, event.usage)
                parts.append(self._assembly.log.take())
        return b"".join(parts)

    def end(self) -> bytes:
        """What is still open is closed, and ``response.completed`` or ``response.incomplete``."""
        if self._is_over:
            return b""
        self._go_on_alone()
        self._assembly.end()
        return self._assembly.log.take()

    def fail(self, error: Body) -> bytes:
        """``error``, and for an answer that had begun ``response.failed``."""
        if self._is_over:
            return b""
        self._go_on_alone()
        self._assembly.fail(error)
        return self._assembly.log.take()

    def _go_on_alone(self) -> None:
        if not self._makes_own:
            self._makes_own = True
            absorb(self._assembly, self._came)
            self._came.clear()
