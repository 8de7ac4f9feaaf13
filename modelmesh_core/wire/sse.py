"""Server-sent events, decoded from bytes that may be cut anywhere."""

from __future__ import annotations

from typing import NamedTuple

from ..errors import Failure, FailureKind, provider_error

MAX_EVENT = 32 * 1024 * 1024
"""Bytes one event may hold before the stream counts as broken."""


class ServerSentEvent(NamedTuple):
    """One event: its ``event:`` name (empty if none) and its data lines joined by newlines, as bytes."""

    name: str
    data: bytes


class SSEDecoder:
    """Fed bytes, gives whole events. Lines end in LF, CRLF or CR; comments and unknown fields are skipped.

    Follows the event stream grammar of the WHATWG HTML standard, section 9.2. Works on bytes until an event is
    whole, so a cut inside a UTF-8 sequence changes nothing.
    """

    def __init__(self) -> None:
        self._buffer = b""
        self._pieces: list[bytes] = []
        """What came of the line in ``_buffer`` since: joined once, when the line ends."""
        self._held = 0
        self._name = ""
        self._data: list[bytes] = []
        self._size = 0
        self._first = True

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Events completed by ``chunk``. Raises ProviderError when one passes MAX_EVENT."""
        if self._is_plain(chunk):
            return [ServerSentEvent("", chunk[6:-2])]
        events: list[ServerSentEvent] = []
        goes_on = self._buffer and not self._first and not self._buffer.endswith(b"\r")
        if goes_on and b"\n" not in chunk and b"\r" not in chunk:
            self._pieces.append(chunk)
            self._held += len(chunk)
            self._refuse_endless()
            return events
        buffer = self._taken() + chunk if self._buffer else chunk
        if self._first and buffer:
            if len(buffer) < 3 and b"\xef\xbb\xbf".startswith(buffer):
                self._buffer = buffer
                return events
            buffer = buffer.removeprefix(b"\xef\xbb\xbf")
            self._first = False
        if b"\r" in buffer:
            # A CR at the very end may be half of a CRLF: it waits for the next chunk.
            held = b"\r" if buffer.endswith(b"\r") else b""
            buffer = buffer[: len(buffer) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        else:
            held = b""
        *lines, rest = buffer.split(b"\n")
        self._buffer = rest + held
        for line in lines:
            self._line(line, events)
        self._refuse_endless()
        return events

    def _is_plain(self, chunk: bytes) -> bool:
        """Whether it is one whole event without a name, as most are that a server sends one at a time."""
        return (
            chunk.startswith(b"data: ")
            and chunk.endswith(b"\n\n")
            and chunk.find(b"\n") == len(chunk) - 2
            and not (self._first or self._buffer or self._data or self._name)
            and chunk.find(b"\r") < 0
        )

    def _taken(self) -> bytes:
        """The unfinished line, put together."""
        buffer = b"".join((self._buffer, *self._pieces)) if self._pieces else self._buffer
        self._buffer, self._held = b"", 0
        self._pieces.clear()
        return buffer

    def _refuse_endless(self) -> None:
        if self._size + len(self._buffer) + self._held > MAX_EVENT:
            raise provider_error(
                Failure(FailureKind.UNDECODABLE, f"a stream event passed {MAX_EVENT} bytes without ending")
            )

    def finish(self) -> list[ServerSentEvent]:
        """Events left at the end of the stream: an unfinished last one counts, since many servers omit its blank."""
        events: list[ServerSentEvent] = []
        if self._buffer:
            self._line(self._taken().removesuffix(b"\r"), events)
        self._line(b"", events)
        return events

    def _line(self, line: bytes, events: list[ServerSentEvent]) -> None:
        if not line:
            if self._data:
                data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
                events.append(ServerSentEvent(self._name, data))
            self._name, self._data, self._size = "", [], 0
            return
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
            self._size += len(value)
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")
