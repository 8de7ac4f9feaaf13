"""Providers of the family to drive by hand, and the recorded exchanges."""

import base64
import json
import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import orjson
import pytest
from modelmesh_core import Headers, HttpRequest, HttpResponse, Operation, ProviderCall, ProviderSettings, Secret
from modelmesh_openai_family import provider_connectors

RECORDINGS = Path(__file__).parents[4] / "shared" / "recordings"
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
    def answer(
        body: Any, status: int = 200, now: float = 0.0, kind: str = "application/json", **headers: str
    ) -> HttpResponse:
        named = [("content-type", kind), *((name.replace("_", "-"), value) for name, value in headers.items())]
        return HttpResponse(status, Headers(named), body if isinstance(body, bytes) else orjson.dumps(body), now)

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


class Recording:
    """One recorded exchange."""

    def __init__(self, file: str, row: dict[str, Any]) -> None:
        self.id, self.file, self.kind = row["id"], file, row["kind"]
        self.stream: bool = row["stream"]
        request, response = row["request"] or {}, row["response"]
        self.url: str = request.get("url") or ""
        body = request.get("body")
        is_json = isinstance(body, str) and body.startswith("{")
        self.request: dict[str, Any] = json.loads(body) if is_json else body if isinstance(body, dict) else {}
        self.status: int = response.get("status") or 200
        own, text = response.get("body_base64"), response.get("body")
        self.body: bytes = (
            base64.b64decode(own) if own else text.encode() if isinstance(text, str) else json.dumps(text).encode()
        )
        headers = response.get("headers") or {"content-type": "application/json"}
        self.headers = Headers((name, str(value)) for name, value in headers.items())

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
def recordings() -> list[Recording]:
    """Every recorded exchange with a vendor of the family that went over HTTP."""
    if not RECORDINGS.is_dir():
        if os.environ.get("CI"):
            raise AssertionError("the recorded exchanges are not in ../shared/recordings")
        pytest.skip("needs the recorded exchanges in ../shared/recordings, which are not here")
    found: list[Recording] = []
    for file in FILES:
        for line in (RECORDINGS / f"{file}.jsonl").open(encoding="utf-8"):
            row = json.loads(line)
            if not row["format"].startswith("non-http"):
                found.append(Recording(file, row))
    return found


@pytest.fixture(scope="session")
def chats(recordings: list[Recording]) -> list[Recording]:
    return [one for one in recordings if one.kind == "chat"]
