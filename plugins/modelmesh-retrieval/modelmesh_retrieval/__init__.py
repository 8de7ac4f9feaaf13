"""Connectors for retrieval: Voyage and Jina (embeddings, reranking), and web search at five vendors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from importlib import import_module

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

from .options import GoogleSearchOptions, JinaOptions, SerperOptions

_VENDORS = (
    ("voyage.embeddings.v1", "Voyage", None, "https://api.voyageai.com/v1", "Voyage AI: embeddings and reranking."),
    (
        "jina.search.v1",
        "Jina",
        JinaOptions,
        "https://api.jina.ai/v1",
        "Jina AI: embeddings, reranking, search, reading.",
    ),
    ("tavily.search.v1", "Tavily", None, "https://api.tavily.com", "Tavily: web search and reading pages."),
    ("serper.search.v1", "Serper", SerperOptions, "https://google.serper.dev", "Serper: Google's results, pages."),
    ("firecrawl.search.v1", "Firecrawl", None, "https://api.firecrawl.dev", "Firecrawl: web search and reading pages."),
)


@hookimpl
def provider_connectors() -> Iterable[ProviderConnector]:
    for identity, name, options, base_url, description in _VENDORS:
        vendor = name.lower()
        yield ProviderConnector(
            id=identity,
            create=partial(_create, vendor, name),
            options=options,
            models=partial(_models, vendor),
            free_tier=partial(_free_tier, vendor),
            environment=EnvironmentKey(api_key=(f"{name.upper()}_API_KEY",)),
            default_base_url=base_url,
            description=description,
        )
    yield ProviderConnector(
        id="google.search.v1",
        create=partial(_create, "google", "GoogleSearch"),
        options=GoogleSearchOptions,
        models=partial(_models, "google"),
        free_tier=partial(_free_tier, "google"),
        environment=EnvironmentKey(
            api_key=("GOOGLE_SEARCH_API_KEY",), required=("GOOGLE_SEARCH_CX",), options={"cx": "GOOGLE_SEARCH_CX"}
        ),
        default_name="google-search",
        default_base_url="https://www.googleapis.com",
        description="Google: search in a Programmable Search Engine.",
    )


def _create(module: str, name: str, settings: ProviderSettings) -> Provider:
    return getattr(import_module(f"{__name__}.{module}"), name)(settings)


def _free_tier(vendor: str) -> FreeTier | None:
    return read_free_tier(f"{__name__}.models", f"{vendor}.toml")


def _models(vendor: str) -> Sequence[CatalogueModel]:
    return read_catalogue(f"{__name__}.models", f"{vendor}.toml")
