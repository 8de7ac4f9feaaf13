"""Speech and transcription at ElevenLabs, Azure, AssemblyAI and Deepgram."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module

from modelmesh_core import EnvironmentKey, Provider, ProviderConnector, ProviderSettings, hookimpl, read_catalogue

from .options import AzureSpeechOptions, ElevenLabsOptions


@hookimpl
def provider_connectors() -> Iterable[ProviderConnector]:
    yield ProviderConnector(
        id="elevenlabs.tts.v1",
        create=partial(_create, "elevenlabs", "ElevenLabs"),
        options=ElevenLabsOptions,
        models=partial(read_catalogue, "modelmesh_speech.models", "elevenlabs.toml"),
        environment=EnvironmentKey(api_key=("ELEVENLABS_API_KEY",), base_url=("ELEVENLABS_BASE_URL",)),
        default_base_url="https://api.elevenlabs.io",
        description="ElevenLabs: speech and transcription.",
    )
    yield ProviderConnector(
        id="azure.tts.v1",
        create=partial(_create, "azure", "AzureSpeech"),
        options=AzureSpeechOptions,
        models=partial(read_catalogue, "modelmesh_speech.models", "azure.toml"),
        environment=EnvironmentKey(
            api_key=("AZURE_SPEECH_KEY",),
            required=("AZURE_SPEECH_REGION",),
            options={"region": "AZURE_SPEECH_REGION"},
        ),
        default_name="azure-speech",
        description="Azure AI Speech: speech with its voices.",
    )
    yield ProviderConnector(
        id="assemblyai.stt.v1",
        create=partial(_create, "assemblyai", "AssemblyAI"),
        models=partial(read_catalogue, "modelmesh_speech.models", "assemblyai.toml"),
        environment=EnvironmentKey(api_key=("ASSEMBLYAI_API_KEY",), base_url=("ASSEMBLYAI_BASE_URL",)),
        default_base_url="https://api.assemblyai.com",
        description="AssemblyAI: transcription.",
    )
    yield ProviderConnector(
        id="deepgram.speech.v1",
        create=partial(_create, "deepgram", "Deepgram"),
        models=partial(read_catalogue, "modelmesh_speech.models", "deepgram.toml"),
        environment=EnvironmentKey(api_key=("DEEPGRAM_API_KEY",), base_url=("DEEPGRAM_BASE_URL",)),
        default_base_url="https://api.deepgram.com",
        description="Deepgram: speech and transcription.",
    )


def _create(module: str, name: str, settings: ProviderSettings) -> Provider:
    make: Callable[[ProviderSettings], Provider] = getattr(import_module(f".{module}", __name__), name)
    return make(settings)
