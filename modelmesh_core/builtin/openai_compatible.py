"""``modelmesh.openai-compatible.v1``: any server that speaks the OpenAI dialect, by configuration alone."""

from __future__ import annotations

from collections.abc import Iterable

from modelmesh_core import OpenAICompatible, ProviderConnector, hookimpl


class AnyServer(OpenAICompatible):
    """Nothing is known of it: it is asked for everything, and says itself what it does not have."""

    operations = OpenAICompatible.operations | OpenAICompatible.resources


@hookimpl
def provider_connectors() -> Iterable[ProviderConnector]:
    yield ProviderConnector(
        id="modelmesh.openai-compatible.v1",
        create=AnyServer,
        requires_api_key=False,
        description="Any server that speaks the OpenAI dialect: give base_url, and its models under `models`.",
    )
