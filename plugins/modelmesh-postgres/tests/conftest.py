"""A real PostgreSQL for all tests of a worker."""

import os

import pytest
from servers import PostgresServer


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def postgres_server():
    """Its URL is in the environment, where the processes that the conformance suite starts find it."""
    with PostgresServer() as server:
        os.environ["MODELMESH_TEST_POSTGRES"] = server.url
        yield server
        del os.environ["MODELMESH_TEST_POSTGRES"]
