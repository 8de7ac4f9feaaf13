"""Two providers on loopback, of which the first is asked first and misbehaves; a mesh, and a gateway before it."""

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from faulty import Caller, InPython, OverHttp, configuration
from modelmesh_core import ModelMesh
from modelmesh_core.gateway import ProxyServer
from modelmesh_core.testing import FaultyProvider


@pytest.fixture
def first() -> Iterator[FaultyProvider]:
    with FaultyProvider() as provider:
        yield provider


@pytest.fixture
def second() -> Iterator[FaultyProvider]:
    with FaultyProvider() as provider:
        yield provider


@pytest.fixture
def make_caller() -> Iterator[Any]:
    """A caller in Python, or at a gateway, of a mesh over the given providers."""
    stack: list[Any] = []

    def make(way: str, providers: dict[str, FaultyProvider], **pool: Any) -> Caller:
        mesh = ModelMesh(configuration(providers, **pool), environ={}, random=Random(3))
        if way == "python":
            stack.append(mesh.shutdown)
            return InPython(mesh.initialize())
        server = ProxyServer(mesh, port=0)
        stack.append(server.stop)
        caller = OverHttp(mesh, server.start().url)
        stack.append(caller.client.close)
        return caller

    yield make
    for close in reversed(stack):
        close()
