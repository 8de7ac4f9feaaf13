"""Providers to drive by hand, and the recorded exchanges."""

import base64
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
from modelmesh_speech import provider_connectors

RECORDINGS = Path(__file__).parents[4] / "shared" / "recordings"
KEY = "key-that-nobody-may-see"
CONNECTORS = {connector.id: connector for connector in provider_connectors()}
WAVE = b"RIFF\x24\0\0\0WAVEfmt "


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
def say() -> Callable[..., ProviderCall]:
    def say(model: str = "voice-1", unsupported: Any = "warn", **body: Any) -> ProviderCall:
        body = {"model": "text-to-speech", "input": "Hello", **body}
        return ProviderCall(Operation.SPEECH, model, body, unsupported=unsupported)

    return say


@pytest.fixture
def hear() -> Callable[..., ProviderCall]:
    def hear(model: str = "ears-1", unsupported: Any = "warn", **body: Any) -> ProviderCall:
        body = {"model": "speech-to-text", "file": WAVE, "media_type": "audio/wav", **body}
        return ProviderCall(Operation.TRANSCRIPTION, model, body, unsupported=unsupported)

    return hear


class Recording:
    """One recorded exchange."""

    def __init__(self, row: dict[str, Any]) -> None:
        self.id: str = row["id"]
        self.url: str = row["request"]["url"]
        self.request: str = row["request"].get("body") or ""
        response = row["response"]
        own = response.get("body_base64")
        self.body: bytes = base64.b64decode(own) if own else response["body"].encode()
        headers = response["headers"] or {"content-type": "audio/mpeg" if own else "application/json"}
        self.response = HttpResponse(response["status"] or 200, Headers(headers.items()), self.body)
        self.is_sound = bool(own)


@pytest.fixture
def recordings() -> Callable[[str], list[Recording]]:
    def recordings(vendor: str) -> list[Recording]:
        if not RECORDINGS.is_dir():
            if os.environ.get("CI"):
                raise AssertionError("the recorded exchanges are not in ../shared/recordings")
            pytest.skip("needs the recorded exchanges in ../shared/recordings, which are not here")
        return [Recording(json.loads(line)) for line in (RECORDINGS / f"{vendor}.jsonl").open(encoding="utf-8")]

    return recordings
