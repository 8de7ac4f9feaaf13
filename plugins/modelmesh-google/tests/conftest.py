"""Providers to drive by hand, and the recorded exchanges with Google."""

import base64
import json
from pathlib import Path

import orjson
import pytest
from modelmesh_core import Headers, HttpResponse, Operation, ProviderCall, ProviderSettings, Secret
from modelmesh_google.options import VertexOptions
from modelmesh_google.provider import GeminiProvider, VertexProvider

RECORDINGS = Path(__file__).parents[4] / "shared" / "recordings"
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
def play():
    """Drives a flow: sends it the given responses, gives back the requests it made and what it returned."""

    def play(flow, *responses):
        requests = []
        try:
            requests.append(next(flow))
            for response in responses:
                requests.append(flow.send(response))
        except StopIteration as stop:
            return requests, stop.value
        raise AssertionError(f"the flow wants more than {len(responses)} responses: {requests[-1]}")

    return play


@pytest.fixture
def answer():
    def answer(body, status=200, media_type="application/json; charset=UTF-8", **headers):
        named = [("content-type", media_type), *((name.replace("_", "-"), value) for name, value in headers.items())]
        return HttpResponse(status, Headers(named), body if isinstance(body, bytes) else orjson.dumps(body), 1e9)

    return answer


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


class Recording:
    """One recorded exchange. Bodies of foreign test suites stand without a request, a status and headers."""

    def __init__(self, line):
        self.data = json.loads(line)
        self.id, self.kind, self.stream = (self.data[key] for key in ("id", "kind", "stream"))
        self.request = self.data.get("request") or {}
        self.url = self.request.get("url") or ""
        response = self.data["response"]
        self.status = response.get("status") or 200
        named = [(name, str(value)) for name, value in (response.get("headers") or {}).items()]
        if not named:
            named = [("content-type", "text/event-stream" if self.stream else "application/json")]
        self.headers = Headers(named)
        own, text = response.get("body_base64"), response.get("body")
        self.body = (
            base64.b64decode(own) if own else text.encode() if isinstance(text, str) else json.dumps(text).encode()
        )
        if self.data["format"] == "vercel-chunks":  # the payloads alone, a line each
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
    if not RECORDINGS.is_dir():
        pytest.skip("needs the recorded exchanges in ../shared/recordings, which are not here")
    found = []
    for name in ("gemini", "vertex"):
        with (RECORDINGS / f"{name}.jsonl").open(encoding="utf-8") as lines:
            found += [Recording(line) for line in lines]
    return found


@pytest.fixture(scope="session")
def chats(recordings):
    """Recorded calls of ``generateContent``. The Gemini API's OpenAI-shaped door is another connector's."""
    return [one for one in recordings if one.kind == "chat" and "/openai/" not in one.url]
