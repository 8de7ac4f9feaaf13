"""A provider to drive by hand, and the recorded exchanges."""

import base64
import json
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import orjson
import pytest
from modelmesh_core import Headers, HttpRequest, HttpResponse, Operation, ProviderCall, ProviderSettings, Secret
from modelmesh_core.openai_dialect import OpenAICompatible

RECORDINGS = Path(__file__).parents[3] / "shared" / "recordings"
DIALECT = ("/chat/completions", "/embeddings")
OTHERS = ("/api/embeddings", "/organization/usage/embeddings")


@pytest.fixture
def provider() -> OpenAICompatible:
    return OpenAICompatible(ProviderSettings("acme", api_key=Secret("sk-test"), base_url="https://api.acme.example/v1"))


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
    def answer(body: Any, status: int = 200, now: float = 0.0, **headers: str) -> HttpResponse:
        named = [("content-type", "application/json")]
        named += [(name.replace("_", "-"), value) for name, value in headers.items()]
        return HttpResponse(status, Headers(named), body if isinstance(body, bytes) else orjson.dumps(body), now)

    return answer


@pytest.fixture
def chat() -> Callable[..., ProviderCall]:
    def chat(stream: bool = False, upstream_model: str = "acme-large", **body: Any) -> ProviderCall:
        body = {"model": "chat-completion", "messages": [{"role": "user", "content": "Hi"}], **body}
        return ProviderCall(Operation.CHAT, upstream_model, body, stream=stream)

    return chat


class Recording:
    """One recorded exchange with a server of this dialect."""

    def __init__(self, line: str) -> None:
        self.data = json.loads(line)
        request = self.data.get("request") or {}
        self.url: str = (request.get("url") or "").split("?")[0]
        self.stream: bool = self.data["stream"]
        response = self.data["response"]
        self.status: int | None = response.get("status")
        self.headers = Headers((name, str(value)) for name, value in (response.get("headers") or {}).items())
        own = response.get("body_base64")
        text = response.get("body")
        body = base64.b64decode(own) if own else text.encode() if isinstance(text, str) else json.dumps(text).encode()
        self.body: bytes = body

    @property
    def response(self) -> HttpResponse:
        assert self.status is not None
        return HttpResponse(self.status, self.headers, self.body)


@pytest.fixture(scope="session")
def recordings() -> list[Recording]:
    """Every recorded chat and embeddings exchange in the OpenAI dialect, of whatever server."""
    if not RECORDINGS.is_dir():
        pytest.skip("needs the recorded exchanges in ../shared/recordings, which are not here")
    lines = (line for path in sorted(RECORDINGS.glob("*.jsonl")) for line in path.open(encoding="utf-8"))
    found = [Recording(line) for line in lines if '"url"' in line]
    return [one for one in found if one.status and one.url.endswith(DIALECT) and not one.url.endswith(OTHERS)]
