"""Documents at Unstructured and LlamaParse, translation at DeepL, moderation with Google's Perspective."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module

from modelmesh_core import (
    EnvironmentKey,
    Provider,
    ProviderConnector,
    ProviderSettings,
    hookimpl,
    read_catalogue,
    read_free_tier,
)

from .options import DeepLOptions, LlamaParseOptions, PerspectiveOptions


@hookimpl
def provider_connectors() -> Iterable[ProviderConnector]:
    yield ProviderConnector(
        id="unstructured.doc-parse.v1",
        create=partial(_create, "unstructured", "Unstructured"),
        models=partial(read_catalogue, "modelmesh_documents.models", "unstructured.toml"),
        environment=EnvironmentKey(api_key=("UNSTRUCTURED_API_KEY",), base_url=("UNSTRUCTURED_API_URL",)),
        default_base_url="https://api.unstructuredapp.io",
        description="Unstructured: documents taken apart into elements.",
    )
    yield ProviderConnector(
        id="llamaindex.doc-parse.v1",
        create=partial(_create, "llamaparse", "LlamaParse"),
        options=LlamaParseOptions,
        models=partial(read_catalogue, "modelmesh_documents.models", "llamaindex.toml"),
        environment=EnvironmentKey(api_key=("LLAMA_CLOUD_API_KEY",), base_url=("LLAMA_CLOUD_BASE_URL",)),
        default_base_url="https://api.cloud.llamaindex.ai",
        description="LlamaParse: documents as markdown.",
    )
    yield ProviderConnector(
        id="deepl.translation.v1",
        create=partial(_create, "deepl", "DeepL"),
        options=DeepLOptions,
        models=partial(read_catalogue, "modelmesh_documents.models", "deepl.toml"),
        environment=EnvironmentKey(api_key=("DEEPL_API_KEY", "DEEPL_AUTH_KEY"), base_url=("DEEPL_SERVER_URL",)),
        description="DeepL: translation.",
    )
    yield ProviderConnector(
        id="google.moderation.v1",
        create=partial(_create, "perspective", "Perspective"),
        options=PerspectiveOptions,
        models=partial(read_catalogue, "modelmesh_documents.models", "perspective.toml"),
        free_tier=partial(read_free_tier, "modelmesh_documents.models", "perspective.toml"),
        environment=EnvironmentKey(api_key=("PERSPECTIVE_API_KEY",)),
        default_name="perspective",
        default_base_url="https://commentanalyzer.googleapis.com",
        description="Google's Perspective: how toxic a comment is.",
    )


def _create(module: str, name: str, settings: ProviderSettings) -> Provider:
    make: Callable[[ProviderSettings], Provider] = getattr(import_module(f".{module}", __name__), name)
    return make(settings)
