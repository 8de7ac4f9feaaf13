"""Providers to drive by hand, and the recorded exchanges."""

import json
import os
from collections.abc import Callable, Generator
from pathlib import Path
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
from modelmesh_images import provider_connectors

RECORDINGS = Path(__file__).parents[4] / "shared" / "recordings"
KEY = "key-that-nobody-may-see"
CONNECTORS = {connector.id: connector for connector in provider_connectors()}
PNG = b"\x89PNG\r\n\x1a\n..."


@pytest.fixture
def make() -> Callable[..., Any]:
    """A provider of a connector, with its options."""

    def make(connector: str, base_url: str | None = None, headers: dict[str, str] | None = None, **options: Any) -> Any:
        found = CONNECTORS[connector]
        own = found.options(**options) if found.options else None
        settings = ProviderSettings("acme", Secret(KEY), base_url=base_url, headers=headers or {}, options=own)
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
def draw() -> Callable[..., ProviderCall]:
    def draw(model: str = "core", unsupported: Any = "warn", **body: Any) -> ProviderCall:
        body = {"model": "text-to-image", "prompt": "A cat", **body}
        return ProviderCall(Operation.IMAGES, model, body, unsupported=unsupported)

    return draw


class Recording:
    """One recorded exchange."""

    def __init__(self, row: dict[str, Any]) -> None:
        self.id: str = row["id"]
        self.url: str = row["request"]["url"]
        self.request: str = row["request"].get("body") or ""
        response = row["response"]
        self.body: bytes = response["body"].encode()
        self.response = HttpResponse(response["status"] or 200, Headers(response["headers"].items()), self.body)


@pytest.fixture
def recordings() -> Callable[[str], list[Recording]]:
    def recordings(vendor: str) -> list[Recording]:
        if not RECORDINGS.is_dir():
            if os.environ.get("CI"):
                raise AssertionError("the recorded exchanges are not in ../shared/recordings")
            pytest.skip("needs the recorded exchanges in ../shared/recordings, which are not here")
        return [Recording(json.loads(line)) for line in (RECORDINGS / f"{vendor}.jsonl").open(encoding="utf-8")]

    return recordings
