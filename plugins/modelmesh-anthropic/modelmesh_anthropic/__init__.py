"""``anthropic.claude.v1``: Anthropic's Claude models over the Messages API.

``modelmesh_anthropic.messages`` is the codec alone, for other ways to the same models.
"""

from __future__ import annotations

from collections.abc import Iterable

from modelmesh_core import EnvironmentKey, Provider, ProviderConnector, ProviderSettings, hookimpl, read_catalogue

from .options import AnthropicOptions


@hookimpl
def provider_connectors() -> Iterable[ProviderConnector]:
    yield ProviderConnector(
        id="anthropic.claude.v1",
        create=_create,
        options=AnthropicOptions,
        models=lambda: read_catalogue("modelmesh_anthropic", "models.toml"),
        environment=EnvironmentKey(api_key=("ANTHROPIC_API_KEY",), base_url=("ANTHROPIC_BASE_URL",)),
        default_base_url="https://api.anthropic.com",
        description="Anthropic: Claude, over the Messages API.",
    )


def _create(settings: ProviderSettings) -> Provider:
    from .provider import AnthropicProvider

    return AnthropicProvider(settings)
