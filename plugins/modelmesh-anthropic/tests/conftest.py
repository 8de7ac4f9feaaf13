"""A provider to drive by hand, and the recorded exchanges."""

import base64
import json
import re
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from connectors import Recording, answer, play, recorded_rows
from modelmesh_anthropic import AnthropicOptions
from modelmesh_anthropic.provider import AnthropicProvider
from modelmesh_core import (
    Dialect,
    Operation,
    ProviderCall,
    ProviderSettings,
    Secret,
)

__all__ = ["answer", "play"]

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


class MessagesRecording(Recording):
    """One recorded exchange in the Messages dialect."""

    @property
    def is_damaged(self) -> bool:
        return self.id.endswith(DAMAGED_STREAM)

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
def recordings() -> list[MessagesRecording]:
    """Every recorded exchange of the Messages API, at Anthropic and at Amazon."""
    found: list[MessagesRecording] = []
    for name in ("anthropic", "bedrock"):
        for row in recorded_rows(name):
            if name == "anthropic" and row["kind"] == "chat":
                found.append(MessagesRecording(row))
            elif row["kind"] == "invoke" and "anthropic.claude" in row["request"]["url"]:
                one = MessagesRecording(row)
                if "messages" in one.request:
                    found.append(one)
    return found


@pytest.fixture
def replies(recordings: list[MessagesRecording]) -> list[MessagesRecording]:
    return [one for one in recordings if not one.stream and one.status == 200]


@pytest.fixture
def streams(recordings: list[MessagesRecording]) -> list[MessagesRecording]:
    return [one for one in recordings if one.stream and one.status == 200]
