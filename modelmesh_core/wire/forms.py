"""Files that a caller gives, and ``multipart/form-data`` (RFC 7578) to send them in."""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from collections.abc import Iterable
from typing import Any

import attrs

from .shapes import as_text, refused
from .stored import Content, StoredBytes, beginning

UNKNOWN_TYPE = "application/octet-stream"
_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(?:; ?[\w.+-]+=[\w.+-]+)*", re.ASCII)
_ESCAPES = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A", "\0": "%00"})

_BEGINNINGS = (
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"\xff\xf3", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"\x1aE\xdf\xa3", "audio/webm"),
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
)


@attrs.frozen
class FormFile:
    """A file in a form. What a caller gave as its name or type is not trusted: it cannot end its header."""

    content: Content = attrs.field(repr=False)
    name: str
    media_type: str = UNKNOWN_TYPE


def content_of(value: Any, field: str) -> tuple[Content, str]:
    """The bytes in ``value``, bytes (also stored ones) or a data URL, and the type that a data URL says they have.

    Raises ProviderError of kind INVALID_REQUEST for anything else, and for an empty file.
    """
    media_type, expected = "", f"{field} must hold a file's bytes, or a data URL in base64"
    if isinstance(value, str) and value.startswith("data:"):
        head, _, data = value[5:].partition(",")
        media_type = head.partition(";")[0]
        try:
            value = base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError):
            raise refused(f"{expected}; found a data URL that is not", "invalid_file") from None
    if not isinstance(value, (bytes, bytearray, StoredBytes)):
        raise refused(f"{expected}; found {type(value).__name__}", "invalid_file")
    if not value:
        raise refused(f"{expected}; found an empty one", "invalid_file")
    return value if isinstance(value, StoredBytes) else bytes(value), media_type


def file_of(value: Any, field: str, name: Any = None, media_type: Any = None) -> FormFile:
    """``value``, bytes or a data URL, as a file. Raises ProviderError of kind INVALID_REQUEST for anything else."""
    content, own_type = content_of(value, field)
    return FormFile(content, as_text(name) or field, checked_type(as_text(media_type) or own_type))


def media_type_of(content: Content) -> str:
    """What ``content`` is by its first bytes, for the usual kinds of sounds and pictures."""
    first = beginning(content, 12)
    if first[:4] == b"RIFF":
        return "image/webp" if first[8:12] == b"WEBP" else "audio/wav"
    if first[4:8] == b"ftyp":
        return "audio/mp4"
    return next((kind for mark, kind in _BEGINNINGS if first.startswith(mark)), UNKNOWN_TYPE)


def checked_type(text: str) -> str:
    """``text`` if it is a media type that can stand in a header, else the one for unknown bytes."""
    return text if _MEDIA_TYPE.fullmatch(text) else UNKNOWN_TYPE


def encode_form(fields: Iterable[tuple[str, str | FormFile]]) -> tuple[str, Content]:
    """The content type, which names the boundary, and the body, which stays on disk as far as its files lie there. The
    boundary cannot be foreseen."""
    boundary = f"modelmesh-{secrets.token_hex(16)}"
    pieces: list[Content] = []
    for name, value in fields:
        pieces.append(f"--{boundary}\r\n{_head(name, value)}\r\n\r\n".encode("utf-8", "replace"))
        pieces.append(value.content if isinstance(value, FormFile) else value.encode("utf-8", "replace"))
        pieces.append(b"\r\n")
    pieces.append(f"--{boundary}--\r\n".encode())
    held = [piece for piece in pieces if not isinstance(piece, StoredBytes)]
    body = b"".join(held) if len(held) == len(pieces) else StoredBytes(pieces)
    return f"multipart/form-data; boundary={boundary}", body


def _head(name: str, value: str | FormFile) -> str:
    head = f'content-disposition: form-data; name="{name.translate(_ESCAPES)}"'
    if not isinstance(value, FormFile):
        return head
    media_type = checked_type(value.media_type)
    return f'{head}; filename="{value.name.translate(_ESCAPES)}"\r\ncontent-type: {media_type}'
