"""``application/vnd.amazon.eventstream``, decoded from bytes that may be cut anywhere.

A message is: its length and that of its headers (4 bytes each), the CRC of these eight bytes, headers, payload, and
the CRC of everything before.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import NamedTuple
from zlib import crc32

from .shapes import undecodable

MAX_HEADERS = 128 * 1024
MAX_PAYLOAD = 24 * 1024 * 1024
"""Bytes of one message, as AWS limits them."""

_PRELUDE = 12
_OVERHEAD = _PRELUDE + 4
_FIXED = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Type of a header's value → bytes it takes. Types 6 (bytes) and 7 (text) say their own length."""


class Message(NamedTuple):
    """One message: the headers whose value is a text, and the payload."""

    headers: Mapping[str, str]
    payload: bytes


class EventStreamDecoder:
    """Fed bytes, gives whole messages. Both checksums of each are verified."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._held = 0
        self._wanted = _PRELUDE

    @property
    def held(self) -> int:
        """Bytes of a message that is not whole yet."""
        return self._held

    def feed(self, data: bytes) -> list[Message]:
        """Messages completed by ``data``.

        Raises ProviderError of kind UNDECODABLE for a checksum that does not fit, a size out of bounds, or headers
        that make no sense: what follows cannot be found then.
        """
        self._parts.append(data)
        self._held += len(data)
        if self._held < self._wanted:
            return []
        buffer = b"".join(self._parts)
        found: list[Message] = []
        start = 0
        while len(buffer) - start >= _PRELUDE:
            size = _checked_size(buffer[start : start + _PRELUDE])
            if len(buffer) - start < size:
                break
            found.append(_message(buffer[start : start + size]))
            start += size
        rest = buffer[start:]
        self._parts, self._held = [rest], len(rest)
        self._wanted = _checked_size(rest[:_PRELUDE]) if len(rest) >= _PRELUDE else _PRELUDE
        return found


def _checked_size(prelude: bytes) -> int:
    size, headers, checksum = struct.unpack(">III", prelude)
    if crc32(prelude[:8]) != checksum:
        raise undecodable("an event stream broke: the checksum of a message's head does not fit")
    if headers > MAX_HEADERS or not headers + _OVERHEAD <= size <= headers + MAX_PAYLOAD + _OVERHEAD:
        raise undecodable(f"an event stream broke: a message of {size} bytes, {headers} of them headers")
    return size


def _message(data: bytes) -> Message:
    if crc32(data[:-4]) != int.from_bytes(data[-4:], "big"):
        raise undecodable("an event stream broke: the checksum of a message does not fit")
    end = _PRELUDE + int.from_bytes(data[4:8], "big")
    try:
        return Message(_headers(data[_PRELUDE:end]), data[end:-4])
    except (IndexError, KeyError, UnicodeDecodeError) as error:
        raise undecodable(f"an event stream broke: headers that make no sense ({type(error).__name__})") from error


def _headers(data: bytes) -> dict[str, str]:
    """Raises IndexError, KeyError or UnicodeDecodeError for bytes that are no headers."""
    found: dict[str, str] = {}
    at = 0
    while at < len(data):
        name_end = at + 1 + data[at]
        name, kind = data[at + 1 : name_end].decode(), data[name_end]
        at = name_end + 1
        size = _FIXED.get(kind)
        if size is None:
            if kind not in (6, 7):
                raise KeyError(kind)
            size, at = int.from_bytes(data[at : at + 2], "big"), at + 2
        if at + size > len(data):
            raise IndexError(at)
        if kind == 7:
            found[name] = data[at : at + size].decode()
        at += size
    return found
