"""``ollama.native.v1`` and ``ollama.cloud.v1``: Ollama over its own API."""

from __future__ import annotations

from collections.abc import Iterable

from modelmesh_core import EnvironmentKey, Provider, ProviderConnector, ProviderSettings, hookimpl

from .options import OllamaOptions


@hookimpl
def provider_connectors() -> Iterable[ProviderConnector]:
    yield ProviderConnector(
        id="ollama.native.v1",
        create=_create,
        options=OllamaOptions,
        requires_api_key=False,
        default_base_url="http://localhost:11434",
        description="Ollama on your own machine, over its native API: chat and embeddings.",
    )
    yield ProviderConnector(
        id="ollama.cloud.v1",
        create=_create,
        options=OllamaOptions,
        environment=EnvironmentKey(api_key=("OLLAMA_API_KEY",)),
        default_name="ollama-cloud",
        default_base_url="https://ollama.com",
        description="Ollama's cloud: large open models, over Ollama's native API.",
    )


def _create(settings: ProviderSettings) -> Provider:
    from .provider import OllamaProvider

    return OllamaProvider(settings)
