"""A real Redis for all tests of a worker."""

import os

import pytest
from servers import RedisServer


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def redis_server():
    """Its URL is in the environment, where the processes that the conformance suite starts find it."""
    with RedisServer() as server:
        os.environ["MODELMESH_TEST_REDIS"] = server.url
        yield server
        del os.environ["MODELMESH_TEST_REDIS"]
