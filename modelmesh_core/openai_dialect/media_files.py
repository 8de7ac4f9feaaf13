"""Files within a request body: bytes, or a data URL, with the name and the type that servers judge them by."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from ..errors import Failure, FailureKind, provider_error
from ..wire.forms import FormFile
from ..wire.shapes import as_text

_BEGINNINGS = (
    (b"ID3", "mp3", "audio/mpeg"),
    (b"\xff\xfb", "mp3", "audio/mpeg"),
    (b"\xff\xf3", "mp3", "audio/mpeg"),
    (b"fLaC", "flac", "audio/flac"),
    (b"OggS", "ogg", "audio/ogg"),
    (b"\x1aE\xdf\xa3", "webm", "audio/webm"),
    (b"\x89PNG", "png", "image/png"),
    (b"\xff\xd8\xff", "jpg", "image/jpeg"),
    (b"GIF8", "gif", "image/gif"),
)
_EXTENSIONS = {
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/flac": "flac",
    "audio/x-flac": "flac",
    "audio/ogg": "ogg",
    "audio/opus": "opus",
    "audio/webm": "webm",
    "video/webm": "webm",
    "audio/mp4": "m4a",
    "audio/m4a": "m4a",
    "audio/x-m4a": "m4a",
    "audio/aac": "aac",
    "video/mp4": "mp4",
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "image/gif": "gif",
}


def file_part(value: Any, field: str, filename: Any = None, media_type: Any = None) -> FormFile:
    """``value`` as a file to send. Raises ProviderError of kind INVALID_REQUEST for what holds no bytes."""
    content, own_type = _content(value, field)
    extension, guessed = _recognised(content)
    stated = as_text(media_type) or own_type
    extension = _EXTENSIONS.get((stated or "").partition(";")[0].strip().lower(), extension)
    return FormFile(content, as_text(filename) or f"{field}.{extension}", stated or guessed)


def is_file(value: Any) -> bool:
    """Whether ``value`` holds a file's content, rather than says where it is."""
    return isinstance(value, (bytes, bytearray)) or (isinstance(value, str) and value.startswith("data:"))


def _content(value: Any, field: str) -> tuple[bytes, str | None]:
    if isinstance(value, (bytes, bytearray)):
        return bytes(value), None
    if isinstance(value, str) and value.startswith("data:"):
        head, _, data = value[5:].partition(",")
        try:
            return base64.b64decode(data, validate=True), head.partition(";")[0] or None
        except (binascii.Error, ValueError):
            pass  # told below, like everything else that is no file
    message = f"{field} must hold a file's bytes, or a data URL in base64; found {type(value).__name__}"
    raise provider_error(Failure(FailureKind.INVALID_REQUEST, message, status=400))


def _recognised(content: bytes) -> tuple[str, str]:
    for beginning, extension, media_type in _BEGINNINGS:
        if content.startswith(beginning):
            return extension, media_type
    if content[:4] == b"RIFF":
        return ("webp", "image/webp") if content[8:12] == b"WEBP" else ("wav", "audio/wav")
    return ("m4a", "audio/mp4") if content[4:8] == b"ftyp" else ("bin", "application/octet-stream")
