"""Providers to drive by hand."""

from collections.abc import Callable
from typing import Any

import pytest
from connectors import answer, play
from hostile_vendor import maker
from modelmesh_core import (
    Operation,
    ProviderCall,
)
from modelmesh_documents import provider_connectors

__all__ = ["answer", "play"]


@pytest.fixture(scope="session")
def make() -> Callable[..., Any]:
    """A provider of a connector, with its options."""
    return maker(provider_connectors())


@pytest.fixture
def ask() -> Callable[..., ProviderCall]:
    def ask(operation: Operation, model: str = "m", unsupported: Any = "warn", **body: Any) -> ProviderCall:
        return ProviderCall(operation, model, {"model": "any", **body}, unsupported=unsupported)

    return ask
