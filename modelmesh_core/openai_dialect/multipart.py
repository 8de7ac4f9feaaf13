"""``multipart/form-data`` (RFC 7578), for operations that take files."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable

import attrs

_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(?:; ?[\w.+-]+=[\w.+-]+)*", re.ASCII)
_ESCAPES = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A", "\0": "%00"})


@attrs.frozen
class FilePart:
    """A file in a form. What a caller gave as its name or type is not trusted: it cannot end its header."""

    content: bytes
    filename: str
    media_type: str = "application/octet-stream"


def encode_form(fields: Iterable[tuple[str, str | FilePart]]) -> tuple[str, bytes]:
    """The content type, which names the boundary, and the body. The boundary cannot be foreseen."""
    boundary = f"modelmesh-{secrets.token_hex(16)}"
    pieces: list[bytes] = []
    for name, value in fields:
        pieces.append(f"--{boundary}\r\n{_head(name, value)}\r\n\r\n".encode("utf-8", "replace"))
        pieces.append(value.content if isinstance(value, FilePart) else value.encode("utf-8", "replace"))
        pieces.append(b"\r\n")
    pieces.append(f"--{boundary}--\r\n".encode())
    return f"multipart/form-data; boundary={boundary}", b"".join(pieces)


def _head(name: str, value: str | FilePart) -> str:
    head = f'content-disposition: form-data; name="{name.translate(_ESCAPES)}"'
    if not isinstance(value, FilePart):
        return head
    media_type = value.media_type if _MEDIA_TYPE.fullmatch(value.media_type) else "application/octet-stream"
    return f'{head}; filename="{value.filename.translate(_ESCAPES)}"\r\ncontent-type: {media_type}'
