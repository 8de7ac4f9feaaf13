"""A mesh over scripted providers and a fake clock. Everything between the client and the transport is real."""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
from modelmesh_core import ModelMesh
from modelmesh_core.testing import FakeUpstream

MakeMesh = Callable[..., ModelMesh]


@pytest.fixture
def upstream() -> FakeUpstream:
    return FakeUpstream()


@pytest.fixture
def make_mesh(upstream: FakeUpstream) -> Iterator[MakeMesh]:
    made: list[ModelMesh] = []

    def make(configuration: Any, **options: Any) -> ModelMesh:
        options = {"environ": {}, "random": Random(7), **options}
        mesh = ModelMesh(configuration, clock=upstream.clock, make_transport=upstream.make_transport, **options)
        made.append(mesh)
        return mesh.initialize()

    yield make
    for mesh in made:
        mesh.shutdown()
