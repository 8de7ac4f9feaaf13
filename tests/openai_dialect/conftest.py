"""A provider to drive by hand, and the recorded exchanges."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from connectors import answer, play
from modelmesh_core import Headers, HttpResponse, Operation, ProviderCall, ProviderSettings, Secret
from modelmesh_core.openai_dialect import OpenAICompatible

__all__ = ["answer", "play"]

RECORDINGS = Path(__file__).parents[3] / "shared" / "recordings"
DIALECT = ("/chat/completions", "/embeddings")
OTHERS = ("/api/embeddings", "/organization/usage/embeddings")


@pytest.fixture
def provider() -> OpenAICompatible:
    return OpenAICompatible(ProviderSettings("acme", api_key=Secret("sk-test"), base_url="https://api.acme.example/v1"))


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
