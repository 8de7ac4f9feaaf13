"""A provider to drive by hand, and the recorded exchanges."""

import base64
import json
import os
import re
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import orjson
import pytest
from modelmesh_anthropic import AnthropicOptions
from modelmesh_anthropic.provider import AnthropicProvider
from modelmesh_core import (
    Dialect,
    Headers,
    HttpRequest,
    HttpResponse,
    Operation,
    ProviderCall,
    ProviderSettings,
    Secret,
)

RECORDINGS = Path(__file__).parents[4] / "shared" / "recordings"
KEY = "sk-ant-secret"
DAMAGED_REQUEST = "test_anthropic_web_fetch_tool.yaml#1"
"""Its recorded request holds an escape that no JSON has; its answer is sound."""
DAMAGED_STREAM = "test_anthropic_web_fetch_tool_stream.yaml#0"
"""One of its events holds such an escape: the start of the block with the fetched page."""
_FRAME = re.compile(rb'\{"bytes":"([A-Za-z0-9+/=]+)"')


@pytest.fixture
def make_provider() -> Callable[..., AnthropicProvider]:
    def make(headers: dict[str, Any] | None = None, base_url: str | None = None, **options: Any) -> AnthropicProvider:
        own = AnthropicOptions(**options)
        return AnthropicProvider(
            ProviderSettings("anthropic", Secret(KEY), base_url=base_url, headers=headers or {}, options=own)
        )

    return make


@pytest.fixture
def provider(make_provider: Callable[..., AnthropicProvider]) -> AnthropicProvider:
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
    def chat(
        stream: bool = False,
        model: str = "claude-sonnet-4-5",
        features: tuple[str, ...] = ("structured_output",),
        native: dict[str, Any] | None = None,
        prefill: str | None = None,
        unsupported: Any = "warn",
        max_output_tokens: int | None = 64_000,
        **body: Any,
    ) -> ProviderCall:
        body = {"model": "chat-completion", "messages": [{"role": "user", "content": "Hi"}], **body}
        call = ProviderCall(Operation.CHAT, model, body, stream=stream, features=frozenset(features))
        call.native, call.prefill, call.unsupported = native, prefill, unsupported
        call.max_output_tokens = max_output_tokens
        call.dialect = Dialect.OPENAI_CHAT if native is None else Dialect.ANTHROPIC_MESSAGES
        return call

    return chat


@pytest.fixture
def sent(provider: AnthropicProvider, chat: Callable[..., ProviderCall]) -> Callable[..., dict[str, Any]]:
    """The JSON that a call with this body sends."""

    def sent(**body: Any) -> dict[str, Any]:
        request = next(provider.execute(chat(**body)))
        assert request.body is not None
        return orjson.loads(request.body)

    return sent


@pytest.fixture
def dropped(provider: AnthropicProvider, chat: Callable[..., ProviderCall]) -> Callable[..., Any]:
    """What a body loses on its way, and what is left of it."""

    def dropped(**body: Any) -> tuple[list[str], dict[str, Any]]:
        call = chat(**body)
        return call.dropped, json.loads(next(provider.execute(call)).body or b"")

    return dropped


class Recording:
    """One recorded exchange in the Messages dialect."""

    def __init__(self, row: dict[str, Any]) -> None:
        self.id: str = row["id"]
        self.stream: bool = row["stream"]
        request, response = row["request"], row["response"]
        body = request.get("body")
        damaged = self.id.endswith(DAMAGED_REQUEST)
        text = isinstance(body, str) and body and not damaged
        self.request: dict[str, Any] = json.loads(body) if text else body if isinstance(body, dict) else {}
        self.status: int = response.get("status") or 200
        self.headers = Headers((name, str(value)) for name, value in (response.get("headers") or {}).items())
        own, text = response.get("body_base64"), response.get("body")
        self.body: bytes = (
            base64.b64decode(own) if own else text.encode() if isinstance(text, str) else json.dumps(text).encode()
        )

    @property
    def is_damaged(self) -> bool:
        return self.id.endswith(DAMAGED_STREAM)

    @property
    def response(self) -> HttpResponse:
        return HttpResponse(self.status, self.headers, self.body)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of a streamed answer, by plain means."""
        if frames := _FRAME.findall(self.body):
            return [json.loads(base64.b64decode(frame)) for frame in frames]
        lines = self.body.split(b"\n")
        named = [line[5:] for line in lines if line.startswith(b"data:")]
        sound = [
            line for line in named or lines if line.strip() and not (self.is_damaged and b"web_fetch_result" in line)
        ]
        return [json.loads(line) for line in sound]

    @property
    def sse(self) -> bytes:
        """The streamed body as server-sent events, for recordings that hold the events only."""
        if self.body.lstrip().startswith(b"event:"):
            return self.body
        return b"".join(b"event: %b\ndata: %b\n\n" % (e["type"].encode(), orjson.dumps(e)) for e in self.events)


@pytest.fixture(scope="session")
def recordings() -> list[Recording]:
    """Every recorded exchange of the Messages API, at Anthropic and at Amazon."""
    if not RECORDINGS.is_dir():
        if os.environ.get("CI"):
            raise AssertionError("the recorded exchanges are not in ../shared/recordings")
        pytest.skip("needs the recorded exchanges in ../shared/recordings, which are not here")
    found: list[Recording] = []
    for name in ("anthropic", "bedrock"):
        for line in (RECORDINGS / f"{name}.jsonl").open(encoding="utf-8"):
            row = json.loads(line)
            if name == "anthropic" and row["kind"] == "chat":
                found.append(Recording(row))
            elif row["kind"] == "invoke" and "anthropic.claude" in row["request"]["url"]:
                one = Recording(row)
                if "messages" in one.request:
                    found.append(one)
    return found


@pytest.fixture
def replies(recordings: list[Recording]) -> list[Recording]:
    return [one for one in recordings if not one.stream and one.status == 200]


@pytest.fixture
def streams(recordings: list[Recording]) -> list[Recording]:
    return [one for one in recordings if one.stream and one.status == 200]
