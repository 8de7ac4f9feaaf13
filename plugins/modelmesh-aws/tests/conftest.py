"""A provider to drive by hand, and the recorded exchanges."""

from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson
import pytest
from connectors import Recording, play, recorded_rows, response
from modelmesh_aws.options import BedrockOptions
from modelmesh_aws.provider import BedrockProvider
from modelmesh_core import Headers, HttpResponse, Operation, ProviderCall, ProviderSettings, Secret

__all__ = ["play"]

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
def answer() -> Callable[..., HttpResponse]:
    return partial(response, now=5.0, x_amzn_requestid="req-1")


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


class BedrockRecording(Recording):
    """One recorded exchange."""

    def __init__(self, row: dict[str, Any]) -> None:
        super().__init__(row)
        self.path = urlsplit(self.url).path
        self.model = unquote(self.path.split("/")[2]) if self.path.startswith("/model/") else ""

    @property
    def response(self) -> HttpResponse:
        whole = b"" if self.stream and self.status == 200 else self.body
        return HttpResponse(self.status, self.headers, whole)


@pytest.fixture(scope="session")
def recordings() -> list[BedrockRecording]:
    """Every recorded exchange with Bedrock."""
    return [BedrockRecording(row) for row in recorded_rows("bedrock")]


@pytest.fixture
def chats(recordings: list[BedrockRecording]) -> list[BedrockRecording]:
    """Those of Converse. Three more of kind chat are of another API, in OpenAI's dialect (bedrock-mantle)."""
    return [one for one in recordings if one.kind == "chat" and one.model]


@pytest.fixture
def replies(chats: list[BedrockRecording]) -> list[BedrockRecording]:
    return [one for one in chats if not one.stream and one.status == 200]


@pytest.fixture
def streams(chats: list[BedrockRecording]) -> list[BedrockRecording]:
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
