"""gzip and deflate, unpacked while they arrive and never by more than asked for."""

from __future__ import annotations

import zlib

PIECE = 1024 * 1024
"""Bytes that are unpacked at once, at most."""
CODINGS = ("gzip", "x-gzip", "deflate")
_GZIP, _ZLIB, _RAW = 31, 15, -15
"""What zlib calls the three formats (its ``wbits``)."""


class Inflater:
    """The plain bytes of a compressed body: fed with what came, read until it gives nothing.

    gzip may consist of several members, and end in zeros. ``deflate`` is zlib's format or the bare one.
    Raises ValueError with a reason that shows nothing of the body.
    """

    __slots__ = ("_coding", "_fed", "_pending", "_unpacker")

    def __init__(self, coding: str) -> None:
        if coding not in CODINGS:
            raise ValueError("its content encoding is neither gzip nor deflate")
        self._coding = coding
        self._fed = False
        self._pending = b""
        self._unpacker = zlib.decompressobj(_GZIP) if coding != "deflate" else None
        """None until a deflated body has shown in which of the two formats it is."""

    def feed(self, data: bytes) -> None:
        self._fed = True
        self._pending = self._pending + data if self._pending else data

    def read(self) -> bytes:
        """Some plain bytes, at most PIECE; ``b""`` when more has to be fed first."""
        while True:
            unpacker = self._unpacker
            if unpacker is None:
                if len(self._pending) < 2:
                    return b""
                unpacker = self._unpacker = zlib.decompressobj(_format(self._pending))
            if unpacker.eof:
                if not self._next_member():
                    return b""
                continue
            try:
                piece = unpacker.decompress(self._pending, PIECE)
            except zlib.error:
                raise ValueError(f"it is not {self._coding}") from None
            self._pending = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
            if piece or not unpacker.eof:
                return piece

    def is_whole(self) -> bool:
        """Whether the compressed data came to its own end, or never began."""
        return not self._fed or (self._unpacker is not None and self._unpacker.eof)

    def _next_member(self) -> bool:
        """Begin what follows a member's end. Whether there is anything."""
        if self._coding == "deflate":
            if self._pending:
                raise ValueError("something follows the compressed data")
            return False
        self._pending = self._pending.lstrip(b"\0")
        if not self._pending:
            return False
        self._unpacker = zlib.decompressobj(_GZIP)
        return True


def _format(beginning: bytes) -> int:
    """Whether deflated data has zlib's two bytes of header (RFC 1950, 2.2)."""
    return _ZLIB if beginning[0] & 0x0F == 8 and (beginning[0] << 8 | beginning[1]) % 31 == 0 else _RAW
