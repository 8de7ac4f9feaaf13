"""A provider to drive by hand, and the recorded exchanges."""

import json
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from connectors import Recording, answer, play, recorded_rows
from modelmesh_cohere import CohereOptions
from modelmesh_cohere.provider import CohereProvider
from modelmesh_core import Operation, ProviderCall, ProviderSettings, Secret

__all__ = ["answer", "play"]

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


class CohereRecording(Recording):
    """One recorded exchange with the v2 API."""

    @property
    def is_v1(self) -> bool:
        return "/v1/" in self.url and self.status == 200

    @property
    def operation(self) -> Operation:
        return OPERATIONS[self.kind]

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
def recordings() -> list[CohereRecording]:
    """Recorded exchanges of chat, embeddings, rerank and transcription. v1's chat is another API."""
    found = [CohereRecording(row) for row in recorded_rows("cohere") if row["kind"] in OPERATIONS]
    return [one for one in found if not (one.kind == "chat" and one.is_v1)]
