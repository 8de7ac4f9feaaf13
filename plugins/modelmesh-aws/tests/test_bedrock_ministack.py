"""Against MiniStack, an emulator of AWS: real sockets, real addresses, its own event streams.

It does not verify signatures; those are compared with botocore's in test_bedrock_signing.py.
"""

import os
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest
from modelmesh_core import Headers, HttpResponse, ModelMesh, ProviderError

pytestmark = pytest.mark.skipif(
    find_spec("ministack") is None, reason="needs the emulator of AWS: pip install ministack"
)
NOVA, CLAUDE = "bedrock.nova-lite", "bedrock.claude-haiku-4-5"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environ = {**os.environ, "GATEWAY_PORT": str(port), "HOME": str(tmp_path_factory.mktemp("ministack"))}
    server = subprocess.Popen(
        [sys.executable, "-m", "ministack"],
        env=environ,
        cwd=environ["HOME"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                with urlopen(f"{url}/_ministack/health", timeout=2):
                    break
            except (URLError, OSError):
                if server.poll() is not None or time.monotonic() > deadline:
                    pytest.fail("MiniStack did not start")
                time.sleep(0.1)
        yield url
    finally:
        server.terminate()
        server.wait(20)


@pytest.fixture
def client(address):
    keys = {"access_key_id": "test", "secret_access_key": "test-secret", "region": "us-east-1"}
    with ModelMesh({"providers": {"bedrock": {"connector": "aws.bedrock.v1", "base_url": address, **keys}}}) as mesh:
        yield mesh.get_client()


@pytest.mark.parametrize("model", [NOVA, CLAUDE])
def test_whole_answer(client, model):
    reply = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hi"}])
    assert reply.choices[0].message.content and reply.choices[0].finish_reason == "stop"
    assert reply.usage.prompt_tokens > 0 and reply.usage.completion_tokens > 0


@pytest.mark.parametrize("model", [NOVA, CLAUDE])
def test_stream(client, model):
    chunks = list(
        client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hi"}], stream=True)
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_error_in_the_emulators_words(address, make_provider, make_call):
    provider = make_provider(base_url=address, region="us-east-1")
    with pytest.raises(ProviderError) as caught:
        over_http(provider.execute(make_call(model="arn:aws:bedrock:us-east-1:1:nonsense/a:0")))
    failure = caught.value.failure
    assert (failure.code, failure.status, "modelId" in failure.message) == ("ValidationException", 400, True)


def test_models_are_listed(address, make_provider):
    models = over_http(make_provider(base_url=address, region="us-east-1").list_models())
    assert {"bedrock.amazon.nova-lite-v1:0", "bedrock.amazon.titan-embed-text-v2:0"} <= {model.id for model in models}


def over_http(flow):
    """Drives a flow over real HTTP."""
    request = next(flow)
    while True:
        own = Request(request.url, request.body, dict(request.headers), method=request.method)
        try:
            with urlopen(own, timeout=10) as answer:
                response = HttpResponse(answer.status, Headers(answer.headers.items()), answer.read())
        except HTTPError as error:
            response = HttpResponse(error.code, Headers(error.headers.items()), error.read())
        try:
            request = flow.send(response)
        except StopIteration as stop:
            return stop.value
