"""The gateway's own description: it holds what is served, and what is served holds to it."""

import json
import re
import subprocess
import sys

import pytest
from meshes import config
from modelmesh_core.gateway.endpoints import ROUTES
from modelmesh_core.testing import answers

BASE = "https://a.test/v1"
KINDS = {
    "chat": "chat-completion",
    "embed": "text-embeddings",
    "moderate": "content-moderation",
    "rank": "reranking",
    "speak": "text-to-speech",
    "hear": "speech-to-text",
    "draw": "text-to-image",
    "edit": "image-to-image",
}


def answer(request):
    """A faithful server of the dialect: whatever it is asked has its answer."""
    path = request.url.removeprefix(BASE)
    if path.startswith("/chat/completions") and request.method == "POST":
        return answers.stream("Hello") if request.stream else answers.chat("Hello")
    bodies = {
        "/embeddings": {"data": [{"index": 0, "embedding": [0.5], "object": "embedding"}], "object": "list"},
        "/moderations": {"id": "m", "model": "m", "results": [{"flagged": False}]},
        "/rerank": {"results": [{"index": 0, "relevance_score": 0.5}]},
        "/images": {"created": 1, "data": [{"b64_json": "AA=="}]},
        "/audio/transcriptions": {"text": "hello"},
        "/audio/translations": {"text": "hello"},
        "/completions": {"choices": [{"text": "x", "finish_reason": "stop", "index": 0}]},
    }
    if path.startswith("/audio/speech"):
        return answers.Answer(200, b"ID3", {"content-type": "audio/mpeg"})
    for start, body in bodies.items():
        if path.startswith(start):
            return answers.Answer(200, json.dumps(body).encode(), {"content-type": "application/json"})
    return answers.error(404, "no such object")


@pytest.fixture
def gateway(serve, upstream):
    upstream.script(BASE, answer)
    known = config("a.chat")
    for name, capability in KINDS.items():
        known["models"][f"a.{name}"] = {"provider": "a", "capabilities": [capability]}
    del known["pools"]
    return serve(known)


def test_it_holds_exactly_what_is_served(client, gateway):
    document = client().get("/openapi.json").json()
    described = {
        (method.upper(), path)
        for path, methods in document["paths"].items()
        for method in methods
        if method != "parameters" and not path.startswith("/health")
    }
    assert described == {(m, path.replace("{*", "{")) for m, path in ROUTES if path != "/openapi.json"}


def test_it_follows_what_is_switched_off_and_who_may_come(client):
    asked = client(config("a.one", proxy={"endpoints": ["/v1/embeddings"], "auth": {"tokens": ["first-token"]}}))
    assert asked.get("/openapi.json").status_code == 401
    document = asked.get("/openapi.json", headers={"x-api-key": "first-token"}).json()
    assert [path for path in document["paths"] if not path.startswith("/health")] == ["/v1/embeddings"]
    assert {"bearer": []} in document["security"]


def test_what_is_served_holds_to_it_whatever_is_sent(gateway, tmp_path):
    """Thousands of requests, right and wrong ones, made from the document itself."""
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{gateway.url}/openapi.json"),
        *("--max-examples", "25", "--seed", "7", "--no-color", "--suppress-health-check", "all"),
        *("--checks", "not_a_server_error,status_code_conformance,content_type_conformance"),
        *("--checks", "response_schema_conformance,unsupported_method"),
        *("--exclude-path", "/v1/search"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=180, check=False)
    assert done.returncode == 0, done.stdout[-6000:]
    generated, passed = map(int, re.findall(r"(\d+) generated, (\d+) passed", done.stdout)[0])
    assert generated == passed > 1000
