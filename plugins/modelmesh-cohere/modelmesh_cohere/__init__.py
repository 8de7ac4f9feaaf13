"""``cohere.nlp.v1``: Cohere's models over the v2 API: chat, embeddings, reranking, transcription."""

from __future__ import annotations

from collections.abc import Iterable

from modelmesh_core import (
    EnvironmentKey,
    Provider,
    ProviderConnector,
    ProviderSettings,
    hookimpl,
    read_catalogue,
    read_free_tier,
)

from .options import CohereOptions


@hookimpl
def provider_connectors() -> Iterable[ProviderConnector]:
    yield ProviderConnector(
        id="cohere.nlp.v1",
        create=_create,
        options=CohereOptions,
        models=lambda: read_catalogue("modelmesh_cohere", "models.toml"),
        free_tier=lambda: read_free_tier("modelmesh_cohere", "models.toml"),
        environment=EnvironmentKey(api_key=("COHERE_API_KEY", "CO_API_KEY"), base_url=("CO_API_URL",)),
        default_base_url="https://api.cohere.com",
        description="Cohere: Command, Embed, Rerank and Transcribe, over the v2 API.",
    )


def _create(settings: ProviderSettings) -> Provider:
    from .provider import CohereProvider

    return CohereProvider(settings)
