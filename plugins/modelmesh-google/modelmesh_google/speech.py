"""Speech: a Gemini TTS model's sound → bytes that a player knows."""

from __future__ import annotations

import base64
import binascii
import re
import struct
from collections.abc import Generator
from typing import Any

import attrs
from modelmesh_core import (
    Failure,
    FailureKind,
    HttpRequest,
    HttpResponse,
    Json,
    ProviderCall,
    Reply,
    Usage,
    as_object,
    as_objects,
    as_text,
    headroom_of,
    provider_error,
    usage_of,
)

from .endpoint import Endpoint
from .errors import error_in, failure_of_error
from .request import voice_of
from .shapes import refuse
from .usage import usage_in

_DEFAULT_VOICE = "Kore"
_READ = frozenset({"model", "input", "voice", "response_format", "speed", "instructions", "stream", "user"})


def speak(call: ProviderCall, endpoint: Endpoint) -> Generator[HttpRequest, HttpResponse, Reply]:
    """The flow of a speech call."""
    response = yield from endpoint.ask(call.upstream_model, "generateContent", _request(call))
    decoded: Any = response.json()
    error = error_in(decoded)
    if error is not None:
        raise provider_error(failure_of_error(error, decoded))
    sound, media_type = _sound(response, as_object(decoded))
    usage = usage_of(usage_in(as_object(decoded).get("usageMetadata")))
    return Reply(
        content=sound if _wants_raw(call) else as_wave(sound, media_type),
        media_type=media_type if _wants_raw(call) or not _is_raw(media_type) else "audio/wav",
        usage=_priced(usage),
        headroom=headroom_of(response.headers, response.received_at),
        headers=response.headers,
    )


def as_wave(sound: bytes, media_type: str) -> bytes:
    """``sound`` with a WAV header, if it is raw samples (``audio/L16;rate=24000``); any other sound as it is."""
    if not _is_raw(media_type):
        return sound
    rate = re.search(r"rate=(\d{4,6})", media_type)
    hertz = int(rate[1]) if rate else 24000
    layout = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, hertz, hertz * 2, 2, 16)
    return (
        b"RIFF"
        + struct.pack("<I", 36 + len(sound))
        + b"WAVE"
        + layout
        + struct.pack("<4sI", b"data", len(sound))
        + sound
    )


def _request(call: ProviderCall) -> Json:
    body = call.body
    text = body.get("input")
    if not isinstance(text, str) or not text:
        refuse("input: expected a text", "invalid_input")
    for name, value in body.items():
        if name not in _READ and value is not None:
            call.drop(name)
    if body.get("speed") not in (None, 1):
        call.drop("speed", "say it in the instructions")
    wanted = body.get("response_format")
    if wanted not in (None, "wav", "pcm"):
        call.drop("response_format", "Google's sound comes as wav or pcm")
    instructions = as_text(body.get("instructions"))
    voice = voice_of(call, body.get("voice") or _DEFAULT_VOICE, "voice")
    speech = voice or {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": _DEFAULT_VOICE}}}
    parts = [{"text": f"{instructions.rstrip(': ')}: {text}" if instructions else text}]
    return {
        "contents": [{"role": "user", "parts": parts}],
        "generationConfig": {"responseModalities": ["AUDIO"], "speechConfig": speech},
    }


def _sound(response: HttpResponse, body: Json) -> tuple[bytes, str]:
    candidates = as_objects(body.get("candidates"))
    parts = [part for one in candidates[:1] for part in as_objects(as_object(one.get("content")).get("parts"))]
    blobs = [blob for part in parts if (blob := as_object(part.get("inlineData"))) and as_text(blob.get("data"))]
    if not blobs:
        raise provider_error(_no_sound(response, body, candidates))
    try:
        sound = b"".join(base64.b64decode(as_text(blob["data"])) for blob in blobs)
    except (binascii.Error, ValueError) as error:
        message = f"the sound is not base64: {error}"
        raise provider_error(Failure(FailureKind.UNDECODABLE, message, status=response.status)) from error
    return sound, as_text(blobs[0].get("mimeType")) or "audio/L16"


def _no_sound(response: HttpResponse, body: Json, candidates: list[Json]) -> Failure:
    reason = as_object(body.get("promptFeedback")).get("blockReason")
    ending = as_text(candidates[0].get("finishReason")) if candidates else ""
    if reason or ending in ("SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII", "RECITATION"):
        return Failure(FailureKind.CONTENT_FILTER, f"the text was blocked ({reason or ending})", body=body)
    if ending:  # TTS models now and then answer with text; asking again helps
        return Failure(FailureKind.SERVER, f"the model answered without sound ({ending})", body=body)
    message = f"HTTP {response.status} with a body that has no sound (it has: {', '.join(list(body)[:8]) or 'nothing'})"
    return Failure(FailureKind.UNDECODABLE, message, status=response.status, body=body)


def _wants_raw(call: ProviderCall) -> bool:
    return call.body.get("response_format") == "pcm"


def _is_raw(media_type: str) -> bool:
    return media_type.lower().startswith(("audio/l16", "audio/pcm"))


def _priced(usage: Usage | None) -> Usage | None:
    """What the model speaks is its output, and has the output's price."""
    return usage and attrs.evolve(usage, output=usage.output + usage.audio, audio=0)
