"""Providers of the family to drive by hand, and the recorded exchanges."""

import json
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from connectors import Recording, play, recorded_rows, response
from modelmesh_core import Headers, HttpResponse, Operation, ProviderCall, ProviderSettings, Secret
from modelmesh_openai_family import provider_connectors

__all__ = ["play"]

KEY = "key-of-a-test"
CONNECTORS = {connector.id: connector for connector in provider_connectors()}
FILES = {
    "mistral": "mistral.api.v1",
    "deepseek": "deepseek.api.v1",
    "groq": "groq.api.v1",
    "together": "together.api.v1",
    "xai": "xai.grok.v1",
    "openrouter": "openrouter.gateway.v1",
    "perplexity": "perplexity.search.v1",
    "cerebras": "cerebras.api.v1",
    "huggingface": "huggingface.inference.v1",
    "azure-openai": "azure.openai.v1",
    "azure-foundry": "azure.openai.v1",
    "moonshotai": "moonshot.api.v1",
    "zai": "zai.api.v1",
}


def make(identity: str, base_url: str | None = None, **options: Any) -> Any:
    connector = CONNECTORS[identity]
    if base_url is None and identity == "azure.openai.v1":
        base_url = "https://mine.openai.azure.com"
    if identity.startswith("cloudflare"):
        options.setdefault("account_id", "acc0unt")
    own = connector.options(**options) if connector.options else None
    address = base_url or connector.default_base_url
    return connector.create(ProviderSettings(identity.split(".", maxsplit=1)[0], Secret(KEY), address, options=own))


@pytest.fixture
def provider() -> Callable[..., Any]:
    return make


@pytest.fixture
def answer() -> Callable[..., HttpResponse]:
    def answer(body: Any, status: int = 200, now: float = 0.0, kind: str = "application/json", **headers: str):
        return response(body, status, kind, now, **headers)

    return answer


@pytest.fixture
def call() -> Callable[..., ProviderCall]:
    def call(
        operation: Operation = Operation.CHAT,
        stream: bool = False,
        upstream: str = "m",
        features: tuple[str, ...] = (),
        prefill: str | None = None,
        unsupported: Any = "warn",
        **body: Any,
    ) -> ProviderCall:
        if operation is Operation.CHAT:
            body.setdefault("messages", [{"role": "user", "content": "Hi"}])
        made = ProviderCall(
            operation, upstream, {"model": "asked", **body}, stream=stream, features=frozenset(features)
        )
        made.prefill, made.unsupported = prefill, unsupported
        return made

    return call


@pytest.fixture
def sent(call: Callable[..., ProviderCall]) -> Callable[..., dict[str, Any]]:
    """The JSON that a body becomes for a provider."""

    def sent(identity: str, **body: Any) -> dict[str, Any]:
        request = next(make(identity).execute(call(**body)))
        return orjson.loads(request.body)

    return sent


class FamilyRecording(Recording):
    """One recorded exchange."""

    def __init__(self, file: str, row: dict[str, Any]) -> None:
        super().__init__(row)
        self.file = file
        self.headers = self.headers or Headers([("content-type", "application/json")])

    @property
    def connector(self) -> str:
        return FILES[self.file]

    @property
    def response(self) -> HttpResponse:
        return HttpResponse(self.status, self.headers, self.body, 1_787_000_000.0)

    @property
    def is_json(self) -> bool:
        return self.body.lstrip()[:1] == b"{"

    @property
    def chunks(self) -> list[dict[str, Any]]:
        """The payloads of a stream, by plain means."""
        lines = [line.strip() for line in self.body.decode().replace("\r\n", "\n").split("\n")]
        named = [line.removeprefix("data:").strip() for line in lines if line.startswith(("data:", "{"))]
        return [json.loads(line) for line in named if line and line != "[DONE]"]

    @property
    def sse(self) -> bytes:
        """The streamed body as server-sent events, for recordings that hold the chunks only."""
        if b"data:" in self.body:
            return self.body
        return b"".join(b"data: %b\n\n" % orjson.dumps(chunk) for chunk in self.chunks)


@pytest.fixture(scope="session")
def recordings() -> list[FamilyRecording]:
    """Every recorded exchange with a vendor of the family that went over HTTP."""
    found: list[FamilyRecording] = []
    for file in FILES:
        found += [FamilyRecording(file, row) for row in recorded_rows(file) if not row["format"].startswith("non-http")]
    return found


@pytest.fixture(scope="session")
def chats(recordings: list[FamilyRecording]) -> list[FamilyRecording]:
    return [one for one in recordings if one.kind == "chat"]
