"""Fixtures that all tests share."""

import pytest
from hypothesis import settings

settings.register_profile("shared machines", deadline=None)  # how long an example takes says nothing there
settings.load_profile("shared machines")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
