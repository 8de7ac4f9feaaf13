"""Images at Stability AI, fal and Replicate; transcription at fal, chat at Replicate."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module

from modelmesh_core import EnvironmentKey, Provider, ProviderConnector, ProviderSettings, hookimpl, read_catalogue

from .options import FalOptions


@hookimpl
def provider_connectors() -> Iterable[ProviderConnector]:
    yield ProviderConnector(
        id="stability.image-gen.v1",
        create=partial(_create, "stability", "Stability"),
        models=partial(read_catalogue, "modelmesh_images.models", "stability.toml"),
        environment=EnvironmentKey(api_key=("STABILITY_API_KEY",), base_url=("STABILITY_BASE_URL",)),
        default_base_url="https://api.stability.ai",
        description="Stability AI: images made and edited.",
    )
    yield ProviderConnector(
        id="fal.media-gen.v1",
        create=partial(_create, "fal", "Fal"),
        options=FalOptions,
        models=partial(read_catalogue, "modelmesh_images.models", "fal.toml"),
        environment=EnvironmentKey(api_key=("FAL_KEY",), base_url=("FAL_BASE_URL",)),
        default_base_url="https://queue.fal.run",
        description="fal: images made and edited, transcription.",
    )
    yield ProviderConnector(
        id="replicate.inference.v1",
        create=partial(_create, "replicate", "Replicate"),
        models=partial(read_catalogue, "modelmesh_images.models", "replicate.toml"),
        environment=EnvironmentKey(api_key=("REPLICATE_API_TOKEN",), base_url=("REPLICATE_BASE_URL",)),
        default_base_url="https://api.replicate.com",
        description="Replicate: images made and edited, chat.",
    )


def _create(module: str, name: str, settings: ProviderSettings) -> Provider:
    make: Callable[[ProviderSettings], Provider] = getattr(import_module(f".{module}", __name__), name)
    return make(settings)
