"""A provider of each test's own."""

from collections.abc import Iterator

import pytest
from modelmesh_core.testing import FaultyProvider


@pytest.fixture
def provider() -> Iterator[FaultyProvider]:
    with FaultyProvider() as running:
        yield running
