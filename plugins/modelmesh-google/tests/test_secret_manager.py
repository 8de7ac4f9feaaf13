"""Against a server that behaves as Secret Manager's REST documentation says, TLS and logins included."""

import base64
import json
import re
import ssl
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import trustme
from background_server import in_background
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from loopback import Loopback, reply
from modelmesh_core import ConnectorError, ModelMeshError, Secret
from modelmesh_core.testing import FakeClock, SecretStoreConformance
from modelmesh_google.secret_manager import SecretManagerOptions, SecretManagerStore

PAGE = 2
PARENT = "/v1/projects/mesh-1/secrets"


class SecretManager(Loopback):
    """Secret Manager, and the places where tokens for it come from."""

    def __init__(self, *, tls=None):
        super().__init__(self.answer, tls=tls)
        self.secrets = {}
        self.tokens = {"given-5EC4E7"}
        self.logins = []
        self.troubles = []

    async def answer(self, exchange):
        status, body = self.respond(exchange, urlsplit(exchange.target))
        await exchange.send(reply(json.dumps(body).encode(), status=status, head="content-type: application/json"))

    def respond(self, exchange, parts):
        if parts.path.endswith("/token"):
            return self.log_in(exchange)
        if self.troubles:
            return self.troubles.pop(0), error("RESOURCE_EXHAUSTED", "Quota exceeded")
        shown = exchange.headers.get("authorization", "").removeprefix("Bearer ")
        if shown not in self.tokens:
            return "401 Unauthorized", error("UNAUTHENTICATED", f"{shown} is no token")
        if not parts.path.startswith(PARENT):
            return "403 Forbidden", error("PERMISSION_DENIED", "Permission 'secretmanager.versions.access' denied")
        query = {name: value[0] for name, value in parse_qs(parts.query).items()}
        if parts.path == PARENT:
            return self.make(query, exchange) if exchange.method == "POST" else self.page(query)
        found = re.fullmatch(r"/([A-Za-z0-9_-]+)(/versions/latest:access|:addVersion)?", parts.path[len(PARENT) :])
        assert found is not None, f"Secret Manager knows no {parts.path}"
        return self.one(exchange, found[1], found[2])

    def log_in(self, exchange):
        self.logins.append(exchange)
        if b"refused" in exchange.body:
            return "400 Bad Request", {"error": "invalid_grant", "error_description": "Token has been revoked."}
        token = f"token-{len(self.logins)}-5EC4E7"
        self.tokens.add(token)
        return "200 OK", {"access_token": token, "expires_in": 3599, "token_type": "Bearer"}

    def make(self, query, exchange):
        assert json.loads(exchange.body) == {"replication": {"automatic": {}}}
        if query["secretId"] in self.secrets:
            return "409 Conflict", error("ALREADY_EXISTS", "it exists")
        self.secrets[query["secretId"]] = []
        return "200 OK", {}

    def page(self, query):
        start, names = int(query.get("pageToken", 0)), sorted(self.secrets)
        rows = [{"name": f"projects/123/secrets/{name}"} for name in names[start : start + PAGE]]
        more = {"nextPageToken": str(start + PAGE)} if start + PAGE < len(names) else {}
        return "200 OK", {**({"secrets": rows} if rows else {}), **more}

    def one(self, exchange, name, action):
        if name not in self.secrets:
            return "404 Not Found", error("NOT_FOUND", f"Secret [projects/123/secrets/{name}] not found.")
        if exchange.method == "DELETE":
            del self.secrets[name]
        elif action == ":addVersion":
            self.secrets[name].append(json.loads(exchange.body)["payload"]["data"])
        elif not self.secrets[name]:
            return "404 Not Found", error("NOT_FOUND", "it has no versions")
        else:
            return "200 OK", {"name": "x", "payload": {"data": self.secrets[name][-1], "dataCrc32c": "1"}}
        return "200 OK", {}

    def store(self, *, environ=None, clock=None, **options):
        own = {"project": "mesh-1", "access_token": Secret("given-5EC4E7"), "endpoint": self.url("").rstrip("/")}
        return SecretManagerStore(
            SecretManagerOptions(**own | options), environ=environ or {}, clock=clock or FakeClock()
        )


def error(status, message):
    return {"error": {"code": 400, "status": status, "message": message}}


class TestConformance(SecretStoreConformance):
    @pytest.fixture(autouse=True)
    def _server(self):
        with in_background(SecretManager()) as self.server:
            yield

    def make(self, folder: Path, values):
        return self.server.store()


async def test_setting_adds_a_version_and_the_newest_is_the_value():
    async with SecretManager() as server:
        store = server.store(prefix="mesh-")
        await store.set("KEY", Secret("first"))
        await store.set("KEY", Secret("second"))
        assert (await store.get("KEY")).reveal() == "second"
        assert [base64.b64decode(version) for version in server.secrets["mesh-KEY"]] == [b"first", b"second"]
        server.secrets["other"] = []
        assert list(await store.list()) == ["KEY"]
        await store.close()


async def test_a_secret_without_a_version_is_not_there():
    async with SecretManager() as server:
        server.secrets["KEY"] = []
        store = server.store()
        assert await store.get("KEY") is None
        await store.close()


async def test_every_page_is_read():
    async with SecretManager() as server:
        server.secrets = {f"KEY_{number}": [] for number in range(5)}
        store = server.store()
        assert list(await store.list()) == [f"KEY_{number}" for number in range(5)]
        await store.close()


@pytest.mark.parametrize("name", ["a.b", "a/b", "x" * 256, "schlüssel"])
async def test_a_name_that_cannot_be_is_not_there_and_cannot_be_set(name):
    async with SecretManager() as server:
        store = server.store()
        assert await store.get(name) is None and not await store.delete(name)
        with pytest.raises(ModelMeshError, match="cannot hold a secret named"):
            await store.set(name, Secret("x"))
        await store.close()
    assert server.requests == []


async def test_bytes_that_are_no_text_are_an_error_that_does_not_show_them():
    async with SecretManager() as server:
        server.secrets["KEY"] = [base64.b64encode(b"\xff5EC4E7").decode()]
        store = server.store()
        with pytest.raises(ModelMeshError, match="the value of KEY is no text") as caught:
            await store.get("KEY")
        assert "5EC4E7" not in str(caught.value)
        await store.close()


async def test_refusals_say_what_and_never_show_the_token():
    async with SecretManager() as server:
        store = server.store(project="another")
        with pytest.raises(ModelMeshError, match="could not give KEY: HTTP 403: Permission 'secretmanager"):
            await store.get("KEY")
        await store.close()
        server.tokens.clear()
        store = server.store()
        with pytest.raises(ModelMeshError, match=r"HTTP 401: \*\*\* is no token") as caught:
            await store.get("KEY")
        await store.close()
    assert "5EC4E7" not in str(caught.value)


async def test_what_passes_is_tried_again():
    clock = FakeClock()
    async with SecretManager() as server:
        server.secrets["KEY"] = [base64.b64encode(b"x").decode()]
        server.troubles = ["429 Too Many Requests", "503 Service Unavailable"]
        store = server.store(clock=clock)
        assert (await store.get("KEY")).reveal() == "x"
        await store.close()
    assert clock.slept == [0.25, 0.5]


# --- logins ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def secure(tmp_path):
    """A server over TLS, and the file of the authority that vouches for it: Google's logins are never in clear."""
    authority = trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(tls)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return SecretManager(tls=tls), str(tmp_path / "ca.pem")


def account(server, kind):
    if kind == "authorized_user":
        own = {"client_id": "id-1", "client_secret": "c-5EC4E7", "refresh_token": "r-5EC4E7"}
    else:
        key = rsa.generate_private_key(65537, 2048)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        own = {"client_email": "mesh@example.test", "private_key": pem, "project_id": "mesh-1"}
    return json.dumps({"type": kind, "token_uri": server.url("/token"), **own})


@pytest.mark.parametrize("kind", ["service_account", "authorized_user"])
async def test_an_account_logs_in_keeps_its_token_and_replaces_one_that_is_refused(kind, secure):
    server, ca_file = secure
    async with server:
        server.secrets["KEY"] = [base64.b64encode(b"x").decode()]
        given = Secret(account(server, kind))
        store = server.store(access_token=None, service_account=given, ca_file=ca_file)
        assert (await store.get("KEY")).reveal() == "x" and (await store.get("KEY")).reveal() == "x"
        assert len(server.logins) == 1
        server.tokens.clear()
        assert (await store.get("KEY")).reveal() == "x"
        assert len(server.logins) == 2
        await store.close()


async def test_the_account_of_the_environment_names_the_project(secure, tmp_path):
    server, ca_file = secure
    async with server:
        (tmp_path / "account.json").write_text(account(server, "service_account"))
        environ = {"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "account.json")}
        store = server.store(access_token=None, project=None, environ=environ, ca_file=ca_file)
        assert await store.get("KEY") is None
        await store.close()


async def test_the_file_of_gcloud_is_used(secure, tmp_path):
    server, ca_file = secure
    async with server:
        (tmp_path / "application_default_credentials.json").write_text(account(server, "authorized_user"))
        environ = {"CLOUDSDK_CONFIG": str(tmp_path)}
        store = server.store(access_token=None, environ=environ, ca_file=ca_file)
        assert await store.get("KEY") is None
        assert len(server.logins) == 1
        await store.close()


async def test_a_login_that_is_refused_says_so_without_a_secret(secure):
    server, ca_file = secure
    async with server:
        given = Secret(account(server, "authorized_user").replace("r-5EC4E7", "refused-5EC4E7"))
        store = server.store(access_token=None, service_account=given, ca_file=ca_file)
        with pytest.raises(ModelMeshError, match=r"could not log in: .*revoked") as caught:
            await store.get("KEY")
        assert "5EC4E7" not in str(caught.value)
        await store.close()


async def test_a_machine_of_google_logs_in_as_itself_and_again_before_its_token_ends():
    clock = FakeClock()
    async with SecretManager() as server:
        environ = {"GCE_METADATA_HOST": f"127.0.0.1:{server.port}"}
        store = server.store(access_token=None, environ=environ, clock=clock)
        for _ in range(2):
            assert await store.get("KEY") is None
        assert len(server.logins) == 1 and server.logins[0].headers["metadata-flavor"] == "Google"
        clock.advance(3500)
        await store.get("KEY")
        assert len(server.logins) == 2
        await store.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"access_token": Secret("x")}, "needs a project"),
        ({"project": "p", "service_account": Secret("/nowhere.json")}, "path of a readable file"),
        ({"project": "p", "service_account": Secret('{"type": "key"}')}, "expected the JSON of a service_account"),
    ],
)
def test_a_store_that_cannot_work_is_refused_when_it_is_made(options, message):
    with pytest.raises(ConnectorError, match=message):
        SecretManagerStore(SecretManagerOptions(**options), environ={})
