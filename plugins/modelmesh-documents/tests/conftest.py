"""Providers to drive by hand."""

from collections.abc import Callable, Generator
from typing import Any

import orjson
import pytest
from modelmesh_core import (
    Headers,
    HttpRequest,
    HttpResponse,
    Operation,
    ProviderCall,
    ProviderSettings,
    Secret,
)
from modelmesh_documents import provider_connectors

KEY = "key-that-nobody-may-see"
CONNECTORS = {connector.id: connector for connector in provider_connectors()}


@pytest.fixture
def make() -> Callable[..., Any]:
    """A provider of a connector, with its options."""

    def make(connector: str, key: str = KEY, base_url: str | None = None, **options: Any) -> Any:
        found = CONNECTORS[connector]
        own = found.options(**options) if found.options else None
        settings = ProviderSettings("acme", Secret(key), base_url=base_url, options=own)
        return found.create(settings)

    return make


@pytest.fixture
def play() -> Callable[..., tuple[list[HttpRequest], Any]]:
    """Drives a flow: sends it the given responses, gives back the requests it made and what it returned."""

    def play(
        flow: Generator[HttpRequest, HttpResponse, Any], *responses: HttpResponse
    ) -> tuple[list[HttpRequest], Any]:
        requests = [next(flow)]
        for response in responses:
            try:
                requests.append(flow.send(response))
            except StopIteration as stop:
                return requests, stop.value
        raise AssertionError(f"the flow wants more than {len(responses)} responses: {requests[-1]}")

    return play


@pytest.fixture
def answer() -> Callable[..., HttpResponse]:
    def answer(body: Any, status: int = 200, media_type: str = "application/json", **headers: str) -> HttpResponse:
        named = [("content-type", media_type), *((name.replace("_", "-"), value) for name, value in headers.items())]
        return HttpResponse(status, Headers(named), body if isinstance(body, bytes) else orjson.dumps(body))

    return answer


@pytest.fixture
def ask() -> Callable[..., ProviderCall]:
    def ask(operation: Operation, model: str = "m", unsupported: Any = "warn", **body: Any) -> ProviderCall:
        return ProviderCall(operation, model, {"model": "any", **body}, unsupported=unsupported)

    return ask
