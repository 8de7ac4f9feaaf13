"""A provider to drive by hand, and the recorded exchanges."""

import base64
import json
import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson
import pytest
from modelmesh_aws.options import BedrockOptions
from modelmesh_aws.provider import BedrockProvider
from modelmesh_core import Headers, HttpRequest, HttpResponse, Operation, ProviderCall, ProviderSettings, Secret

RECORDINGS = Path(__file__).parents[4] / "shared" / "recordings"
KEYS = {"access_key_id": Secret("AKIDEXAMPLE"), "secret_access_key": Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")}


@pytest.fixture
def make_provider() -> Callable[..., BedrockProvider]:
    def make(api_key: str | None = None, base_url: str | None = None, headers: Any = None, **options: Any):
        settings = ProviderSettings(
            "bedrock",
            Secret(api_key) if api_key else None,
            base_url=base_url,
            headers=headers or {},
            options=BedrockOptions(**(({} if api_key else KEYS) | {"region": "eu-west-1"} | options)),
        )
        return BedrockProvider(settings, now=lambda: 1_440_938_160.0)

    return make


@pytest.fixture
def provider(make_provider: Callable[..., BedrockProvider]) -> BedrockProvider:
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
    def answer(body: Any, status: int = 200, **headers: str) -> HttpResponse:
        named = [("content-type", "application/json"), ("x-amzn-requestid", "req-1")]
        named += [(name.replace("_", "-"), value) for name, value in headers.items()]
        return HttpResponse(status, Headers(named), body if isinstance(body, bytes) else orjson.dumps(body), 5.0)

    return answer


@pytest.fixture
def make_call() -> Callable[..., ProviderCall]:
    def make_call(
        model: str = "anthropic.claude-sonnet-4-5-20250929-v1:0",
        stream: bool = False,
        features: tuple[str, ...] = (),
        prefill: str | None = None,
        unsupported: Any = "warn",
        max_output_tokens: int | None = None,
        operation: Operation = Operation.CHAT,
        **body: Any,
    ) -> ProviderCall:
        if operation is Operation.CHAT:
            body = {"messages": [{"role": "user", "content": "Hi"}], **body}
        call = ProviderCall(operation, model, {"model": "pool", **body}, stream=stream, features=frozenset(features))
        call.prefill, call.unsupported, call.max_output_tokens = prefill, unsupported, max_output_tokens
        call.request_id = "own-id"
        return call

    return make_call


@pytest.fixture
def sent(provider: BedrockProvider, make_call: Callable[..., ProviderCall]) -> Callable[..., dict[str, Any]]:
    """The JSON that a call with this body sends."""
    return lambda **body: orjson.loads(next(provider.execute(make_call(**body))).body or b"")


@pytest.fixture
def dropped(provider: BedrockProvider, make_call: Callable[..., ProviderCall]) -> Callable[..., Any]:
    """What a body loses on its way, and what is left of it."""

    def dropped(**body: Any) -> tuple[list[str], dict[str, Any]]:
        call = make_call(**body)
        request = next(provider.execute(call))
        return call.dropped, orjson.loads(request.body or b"")

    return dropped


class Recording:
    """One recorded exchange."""

    def __init__(self, row: dict[str, Any]) -> None:
        self.id: str = row["id"]
        self.kind: str = row["kind"]
        self.stream: bool = row["stream"]
        request, response = row["request"] or {}, row["response"]
        self.path = urlsplit(request.get("url") or "").path
        self.model = unquote(self.path.split("/")[2]) if self.path.startswith("/model/") else ""
        body = request.get("body")
        self.request: dict[str, Any] = json.loads(body) if isinstance(body, str) and body else body or {}
        self.status: int = response.get("status") or 200
        self.headers = Headers((name, str(value)) for name, value in (response.get("headers") or {}).items())
        own, text = response.get("body_base64"), response.get("body")
        self.body = base64.b64decode(own) if own else (text if isinstance(text, str) else json.dumps(text)).encode()

    @property
    def response(self) -> HttpResponse:
        whole = b"" if self.stream and self.status == 200 else self.body
        return HttpResponse(self.status, self.headers, whole)


@pytest.fixture(scope="session")
def recordings() -> list[Recording]:
    """Every recorded exchange with Bedrock."""
    file = RECORDINGS / "bedrock.jsonl"
    if not file.is_file():
        if os.environ.get("CI"):
            raise AssertionError("the recorded exchanges are not in ../shared/recordings")
        pytest.skip("needs the recorded exchanges in ../shared/recordings, which are not here")
    return [Recording(json.loads(line)) for line in file.open(encoding="utf-8")]


@pytest.fixture
def chats(recordings: list[Recording]) -> list[Recording]:
    """Those of Converse. Three more of kind chat are of another API, in OpenAI's dialect (bedrock-mantle)."""
    return [one for one in recordings if one.kind == "chat" and one.model]


@pytest.fixture
def replies(chats: list[Recording]) -> list[Recording]:
    return [one for one in chats if not one.stream and one.status == 200]


@pytest.fixture
def streams(chats: list[Recording]) -> list[Recording]:
    return [one for one in chats if one.stream and one.status == 200]


@pytest.fixture
def message() -> Callable[..., bytes]:
    """One message of an event stream, by the format's definition."""
    from struct import pack
    from zlib import crc32

    def message(payload: Any = b"", **headers: str) -> bytes:
        data = payload if isinstance(payload, bytes) else orjson.dumps(payload)
        named = {f":{name.replace('_', '-')}": value for name, value in headers.items()}
        parts = [
            bytes([len(name)]) + name.encode() + b"\x07" + pack(">H", len(value.encode())) + value.encode()
            for name, value in named.items()
        ]
        head = b"".join(parts)
        prelude = pack(">II", 16 + len(head) + len(data), len(head))
        whole = prelude + pack(">I", crc32(prelude)) + head + data
        return whole + pack(">I", crc32(whole))

    return message


@pytest.fixture
def event(message: Callable[..., bytes]) -> Callable[[str, Any], bytes]:
    return lambda name, payload: message(payload, message_type="event", event_type=name)


@pytest.fixture
def open_stream(
    provider: BedrockProvider, make_call: Callable[..., ProviderCall], play: Callable[..., Any]
) -> Callable[..., Any]:
    """The decoder of a streamed call's answer."""

    def open_stream(**body: Any) -> Any:
        head = Headers([("content-type", "application/vnd.amazon.eventstream"), ("x-amzn-requestid", "req-1")])
        return play(provider.execute(make_call(stream=True, **body)), HttpResponse(200, head, b"", 5.0))[1]

    return open_stream
