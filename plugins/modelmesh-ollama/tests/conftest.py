"""A provider to drive by hand, and the recorded exchanges."""

import json
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from connectors import Recording, answer, recorded_rows
from modelmesh_core import Operation, ProviderCall, ProviderSettings, Secret
from modelmesh_core.testing import play as play_flow
from modelmesh_ollama.options import OllamaOptions
from modelmesh_ollama.provider import OllamaProvider

__all__ = ["answer"]


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

    return lambda flow, response: play_flow(flow, response)[1]


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


class OllamaRecording(Recording):
    """One recorded exchange with the native API."""

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.body.splitlines() if line.strip()]


@pytest.fixture(scope="session")
def recordings() -> list[OllamaRecording]:
    """Recorded exchanges of ``/api/chat`` and ``/api/embed``. Others speak the OpenAI shape, or older calls."""
    found = [OllamaRecording(row) for row in recorded_rows("ollama") if row["kind"] in ("chat", "embeddings")]
    return [one for one in found if b'"done_reason"' in one.body or b'"embeddings":' in one.body]
