"""AWS Secrets Manager: against MiniStack over real sockets, and against scripted answers for what it cannot do."""

import base64
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from loopback import Loopback, reply
from modelmesh_aws.secrets_manager import SecretsManagerOptions, SecretsManagerStore
from modelmesh_core import ConnectorError, ModelMeshError, Secret
from modelmesh_core.testing import FakeClock, SecretStoreConformance

KEYS = {"access_key_id": Secret("AKIDEXAMPLE"), "secret_access_key": Secret("s3cr3t-access-5EC4E7")}


@pytest.fixture(scope="module")
def ministack(tmp_path_factory):
    """The address of an emulator of AWS."""
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
    deadline = time.monotonic() + 60
    try:
        while True:
            try:
                with urlopen(f"{url}/_ministack/health", timeout=2):
                    break
            except (URLError, OSError):
                assert server.poll() is None and time.monotonic() < deadline, "MiniStack did not start"
                time.sleep(0.1)
        yield url
    finally:
        server.terminate()
        server.wait(20)


def store_at(url, *, clock=None, environ=None, **options):
    own = {**KEYS, "region": "eu-west-1", "endpoint_url": url, **options}
    return SecretsManagerStore(SecretsManagerOptions(**own), environ=environ or {}, clock=clock)


class TestConformance(SecretStoreConformance):
    @pytest.fixture(autouse=True)
    def _server(self, ministack):
        self.url = ministack

    def make(self, folder: Path, values):
        prefix = "".join(letter if letter.isalnum() else "-" for letter in str(folder)) + "/"
        return store_at(self.url, prefix=prefix)


async def test_a_deleted_secret_is_gone_and_can_be_set_again(ministack):
    store = store_at(ministack, prefix="deleted/")
    await store.set("KEY", Secret("first"))
    assert await store.delete("KEY")
    assert await store.get("KEY") is None and list(await store.list()) == []
    assert not await store.delete("KEY")
    await store.set("KEY", Secret("second"))
    assert (await store.get("KEY")).reveal() == "second"
    await store.close()


async def test_a_list_of_many_pages_is_whole(ministack):
    store = store_at(ministack, prefix="many/")
    for number in range(105):
        await store.set(f"KEY_{number:03}", Secret("x"))
    assert list(await store.list()) == [f"KEY_{number:03}" for number in range(105)]
    await store.close()


# --- scripted --------------------------------------------------------------------------------------------------------


def scripted(*answers):
    """A server that gives these answers in turn, and then the last one again."""
    left = list(answers)

    async def behave(exchange):
        await exchange.send(left.pop(0) if len(left) > 1 else left[0])

    return Loopback(behave)


def said(status, **body):
    return reply(json.dumps(body).encode(), status=status, head="content-type: application/x-amz-json-1.1")


async def test_the_request_is_signed_for_the_service_and_its_region():
    async with scripted(said("200 OK", SecretString="value")) as server:
        store = store_at(server.url(), session_token=Secret("token-1"), prefix="mesh/")
        assert (await store.get("OPENAI_API_KEY")).reveal() == "value"
        await store.close()
    (request,) = server.requests
    assert request.headers["x-amz-target"] == "secretsmanager.GetSecretValue"
    assert json.loads(request.body) == {"SecretId": "mesh/OPENAI_API_KEY"}
    assert "/eu-west-1/secretsmanager/aws4_request" in request.headers["authorization"]
    assert request.headers["x-amz-security-token"] == "token-1"


async def test_a_binary_secret_that_is_text_is_read():
    encoded = base64.b64encode("schlüssel".encode()).decode()
    async with scripted(said("200 OK", SecretBinary=encoded)) as server:
        store = store_at(server.url())
        assert (await store.get("KEY")).reveal() == "schlüssel"
        await store.close()


@pytest.mark.parametrize("status", ["400 Bad Request", "403 Forbidden"])
async def test_a_refusal_says_what_and_never_shows_a_credential(status):
    message = "The security token s3cr3t-access-5EC4E7 of AKIDEXAMPLE is invalid"
    async with scripted(said(status, __type="x#UnrecognizedClientException", message=message)) as server:
        store = store_at(server.url())
        with pytest.raises(ModelMeshError, match="could not give KEY: HTTP 4") as caught:
            await store.get("KEY")
        await store.close()
    shown = str(caught.value)
    assert "UnrecognizedClientException" in shown and "secretsmanager" in shown
    assert "5EC4E7" not in shown and "AKIDEXAMPLE" not in shown
    assert len(server.requests) == 1, "what was refused is not asked again"


async def test_what_passes_is_tried_again_and_given_up_after_three():
    throttled = said("429 Too Many Requests", __type="ThrottlingException", message="Rate exceeded")
    clock = FakeClock()
    async with scripted(throttled, throttled, said("200 OK", SecretString="value")) as server:
        store = store_at(server.url(), clock=clock)
        assert (await store.get("KEY")).reveal() == "value"
        await store.close()
    assert clock.slept == [0.25, 0.5]
    async with scripted(throttled) as server:
        store = store_at(server.url(), clock=FakeClock())
        with pytest.raises(ModelMeshError, match=r"HTTP 429: ThrottlingException: Rate exceeded"):
            await store.get("KEY")
        await store.close()
    assert len(server.requests) == 3


async def test_nobody_there_is_an_error_that_names_the_host():
    async with Loopback() as server:
        url = server.url()
    store = store_at(url, clock=FakeClock())
    with pytest.raises(ModelMeshError, match=r"could not give KEY: no answer from 127\.0\.0\.1: ConnectError"):
        await store.get("KEY")
    await store.close()


async def test_a_redirect_is_not_followed():
    away = reply(b"", status="302 Found", head="location: http://127.0.0.1:1/elsewhere")
    async with scripted(away) as server:
        store = store_at(server.url())
        with pytest.raises(ModelMeshError, match="HTTP 302"):
            await store.get("KEY")
        await store.close()


async def test_an_answer_that_is_no_object_is_not_quoted():
    async with scripted(reply(b'"sk-5EC4E7"', head="content-type: text/html")) as server:
        store = store_at(server.url())
        with pytest.raises(ModelMeshError, match="without a JSON object") as caught:
            await store.get("KEY")
        await store.close()
    assert "5EC4E7" not in str(caught.value)


async def test_a_name_that_cannot_be_is_not_there_and_cannot_be_set():
    async with Loopback() as server:
        store = store_at(server.url())
        assert await store.get("a b") is None
        with pytest.raises(ModelMeshError, match="cannot hold a secret named 'a b'"):
            await store.set("a b", Secret("x"))
        await store.close()
    assert server.requests == []


# --- credentials -----------------------------------------------------------------------------------------------------


@pytest.fixture
def profiles(tmp_path):
    (tmp_path / "credentials").write_text("[work]\naws_access_key_id = AKWORK\naws_secret_access_key = work-secret\n")
    (tmp_path / "config").write_text("[profile work]\nregion = ap-south-1\n")
    return {
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
    }


async def signed_by(environ, **options):
    """The credential part of the signature, as the store is made from ``environ``."""
    async with scripted(said("200 OK", SecretString="value")) as server:
        store = SecretsManagerStore(SecretsManagerOptions(endpoint_url=server.url(), **options), environ=environ)
        await store.get("KEY")
        await store.close()
    return server.requests[0].headers["authorization"].split("Credential=")[1].split(",")[0]


async def test_variables_go_before_the_profile(profiles):
    variables = {"AWS_ACCESS_KEY_ID": "AKENV", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "us-east-2"}
    assert (await signed_by({**profiles, **variables})).startswith("AKENV/")
    by_profile = await signed_by({**profiles, "AWS_PROFILE": "work"})
    assert by_profile.startswith("AKWORK/") and "/ap-south-1/" in by_profile
    assert (await signed_by({**profiles, **variables}, profile="work")).startswith("AKWORK/")
    assert (await signed_by({**profiles, **variables}, **KEYS)).startswith("AKIDEXAMPLE/")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"region": "eu-west-1"}, "no credentials"),
        ({"region": "eu-west-1", "access_key_id": Secret("AK")}, "one half of an access key"),
        (KEYS, "needs a region"),
    ],
)
def test_a_store_that_cannot_work_is_refused_when_it_is_made(options, message, tmp_path):
    files = {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"), "AWS_CONFIG_FILE": str(tmp_path / "none")}
    with pytest.raises(ConnectorError, match=message):
        SecretsManagerStore(SecretsManagerOptions(**options), environ=files)


def test_days_that_aws_does_not_know_are_refused():
    with pytest.raises(ValueError, match="7 to 30 days"):
        SecretsManagerOptions(recovery_days=3)
