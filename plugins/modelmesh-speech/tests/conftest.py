"""Providers to drive by hand, and the recorded exchanges."""

from collections.abc import Callable
from typing import Any

import pytest
from connectors import Recording, answer, play, recorded_rows
from hostile_vendor import maker
from modelmesh_core import (
    Headers,
    Operation,
    ProviderCall,
)
from modelmesh_speech import provider_connectors

__all__ = ["answer", "play"]

WAVE = b"RIFF\x24\0\0\0WAVEfmt "


@pytest.fixture(scope="session")
def make() -> Callable[..., Any]:
    """A provider of a connector, with its options."""
    return maker(provider_connectors())


@pytest.fixture
def say() -> Callable[..., ProviderCall]:
    def say(model: str = "voice-1", unsupported: Any = "warn", **body: Any) -> ProviderCall:
        body = {"model": "text-to-speech", "input": "Hello", **body}
        return ProviderCall(Operation.SPEECH, model, body, unsupported=unsupported)

    return say


@pytest.fixture
def hear() -> Callable[..., ProviderCall]:
    def hear(model: str = "ears-1", unsupported: Any = "warn", **body: Any) -> ProviderCall:
        body = {"model": "speech-to-text", "file": WAVE, "media_type": "audio/wav", **body}
        return ProviderCall(Operation.TRANSCRIPTION, model, body, unsupported=unsupported)

    return hear


class SpeechRecording(Recording):
    """One recorded exchange."""

    def __init__(self, row: dict[str, Any]) -> None:
        super().__init__(row)
        self.request: str = row["request"].get("body") or ""
        self.is_sound = bool(row["response"].get("body_base64"))
        if not self.headers:
            self.headers = Headers([("content-type", "audio/mpeg" if self.is_sound else "application/json")])


@pytest.fixture
def recordings() -> Callable[[str], list[SpeechRecording]]:
    return lambda vendor: [SpeechRecording(row) for row in recorded_rows(vendor)]
