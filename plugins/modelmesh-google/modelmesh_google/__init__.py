"""``google.gemini.v1`` and ``google.vertex.v1``: Google's models over the Gemini API and over Vertex AI."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from modelmesh_core import (
    CatalogueModel,
    EnvironmentKey,
    FreeTier,
    Provider,
    ProviderConnector,
    ProviderSettings,
    hookimpl,
    read_catalogue,
    read_free_tier,
)

from .options import VertexOptions


@hookimpl
def provider_connectors() -> Iterable[ProviderConnector]:
    yield ProviderConnector(
        id="google.gemini.v1",
        create=_create_gemini,
        models=lambda: _models("gemini"),
        free_tier=_free_tier,
        environment=EnvironmentKey(api_key=("GEMINI_API_KEY", "GOOGLE_API_KEY"), base_url=("GOOGLE_GEMINI_BASE_URL",)),
        default_name="google",
        default_base_url="https://generativelanguage.googleapis.com/v1beta",
        description="Google's Gemini API: chat, embeddings, images and speech.",
    )
    yield ProviderConnector(
        id="google.vertex.v1",
        create=_create_vertex,
        options=VertexOptions,
        models=lambda: _models("vertex"),
        environment=EnvironmentKey(
            required=("GOOGLE_CLOUD_PROJECT", "GOOGLE_APPLICATION_CREDENTIALS"),
            options={
                "project": "GOOGLE_CLOUD_PROJECT",
                "location": "GOOGLE_CLOUD_LOCATION",
                "service_account": "GOOGLE_APPLICATION_CREDENTIALS",
            },
        ),
        default_name="vertex",
        requires_api_key=False,
        description="Google's models on Vertex AI: chat, embeddings, images and speech.",
    )


def _create_gemini(settings: ProviderSettings) -> Provider:
    from .provider import GeminiProvider

    return GeminiProvider(settings)


def _create_vertex(settings: ProviderSettings) -> Provider:
    from .provider import VertexProvider

    return VertexProvider(settings)


def _free_tier() -> FreeTier | None:
    return read_free_tier("modelmesh_google", "gemini_models.toml")


def _models(service: Literal["gemini", "vertex"]) -> Sequence[CatalogueModel]:
    return read_catalogue("modelmesh_google", f"{service}_models.toml")
