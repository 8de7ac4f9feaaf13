"""Images, sound and documents: the agreement's parts → Google's ``inlineData`` and ``fileData``, and back."""

from __future__ import annotations

import base64
import mimetypes
from typing import Any
from urllib.parse import unquote_to_bytes

from modelmesh_core import Json, as_object, as_text

from .shapes import refuse

_FILES = "https://generativelanguage.googleapis.com/v1beta/"
_AUDIO = {"mp3": "audio/mp3", "mpeg": "audio/mp3", "pcm16": "audio/pcm", "m4a": "audio/m4a"}
_OWN = frozenset(
    {
        "inlineData",
        "inline_data",
        "fileData",
        "file_data",
        "executableCode",
        "executable_code",
        "codeExecutionResult",
        "code_execution_result",
        "functionCall",
        "functionResponse",
        "toolCall",
        "toolResponse",
    }
)
"""What makes a part of an unknown type one of Google's own."""

_SIGNS = ((b"\x89PNG", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"), (b"BM", "image/bmp"))


def part_of(part: Any) -> Json:
    """Google's part for one of a message's content parts.

    Raises ProviderError of kind INVALID_REQUEST for a part that Google has nothing like.
    """
    given = as_object(part)
    kind = as_text(given.get("type"))
    if isinstance(part, str):
        return {"text": part}
    if kind in ("text", "input_text", "output_text", "refusal"):
        return {"text": as_text(given.get("refusal" if kind == "refusal" else "text"))}
    if kind in ("image_url", "video_url"):
        inner = given.get(kind)
        url = as_text(inner) or as_text(as_object(inner).get("url"))
        return from_url(url, "image/jpeg" if kind == "image_url" else "video/mp4")
    if kind == "input_audio":
        sound = as_object(given.get("input_audio"))
        form = as_text(sound.get("format")).lower() or "wav"
        return _inline(_AUDIO.get(form, f"audio/{form}"), as_text(sound.get("data")))
    if kind == "file":
        return _file(as_object(given.get("file")))
    if _OWN & given.keys():
        return {key: value for key, value in given.items() if key not in ("type", "cache_control")}
    return refuse(
        f"Google's models take no content part of type {kind or type(part).__name__!r}", "unsupported_content"
    )


def from_url(url: str, guess: str = "") -> Json:
    """The part for a ``data:`` URL, or for one that Google fetches. ``guess``: its media type, where nothing tells."""
    if url.startswith("data:"):
        head, comma, data = url[5:].partition(",")
        if not comma:
            refuse("a data URL has no comma before its data", "invalid_url")
        media_type, *parameters = head.split(";")
        if "base64" not in (parameter.strip().lower() for parameter in parameters):
            data = base64.b64encode(unquote_to_bytes(data)).decode()
        return _inline(media_type.strip() or guess or "text/plain", data)
    if url.partition(":")[0].lower() not in ("https", "http", "gs"):
        refuse("an address in a message has to begin with https:, gs: or data:", "invalid_url")
    return _linked(url, _guessed(url) or ("" if _is_known_to_google(url) else guess))


def from_bytes(data: bytes) -> Json:
    """The part for an image's bytes."""
    known = next((media_type for sign, media_type in _SIGNS if data.startswith(sign)), "")
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        known = "image/webp"
    return _inline(known or "image/png", base64.b64encode(data).decode())


def data_url(blob: Json) -> str:
    """The ``data:`` URL of an ``inlineData`` object."""
    return f"data:{as_text(blob.get('mimeType')) or 'image/png'};base64,{as_text(blob.get('data'))}"


def _file(file: Json) -> Json:
    name = as_text(file.get("filename"))
    guess = _guessed(name) or "application/pdf"
    data, address = as_text(file.get("file_data")), as_text(file.get("file_url"))
    if data:
        return from_url(data, guess) if data.startswith("data:") else _inline(guess, data)
    if address:
        return from_url(address, guess)
    identity = as_text(file.get("file_id"))
    if not identity:
        refuse("a file part has neither file_data nor file_url nor file_id", "invalid_file")
    media_type = as_text(file.get("format")) or _guessed(name)
    return _linked(_FILES + identity if identity.startswith("files/") else identity, media_type)


def _linked(url: str, media_type: str) -> Json:
    return {"fileData": {"mimeType": media_type, "fileUri": url} if media_type else {"fileUri": url}}


def _inline(media_type: str, data: str) -> Json:
    return {"inlineData": {"mimeType": media_type, "data": data}}


def _guessed(name: str) -> str:
    """The media type that a file's name or a URL's path ends in."""
    if name.partition(":")[0] in ("https", "http", "gs"):
        name = name.partition("?")[0].partition("#")[0]
    name = name.rpartition("/")[2]
    return "image/webp" if name.lower().endswith(".webp") else mimetypes.guess_type(name)[0] or ""


def _is_known_to_google(url: str) -> bool:
    """Uploaded files and videos of YouTube: Google knows what they are."""
    return url.startswith((_FILES, "https://www.youtube.com/", "https://youtu.be/", "https://youtube.com/"))
