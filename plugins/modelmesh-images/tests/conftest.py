"""Providers to drive by hand, and the recorded exchanges."""

from collections.abc import Callable
from typing import Any

import pytest
from connectors import Recording, answer, play, recorded_rows
from hostile_vendor import maker
from modelmesh_core import (
    Operation,
    ProviderCall,
)
from modelmesh_images import provider_connectors

__all__ = ["answer", "play"]

PNG = b"\x89PNG\r\n\x1a\n..."


@pytest.fixture(scope="session")
def make() -> Callable[..., Any]:
    """A provider of a connector, with its options."""
    return maker(provider_connectors())


@pytest.fixture
def draw() -> Callable[..., ProviderCall]:
    def draw(model: str = "core", unsupported: Any = "warn", **body: Any) -> ProviderCall:
        body = {"model": "text-to-image", "prompt": "A cat", **body}
        return ProviderCall(Operation.IMAGES, model, body, unsupported=unsupported)

    return draw


class ImageRecording(Recording):
    """One recorded exchange."""

    def __init__(self, row: dict[str, Any]) -> None:
        super().__init__(row)
        self.request: str = row["request"].get("body") or ""


@pytest.fixture
def recordings() -> Callable[[str], list[ImageRecording]]:
    return lambda vendor: [ImageRecording(row) for row in recorded_rows(vendor)]
