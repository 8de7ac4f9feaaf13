"""Files that a caller gives, and ``multipart/form-data`` (RFC 7578) to send them in."""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from collections.abc import Iterable
from typing import Any

import attrs

from .shapes import as_text, refuse

_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(?:; ?[\w.+-]+=[\w.+-]+)*", re.ASCII)
_ESCAPES = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A", "\0": "%00"})
_UNKNOWN = "application/octet-stream"


@attrs.frozen
class File:
    """A file to send. What a caller gave as its name or type is not trusted: it cannot end its header."""

    content: bytes
    name: str
    media_type: str = _UNKNOWN


def file_of(value: Any, field: str, name: Any = None, media_type: Any = None) -> File:
    """``value``, bytes or a data URL, as a file. Raises ProviderError of kind INVALID_REQUEST for anything else."""
    own = ""
    if isinstance(value, str) and value.startswith("data:"):
        head, _, data = value[5:].partition(",")
        own = head.partition(";")[0]
        try:
            value = base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError):
            refuse(f"{field}: the data URL does not hold base64", "invalid_file")
    if not isinstance(value, (bytes, bytearray)):
        refuse(f"{field}: expected a file's bytes, or a data URL in base64; found {type(value).__name__}")
    if not value:
        refuse(f"{field}: the file is empty", "invalid_file")
    stated = as_text(media_type) or own
    return File(bytes(value), as_text(name) or field, stated if _MEDIA_TYPE.fullmatch(stated) else _UNKNOWN)


def encode_form(fields: Iterable[tuple[str, str | File]]) -> tuple[str, bytes]:
    """The content type, which names the boundary, and the body. The boundary cannot be foreseen."""
    boundary = f"modelmesh-{secrets.token_hex(16)}"
    pieces: list[bytes] = []
    for name, value in fields:
        head = f'--{boundary}\r\ncontent-disposition: form-data; name="{name.translate(_ESCAPES)}"'
        if isinstance(value, File):
            head += f'; filename="{value.name.translate(_ESCAPES)}"\r\ncontent-type: {value.media_type}'
        content = value.content if isinstance(value, File) else value.encode("utf-8", "replace")
        pieces += [head.encode("utf-8", "replace"), b"\r\n\r\n", content, b"\r\n"]
    return f"multipart/form-data; boundary={boundary}", b"".join([*pieces, f"--{boundary}--\r\n".encode()])
