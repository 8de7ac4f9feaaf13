"""A provider to drive by hand, and the recorded exchanges."""

import json
import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import orjson
import pytest
from modelmesh_core import Headers, HttpRequest, HttpResponse, Operation, ProviderCall, ProviderSettings, Secret
from modelmesh_ollama.options import OllamaOptions
from modelmesh_ollama.provider import OllamaProvider

RECORDINGS = Path(__file__).parents[4] / "shared" / "recordings"


@pytest.fixture
def make_provider() -> Callable[..., OllamaProvider]:
    def make(base_url: str | None = None, key: str | None = "ol-secret", **options: Any) -> OllamaProvider:
        secret = Secret(key) if key else None
        own = OllamaOptions(**options)
        return OllamaProvider(ProviderSettings("ollama", secret, base_url, {"X-Team": "a"}, own))

    return make


@pytest.fixture
def provider(make_provider: Callable[..., OllamaProvider]) -> OllamaProvider:
    return make_provider()


@pytest.fixture
def play() -> Callable[..., Any]:
    """Drives a flow with one response: what it returns."""

    def play(flow: Generator[HttpRequest, HttpResponse, Any], response: HttpResponse) -> Any:
        next(flow)
        with pytest.raises(StopIteration) as stop:
            flow.send(response)
        return stop.value.value

    return play


@pytest.fixture
def answer() -> Callable[..., HttpResponse]:
    def answer(body: Any, status: int = 200) -> HttpResponse:
        head = Headers([("content-type", "application/json")])
        return HttpResponse(status, head, body if isinstance(body, bytes) else orjson.dumps(body))

    return answer


@pytest.fixture
def make_call() -> Callable[..., ProviderCall]:
    def make(
        operation: Operation = Operation.CHAT,
        stream: bool = False,
        model: str = "qwen3",
        features: tuple[str, ...] = (),
        prefill: str | None = None,
        **body: Any,
    ) -> ProviderCall:
        if operation is Operation.CHAT:
            body = {"messages": [{"role": "user", "content": "Hi"}], **body}
        call = ProviderCall(operation, model, {"model": "pool", **body}, stream=stream, features=frozenset(features))
        call.prefill = prefill
        return call

    return make


@pytest.fixture
def sent(provider: OllamaProvider, make_call: Callable[..., ProviderCall]) -> Callable[..., Any]:
    """The JSON that a call with this body sends, and what is left out on the way."""

    def sent(**body: Any) -> tuple[dict[str, Any], list[str]]:
        call = make_call(**body)
        return orjson.loads(next(provider.execute(call)).body or b""), call.dropped

    return sent


class Recording:
    """One recorded exchange with the native API."""

    def __init__(self, row: dict[str, Any]) -> None:
        self.id: str = row["id"]
        self.kind: str = row["kind"]
        body = row["request"].get("body")
        self.request: dict[str, Any] = json.loads(body) if isinstance(body, str) and body else body or {}
        text = row["response"]["body"]
        self.body: bytes = (text if isinstance(text, str) else json.dumps(text)).encode()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.body.splitlines() if line.strip()]


@pytest.fixture(scope="session")
def recordings() -> list[Recording]:
    """Recorded exchanges of ``/api/chat`` and ``/api/embed``. Others speak the OpenAI shape, or older calls."""
    if not RECORDINGS.is_dir():
        if os.environ.get("CI"):
            raise AssertionError("the recorded exchanges are not in ../shared/recordings")
        pytest.skip("needs the recorded exchanges in ../shared/recordings, which are not here")
    rows = map(json.loads, (RECORDINGS / "ollama.jsonl").open(encoding="utf-8"))
    found = [Recording(row) for row in rows if row["kind"] in ("chat", "embeddings")]
    return [one for one in found if b'"done_reason"' in one.body or b'"embeddings":' in one.body]
