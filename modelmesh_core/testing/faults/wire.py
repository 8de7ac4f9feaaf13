"""HTTP/1.1 as bytes: requests are read strictly, answers are written with any mistake that is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus

import attrs

HEAD_LIMIT = 64 * 1024
BODY_LIMIT = 64 * 1024 * 1024
LAST_CHUNK = b"0\r\n\r\n"
DONE = b"[DONE]"


class BadRequestError(Exception):
    """What came in is no HTTP request."""


@attrs.frozen
class RawRequest:
    """A whole request."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


def take_request(buffer: bytearray) -> RawRequest | None:
    """Take the first request out of ``buffer``; None until it is whole. Raises BadRequestError."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        if len(buffer) > HEAD_LIMIT:
            raise BadRequestError("the head is too large")
        return None
    first, *lines = buffer[:end].decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3:
        raise BadRequestError(f"no request line: {first[:80]!r}")
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    found = _take_body(buffer, end + 4, headers)
    if found is None:
        if len(buffer) > BODY_LIMIT:
            raise BadRequestError("the body is too large")
        return None
    body, after = found
    del buffer[:after]
    return RawRequest(words[0], words[1], headers, body)


def _take_body(buffer: bytearray, start: int, headers: Mapping[str, str]) -> tuple[bytes, int] | None:
    """The body and where it ends; None until it is whole."""
    try:
        if headers.get("transfer-encoding", "").lower() != "chunked":
            end = start + int(headers.get("content-length", "0"))
            return (bytes(buffer[start:end]), end) if len(buffer) >= end else None
        body = bytearray()
        while (line_end := buffer.find(b"\r\n", start)) >= 0:
            size = int(buffer[start:line_end].partition(b";")[0], 16)
            start = line_end + 2 + size + 2
            if len(buffer) < start:
                return None
            if not size:
                return bytes(body), start
            body += buffer[line_end + 2 : start - 2]
    except ValueError:
        raise BadRequestError("the length of the body is no number") from None
    return None


def head(status: int, headers: Mapping[str, str]) -> bytes:
    """The head of an answer."""
    known = status in HTTPStatus.__members__.values()
    phrase = HTTPStatus(status).phrase if known else "Overloaded"
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def chunk(data: bytes) -> bytes:
    """A piece of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(data: bytes, name: str = "") -> bytes:
    """A server-sent event."""
    return (b"event: %b\n" % name.encode() if name else b"") + b"data: %b\n\n" % data


def segments(data: bytes, size: int) -> Iterator[bytes]:
    """``data`` in pieces of ``size`` bytes or less, cut inside every CRLF, empty line and multi-byte character."""
    start = 0
    for place in range(1, len(data)):
        pair = data[place - 1 : place + 1]
        if place - start >= size or pair in (b"\r\n", b"\n\n") or 0x80 <= pair[1] < 0xC0:
            yield data[start:place]
            start = place
    yield data[start:]
