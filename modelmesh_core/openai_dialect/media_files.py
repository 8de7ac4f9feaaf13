"""Files within a request body: bytes, or a data URL, with the name and the type that servers judge them by."""

from __future__ import annotations

from typing import Any

from ..wire.forms import FormFile, content_of, media_type_of
from ..wire.shapes import as_text

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
    content, own_type = content_of(value, field)
    kind = as_text(media_type) or own_type or media_type_of(content)
    extension = _extension(kind) or _extension(media_type_of(content)) or "bin"
    return FormFile(content, as_text(filename) or f"{field}.{extension}", kind)


def is_file(value: Any) -> bool:
    """Whether ``value`` holds a file's content, rather than says where it is."""
    return isinstance(value, (bytes, bytearray)) or (isinstance(value, str) and value.startswith("data:"))


def _extension(media_type: str) -> str | None:
    return _EXTENSIONS.get(media_type.partition(";")[0].strip().lower())
