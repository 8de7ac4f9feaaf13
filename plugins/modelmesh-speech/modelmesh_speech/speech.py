"""What speech calls have in common: the text, the voice, the sound that comes back."""

from __future__ import annotations

import struct
from typing import Any

import attrs
from modelmesh_core import (
    HttpResponse,
    ProviderCall,
    Reply,
    Usage,
    VendorProvider,
    as_number,
    as_object,
    as_text,
    headroom_of,
    refused,
)

KNOWN = frozenset({"input", "voice", "response_format", "speed", "instructions"})
OPENAI_VOICES = frozenset(
    {"alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage", "shimmer", "verse"}
)
MEDIA_TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
    "aac": "audio/aac",
    "flac": "audio/flac",
}


def text_of(call: ProviderCall) -> str:
    """What is to be spoken. Raises ProviderError if there is nothing."""
    text = call.body.get("input")
    if not isinstance(text, str) or not text.strip():
        raise refused("input: expected a text", "invalid_input")
    return text


def voice_of(call: ProviderCall) -> str:
    """The voice that the caller names, as text or as ``{"id"}``; empty if none."""
    given: Any = call.body.get("voice")
    voice = (as_text(given) or as_text(as_object(given).get("id"))).strip()
    if given is not None and not voice:
        raise refused(f"voice: expected a name or an id, found {type(given).__name__}", "invalid_voice")
    return voice


def format_of(call: ProviderCall, supported: frozenset[str]) -> str:
    """``response_format`` if it is supported, else mp3."""
    wanted = as_text(call.body.get("response_format")) or "mp3"
    if wanted in supported:
        return wanted
    call.drop("response_format", f"the provider speaks in {', '.join(sorted(supported))}")
    return "mp3"


def speed_of(call: ProviderCall, slowest: float, fastest: float) -> float:
    """``speed`` within what the provider can do; 1 is the usual one."""
    given = call.body.get("speed")
    speed = 1.0 if given is None else as_number(given)
    if speed is None:
        raise refused("speed: expected a number", "invalid_speed")
    within = min(max(speed, slowest), fastest)
    if within != speed:
        call.drop("speed", f"the provider's lie between {slowest:g} and {fastest:g}: {within:g} was used")
    return within


def spoken(account: VendorProvider, call: ProviderCall, response: HttpResponse, sound: str, characters: int) -> Reply:
    """The sound in ``response``, which was asked for as ``sound`` (``mp3``, ...)."""
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not response.body or media_type.startswith("text/") or media_type.endswith("json"):
        raise account.undecodable(response, "sound")
    return Reply(
        usage=Usage(characters=characters),
        headroom=headroom_of(response.headers, response.received_at),
        headers=response.headers,
        content=response.body,
        media_type=MEDIA_TYPES.get(sound) or media_type or "application/octet-stream",
    )


def as_wave(reply: Reply, hertz: int) -> Reply:
    """A reply of raw samples, 16 bits and one channel, with the header that makes a WAV file of it."""
    samples = reply.content or b""
    layout = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, hertz, hertz * 2, 2, 16)
    head = b"RIFF" + struct.pack("<I", 36 + len(samples)) + b"WAVE" + layout
    return attrs.evolve(reply, content=head + struct.pack("<4sI", b"data", len(samples)) + samples)
