"""Providers to drive by hand, and the recorded exchanges."""

import json
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from connectors import answer, recorded_rows
from modelmesh_core import (
    HttpRequest,
    HttpResponse,
    Operation,
    Provider,
    ProviderCall,
    ProviderSettings,
    Secret,
)
from modelmesh_retrieval import provider_connectors

__all__ = ["answer"]

KEY = "key-secret"


@pytest.fixture(scope="session")
def make_provider() -> Callable[..., Provider]:
    connectors = {connector.id: connector for connector in provider_connectors()}

    def make(identity: str, base_url: str | None = None, headers: dict[str, Any] | None = None, **options: Any) -> Any:
        connector = connectors[identity]
        if identity.startswith("google"):
            options = {"cx": "engine", **options}
        own = connector.options(**options) if connector.options else None
        settings = ProviderSettings(identity.partition(".")[0], Secret(KEY), headers=headers or {}, options=own)
        return connector.create(attrs.evolve(settings, base_url=base_url or connector.default_base_url))

    return make


class Asked:
    """What a call sent, left out and was answered."""

    def __init__(self, call: ProviderCall) -> None:
        self.call = call
        self.requests: list[HttpRequest] = []
        self.reply: Any = None

    @property
    def sent(self) -> Any:
        return json.loads(self.requests[-1].body or b"null")


@pytest.fixture(scope="session")
def ask(make_provider: Callable[..., Any]) -> Callable[..., Asked]:
    """Drives a call with the given responses; without any, up to its first request."""

    def ask(identity: str, operation: Operation, *responses: HttpResponse, model: str = "m", **body: Any) -> Asked:
        asked = Asked(ProviderCall(operation, model, {"model": "pool", **body}))
        flow = make_provider(identity).execute(asked.call)
        asked.requests.append(next(flow))
        for response in responses:
            try:
                asked.requests.append(flow.send(response))
            except StopIteration as stop:
                asked.reply = stop.value
        return asked

    return ask


@pytest.fixture(scope="session")
def recordings() -> Callable[[str], list[dict[str, Any]]]:
    """The recorded exchanges with a vendor, their JSON decoded."""

    def recordings(vendor: str) -> list[dict[str, Any]]:
        rows = recorded_rows(vendor)
        for row in rows:
            for side in ("request", "response"):
                body = row[side].get("body")
                row[side]["body"] = json.loads(body) if isinstance(body, str) and body else body or {}
        return rows

    return recordings
