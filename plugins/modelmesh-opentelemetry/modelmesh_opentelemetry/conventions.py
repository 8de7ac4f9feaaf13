"""Names of the GenAI semantic conventions, and what the mesh calls things in their words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OPERATIONS = {
    "chat": "chat",
    "responses": "chat",
    "text-completion": "text_completion",
    "embeddings": "embeddings",
}
"""Operation → ``gen_ai.operation.name``, where the conventions have a word; others go by their own."""
_PROVIDERS = {
    "azure": "azure.ai.openai",
    "aws": "aws.bedrock",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "google": "gcp.gemini",
    "mistral": "mistral_ai",
    "vertex": "gcp.vertex_ai",
    "xai": "x_ai",
}
TOKEN_BOUNDS = tuple(float(4**power) for power in range(14))
DURATION_BOUNDS = tuple(0.01 * 2**power for power in range(14))


def operation_name(operation: str) -> str:
    """``gen_ai.operation.name``."""
    return OPERATIONS.get(operation, operation.replace("-", "_"))


def provider_name(provider: str) -> str:
    """``gen_ai.provider.name`` of an entry of ``providers``: the well-known name where the entry is called by it."""
    return _PROVIDERS.get(provider, provider)


def upstream_model(model: str, provider: str) -> str:
    """``gen_ai.request.model``: the full id without the provider in front."""
    return model.removeprefix(f"{provider}.")


def error_type(attempt: Mapping[str, Any]) -> str | None:
    """``error.type``: the kind of failure, ``cancelled``, or None."""
    error = attempt["error"]
    if error is not None:
        return error["kind"]
    return "cancelled" if attempt["status"] == "cancelled" else None


def input_tokens(tokens: Mapping[str, Any]) -> int:
    """Everything that was read, from a cache too."""
    return tokens["input"] + tokens["cached_input"] + tokens["cache_write"]


def output_tokens(tokens: Mapping[str, Any]) -> int:
    """Everything that was written, thoughts too."""
    return tokens["output"] + tokens["reasoning"]
