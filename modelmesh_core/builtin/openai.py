"""``openai.llm.v1``: OpenAI's own API."""

from __future__ import annotations

from collections.abc import Iterable

from modelmesh_core import EnvironmentKey, OpenAICompatible, ProviderConnector, hookimpl, read_catalogue


class OpenAI(OpenAICompatible):
    """OpenAI itself, which has the Responses API, too, and keeps files, batches and answers."""

    operations = OpenAICompatible.operations | OpenAICompatible.resources
    speaks_responses = True


@hookimpl
def provider_connectors() -> Iterable[ProviderConnector]:
    yield ProviderConnector(
        id="openai.llm.v1",
        create=OpenAI,
        models=lambda: read_catalogue("modelmesh_core.builtin", "openai_models.toml"),
        environment=EnvironmentKey(api_key=("OPENAI_API_KEY",), base_url=("OPENAI_BASE_URL",)),
        default_base_url="https://api.openai.com/v1",
        description="OpenAI: chat, embeddings, images, speech, transcription, moderation.",
    )
