"""The errors of what cannot be said to Bedrock, and of what makes no sense from it."""

from __future__ import annotations

from typing import Any

from modelmesh_core import Failure, FailureKind, ProviderError, provider_error
from modelmesh_core import refused as refused_with_code


def refused(message: str) -> ProviderError:
    """The error for a request that cannot be said in Bedrock's words."""
    return refused_with_code(message, "unsupported_content")


def undecodable(message: str, status: int | None = None, body: Any = None) -> ProviderError:
    """The error for an answer that makes no sense."""
    return provider_error(Failure(FailureKind.UNDECODABLE, message, status=status, body=body))
