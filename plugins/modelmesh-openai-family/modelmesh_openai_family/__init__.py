"""Providers that speak the OpenAI dialect: what sets each apart is a row of ``vendors``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module

from modelmesh_core import Provider, ProviderConnector, ProviderSettings, hookimpl, read_catalogue, read_free_tier

from .vendors import VENDORS, Vendor


@hookimpl
def provider_connectors() -> Iterable[ProviderConnector]:
    for vendor in VENDORS:
        yield ProviderConnector(
            id=vendor.id,
            create=partial(_create, vendor),
            options=vendor.options,
            models=partial(read_catalogue, "modelmesh_openai_family.models", f"{vendor.catalogue}.toml"),
            free_tier=partial(read_free_tier, "modelmesh_openai_family.models", f"{vendor.catalogue}.toml"),
            environment=vendor.environment,
            default_base_url=vendor.base_url,
            description=f"{vendor.title}: {vendor.serves}.",
        )


def _create(vendor: Vendor, settings: ProviderSettings) -> Provider:
    module, _, name = vendor.made_by.rpartition(".")
    make: Callable[..., Provider] = getattr(import_module(f".{module}", __name__), name)
    return make(vendor.traits, settings)
