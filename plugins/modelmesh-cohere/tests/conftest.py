"""A provider to drive by hand, and the recorded exchanges."""

import base64
import json
import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import orjson
import pytest
from modelmesh_cohere import CohereOptions
from modelmesh_cohere.provider import CohereProvider
from modelmesh_core import Headers, HttpRequest, HttpResponse, Operation, ProviderCall, ProviderSettings, Secret

RECORDINGS = Path(__file__).parents[4] / "shared" / "recordings"
OPERATIONS = {
    "chat": Operation.CHAT,
    "embeddings": Operation.EMBEDDINGS,
    "rerank": Operation.RERANK,
    "audio": Operation.TRANSCRIPTION,
}


@pytest.fixture
def make_provider() -> Callable[..., CohereProvider]:
    def make(base_url: str | None = None, headers: dict[str, Any] | None = None, **options: Any) -> CohereProvider:
        own = CohereOptions(**options)
        return CohereProvider(
            ProviderSettings("cohere", Secret("co-secret"), base_url=base_url, headers=headers or {}, options=own)
        )

    return make


@pytest.fixture
def provider(make_provider: Callable[..., CohereProvider]) -> CohereProvider:
    return make_provider()


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
        raise AssertionError(f"the flow wants more than {len(responses)} responses")

    return play


@pytest.fixture
def answer() -> Callable[..., HttpResponse]:
    def answer(body: Any, status: int = 200, **headers: str) -> HttpResponse:
        named = [("content-type", "application/json")]
        named += [(name.replace("_", "-"), value) for name, value in headers.items()]
        return HttpResponse(status, Headers(named), body if isinstance(body, bytes) else orjson.dumps(body))

    return answer


@pytest.fixture
def make_call() -> Callable[..., ProviderCall]:
    def make(
        operation: Operation = Operation.CHAT,
        stream: bool = False,
        model: str = "command-a-03-2025",
        features: tuple[str, ...] = (),
        **body: Any,
    ) -> ProviderCall:
        if operation is Operation.CHAT:
            body = {"messages": [{"role": "user", "content": "Hi"}], **body}
        return ProviderCall(operation, model, {"model": "pool", **body}, stream=stream, features=frozenset(features))

    return make


@pytest.fixture
def sent(provider: CohereProvider, make_call: Callable[..., ProviderCall]) -> Callable[..., Any]:
    """The JSON that a call with this body sends, and what is left out on the way."""

    def sent(**body: Any) -> tuple[dict[str, Any], list[str]]:
        call = make_call(**body)
        return orjson.loads(next(provider.execute(call)).body or b""), call.dropped

    return sent


class Recording:
    """One recorded exchange with the v2 API."""

    def __init__(self, row: dict[str, Any]) -> None:
        self.id: str = row["id"]
        self.kind: str = row["kind"]
        self.stream: bool = row["stream"]
        self.url: str = row["request"].get("url") or ""
        body = row["request"].get("body")
        self.request: dict[str, Any] = json.loads(body) if isinstance(body, str) and body else body or {}
        response = row["response"]
        self.status: int = response.get("status") or 200
        self.headers = Headers((name, str(value)) for name, value in (response.get("headers") or {}).items())
        own, text = response.get("body_base64"), response.get("body")
        self.body = base64.b64decode(own) if own else (text if isinstance(text, str) else json.dumps(text)).encode()

    @property
    def is_v1(self) -> bool:
        return "/v1/" in self.url and self.status == 200

    @property
    def operation(self) -> Operation:
        return OPERATIONS[self.kind]

    @property
    def response(self) -> HttpResponse:
        return HttpResponse(self.status, self.headers, self.body)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of a streamed answer, by plain means."""
        lines = [line.removeprefix("data:").strip() for line in self.body.decode().splitlines()]
        return [json.loads(line) for line in lines if line.startswith("{")]

    @property
    def sse(self) -> bytes:
        """The streamed body, also for recordings that hold the events only."""
        if self.body.startswith(b"event:"):
            return self.body
        return b"".join(b"data: %b\n\n" % orjson.dumps(event) for event in self.events)


@pytest.fixture(scope="session")
def recordings() -> list[Recording]:
    """Recorded exchanges of chat, embeddings, rerank and transcription. v1's chat is another API."""
    if not RECORDINGS.is_dir():
        if os.environ.get("CI"):
            raise AssertionError("the recorded exchanges are not in ../shared/recordings")
        pytest.skip("needs the recorded exchanges in ../shared/recordings, which are not here")
    rows = map(json.loads, (RECORDINGS / "cohere.jsonl").open(encoding="utf-8"))
    found = [Recording(row) for row in rows if row["kind"] in OPERATIONS]
    return [one for one in found if not (one.kind == "chat" and one.is_v1)]
