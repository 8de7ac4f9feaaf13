"""Providers to drive by hand, and the recorded exchanges with Google."""

import json
from functools import partial

import pytest
from connectors import Recording, play, recorded_rows, response
from modelmesh_core import Headers, HttpResponse, Operation, ProviderCall, ProviderSettings, Secret
from modelmesh_google.options import VertexOptions
from modelmesh_google.provider import GeminiProvider, VertexProvider

__all__ = ["play"]

BASE = "https://generativelanguage.googleapis.com/v1beta"
KEY = "AIzaSyTestTestTestTest"


@pytest.fixture
def gemini():
    return GeminiProvider(ProviderSettings("google", api_key=Secret(KEY), base_url=BASE))


@pytest.fixture
def vertex():
    options = VertexOptions(project="acme-1", location="europe-west4")
    return VertexProvider(ProviderSettings("vertex", api_key=Secret("ya29.token"), options=options))


@pytest.fixture
def answer():
    return partial(response, media_type="application/json; charset=UTF-8", now=1e9)


@pytest.fixture
def chat():
    def chat(upstream_model="gemini-2.5-flash", stream=False, operation=Operation.CHAT, unsupported="warn", **body):
        if operation is Operation.CHAT:
            body = {"messages": [{"role": "user", "content": "Hi"}], **body}
        return ProviderCall(operation, upstream_model, {"model": "x", **body}, stream=stream, unsupported=unsupported)

    return chat


@pytest.fixture
def sent(gemini, play, answer, chat):
    """The JSON that is sent for a chat body, and the call with what was left out."""

    def sent(upstream_model="gemini-2.5-flash", provider=gemini, **body):
        call = chat(upstream_model, **body)
        said = {"candidates": [{"content": {"parts": [{"text": "ok"}]}, "finishReason": "STOP"}]}
        requests, _ = play(provider.execute(call), answer(said))
        return json.loads(requests[0].body), call

    return sent


class GoogleRecording(Recording):
    """One recorded exchange. Bodies of foreign test suites stand without a request, a status and headers."""

    def __init__(self, row):
        super().__init__(row)
        self.data = row
        self.request = row.get("request") or {}
        if not self.headers:
            self.headers = Headers([("content-type", "text/event-stream" if self.stream else "application/json")])
        if row["format"] == "vercel-chunks":  # the payloads alone, a line each
            self.body = b"".join(b"data: " + line + b"\r\n\r\n" for line in self.body.split(b"\n") if line)

    @property
    def sent(self):
        body = self.request.get("body")
        return json.loads(body) if isinstance(body, str) and body else body

    @property
    def response(self):
        return HttpResponse(self.status, self.headers, self.body, 1e9)

    @property
    def payloads(self):
        """The JSON objects of the answer, by the plainest reading there is."""
        if not self.stream:
            return [json.loads(self.body)]
        lines = self.body.decode().replace("\r\n", "\n").split("\n")
        return [json.loads(line[5:]) for line in lines if line.startswith("data:")]


@pytest.fixture(scope="session")
def recordings():
    return [GoogleRecording(row) for name in ("gemini", "vertex") for row in recorded_rows(name)]


@pytest.fixture(scope="session")
def chats(recordings):
    """Recorded calls of ``generateContent``. The Gemini API's OpenAI-shaped door is another connector's."""
    return [one for one in recordings if one.kind == "chat" and "/openai/" not in one.url]
