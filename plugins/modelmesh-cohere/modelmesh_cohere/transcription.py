"""Transcription over ``/v2/audio/transcriptions``."""

from __future__ import annotations

import hashlib
from typing import Any

from modelmesh_core import HttpResponse, ProviderCall, Reply, Usage, as_object, as_text, refused, undecodable

from .errors import limits_of

_READ = frozenset({"model", "file", "filename", "media_type", "language", "temperature", "response_format"})


def encode_recording(call: ProviderCall, language: str) -> tuple[str, bytes]:
    """The media type and the body of the form. Raises ProviderError of kind INVALID_REQUEST if there is no sound."""
    sound: Any = call.body.get("file")
    if not isinstance(sound, (bytes, bytearray)) or not sound:
        raise refused("transcription takes a file: its bytes")
    for name, value in call.body.items():
        if name not in _READ and value is not None:
            call.drop(name)
    if call.body.get("response_format") not in (None, "json", "text"):
        call.drop("response_format", "Cohere transcribes without times")
    data = bytes(sound)
    boundary = f"modelmesh-{hashlib.sha256(data).hexdigest()[:32]}"
    fields = {"model": call.upstream_model, "language": as_text(call.body.get("language")) or language}
    if call.body.get("temperature") is not None:
        fields["temperature"] = str(call.body["temperature"])
    parts = [_part(boundary, f'name="{name}"', "", _one_line(value).encode()) for name, value in fields.items()]
    filename = _one_line(as_text(call.body.get("filename")) or "recording").replace('"', "%22")
    media_type = _one_line(as_text(call.body.get("media_type")) or "application/octet-stream")
    described = f'name="file"; filename="{filename}"'
    parts.append(_part(boundary, described, f"Content-Type: {media_type}\r\n", data))
    body = b"".join(parts) + f"--{boundary}--\r\n".encode()
    return f"multipart/form-data; boundary={boundary}", body


def decode_transcript(response: HttpResponse) -> Reply:
    """The text. Raises ProviderError for anything else in its place."""
    answer: Any = response.json()
    text = as_object(answer).get("text")
    if not isinstance(text, str):
        raise undecodable(response, "a transcript", "Cohere")
    limits = limits_of(response.headers, response.received_at)
    return Reply(dict(as_object(answer)), usage=Usage(), headroom=limits, headers=response.headers)


def _part(boundary: str, described: str, head: str, content: bytes) -> bytes:
    start = f"--{boundary}\r\nContent-Disposition: form-data; {described}\r\n{head}\r\n"
    return start.encode("utf-8", "replace") + content + b"\r\n"


def _one_line(text: str) -> str:
    return text.replace("\r", " ").replace("\n", " ").encode("utf-8", "replace").decode()
