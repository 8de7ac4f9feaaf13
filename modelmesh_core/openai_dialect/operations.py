"""The table of the dialect: operation → where it is asked for, how, and how its answer is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import attrs

from ..interfaces.provider import ProviderCall
from ..wire.http import HttpResponse
from ..wire.messages import Body, Operation, Reply
from .codec import (
    Reading,
    decode_chat,
    decode_completion,
    decode_embeddings,
    decode_images,
    decode_moderation,
    decode_ranking,
    decode_speech,
    decode_transcription,
)
from .requests import Encoded, encode_images, encode_json, encode_transcription


@attrs.frozen
class Exchange:
    """One operation on the wire."""

    path: str
    """Below the base URL."""
    encode: Callable[[Body], Encoded]
    decode: Callable[[ProviderCall, HttpResponse, Reading], Reply]
    stream: Mapping[str, object] = MappingProxyType({"stream": True})
    """What makes of a body one that is answered with a stream."""


def _chat(call: ProviderCall, response: HttpResponse, reading: Reading) -> Reply:
    return decode_chat(response, reading)


EXCHANGES: Mapping[Operation, Exchange] = {
    Operation.CHAT: Exchange("/chat/completions", encode_json, _chat),
    Operation.TEXT_COMPLETION: Exchange("/completions", encode_json, decode_completion),
    Operation.EMBEDDINGS: Exchange("/embeddings", encode_json, decode_embeddings),
    Operation.SPEECH: Exchange("/audio/speech", encode_json, decode_speech, {"stream_format": "sse"}),
    Operation.TRANSCRIPTION: Exchange("/audio/transcriptions", encode_transcription, decode_transcription),
    Operation.AUDIO_TRANSLATION: Exchange("/audio/translations", encode_transcription, decode_transcription),
    Operation.IMAGES: Exchange("/images/generations", encode_images, decode_images),
    Operation.MODERATION: Exchange("/moderations", encode_json, decode_moderation),
    Operation.RERANK: Exchange("/rerank", encode_json, decode_ranking),
}
