"""Against a server that behaves as Key Vault's REST documentation says: logins, soft delete, pages, names."""

import json
import re
import ssl
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import trustme
from background_server import in_background
from loopback import Loopback, reply
from modelmesh_core import ConnectorError, ModelMeshError, Secret
from modelmesh_core.testing import FakeClock, SecretStoreConformance
from modelmesh_microsoft.options import KeyVaultOptions
from modelmesh_microsoft.store import KeyVaultSecretStore

PAGE = 2


class KeyVault(Loopback):
    """A vault, and the places where tokens for it come from."""

    def __init__(self, secrets=None, *, tls=None):
        super().__init__(self.answer, tls=tls)
        self.secrets = {} if secrets is None else secrets
        self.deleted = {}
        self.tokens = set()
        self.logins = []
        self.elsewhere = None
        self.troubles = []
        self.recovering = 0

    async def answer(self, exchange):
        parts = urlsplit(exchange.target)
        status, body = self.respond(exchange, parts, parse_qs(parts.query))
        await exchange.send(reply(json.dumps(body).encode(), status=status, head="content-type: application/json"))

    def respond(self, exchange, parts, query):
        if parts.path.endswith(("/oauth2/v2.0/token", "/identity")):
            return self.log_in(exchange, parts, query)
        if self.troubles:
            return self.troubles.pop(0), {"error": {"code": "Throttled", "message": "Too many requests"}}
        assert query["api-version"] == ["7.4"]
        shown = exchange.headers.get("authorization", "").removeprefix("Bearer ")
        if shown not in self.tokens:
            return "401 Unauthorized", {"error": {"code": "Unauthorized", "message": f"AKV10000: {shown} is no token"}}
        if parts.path == "/secrets":
            return self.page(int(query.get("$skiptoken", ["0"])[0]))
        found = re.fullmatch(r"/(secrets|deletedsecrets)/([0-9A-Za-z-]+)(/recover)?", parts.path)
        assert found is not None, f"Key Vault knows no {parts.path}"
        return self.one(exchange, found[1], found[2].lower())

    def log_in(self, exchange, parts, query):
        form = {name: value[0] for name, value in (parse_qs(exchange.body.decode()) or query).items()}
        self.logins.append((parts.path, form, exchange.headers))
        if form.get("client_secret") == "wrong-5EC4E7":
            message = "AADSTS7000215: Invalid client secret wrong-5EC4E7 provided."
            return "401 Unauthorized", {"error": "invalid_client", "error_description": message}
        token = f"token-{len(self.logins)}-5EC4E7"
        self.tokens.add(token)
        return "200 OK", {"access_token": token, "expires_in": 3600 if exchange.body else "3600"}

    def page(self, start):
        names = sorted(self.secrets)
        body = {"value": [{"id": f"{self.vault}/secrets/{name.upper()}"} for name in names[start : start + PAGE]]}
        more = start + PAGE < len(names)
        link = f"{self.elsewhere or self.vault}/secrets?api-version=7.4&$skiptoken={start + PAGE}"
        return "200 OK", {**body, "nextLink": link if more else None}

    def one(self, exchange, kind, name):
        if kind == "deletedsecrets":
            if name not in self.deleted:
                return "404 Not Found", {"error": {"code": "SecretNotFound", "message": "none"}}
            self.secrets[name], self.recovering = self.deleted.pop(name), 2
            return "200 OK", {}
        if exchange.method == "PUT":
            if name in self.deleted:
                return "409 Conflict", {"error": {"code": "Conflict", "message": "ObjectIsDeletedButRecoverable"}}
            self.secrets[name] = json.loads(exchange.body)["value"]
            return "200 OK", {"value": self.secrets[name]}
        self.recovering = max(0, self.recovering - 1)
        if name not in self.secrets or self.recovering:
            return "404 Not Found", {"error": {"code": "SecretNotFound", "message": "none"}}
        if exchange.method == "DELETE":
            self.deleted[name] = self.secrets.pop(name)
            return "200 OK", {}
        return "200 OK", {"value": self.secrets[name], "id": "x"}

    @property
    def vault(self):
        return self.url("").rstrip("/")

    def store(self, *, clock=None, environ=None, **options):
        own = {"vault_url": self.vault, "authority": self.vault, "identity_endpoint": f"{self.vault}/identity"}
        return KeyVaultSecretStore(KeyVaultOptions(**own | options), environ=environ or {}, clock=clock or FakeClock())


APPLICATION = {"tenant_id": "tenant-1", "client_id": "client-1", "client_secret": Secret("application-5EC4E7")}


class TestConformance(SecretStoreConformance):
    @pytest.fixture(autouse=True)
    def _server(self):
        with in_background(KeyVault()) as self.vault:
            yield

    def make(self, folder: Path, values):
        return self.vault.store()


# --- names -----------------------------------------------------------------------------------------------------------


async def test_an_underscore_is_a_hyphen_in_the_vault_and_comes_back():
    async with KeyVault() as vault:
        store = vault.store()
        await store.set("OPENAI_API_KEY", Secret("sk-1"))
        assert list(vault.secrets) == ["openai-api-key"]
        assert (await store.get("OPENAI_API_KEY")).reveal() == "sk-1"
        assert list(await store.list()) == ["OPENAI_API_KEY"]
        await store.close()
    assert any("/secrets/OPENAI-API-KEY?" in request.target for request in vault.requests)


@pytest.mark.parametrize("name", ["a.b", "a/b", "x" * 128, "schlüssel"])
async def test_a_name_that_cannot_be_is_not_there_and_cannot_be_set(name):
    async with KeyVault() as vault:
        store = vault.store()
        assert await store.get(name) is None
        assert not await store.delete(name)
        with pytest.raises(ModelMeshError, match="cannot hold a secret named"):
            await store.set(name, Secret("x"))
        await store.close()
    assert vault.requests == []


async def test_a_deleted_secret_is_had_back_before_it_is_set_anew():
    async with KeyVault() as vault:
        store = vault.store()
        await store.set("KEY", Secret("first"))
        assert await store.delete("KEY")
        await store.set("KEY", Secret("second"))
        assert (await store.get("KEY")).reveal() == "second"
        await store.close()


async def test_every_page_is_read_and_only_of_this_vault():
    names = {f"key-{number}": "x" for number in range(5)}
    async with KeyVault(names) as vault:
        store = vault.store()
        assert list(await store.list()) == [f"KEY_{number}" for number in range(5)]
        vault.elsewhere = "https://elsewhere.test"
        with pytest.raises(ModelMeshError, match="another host, which is not asked"):
            await store.list()
        await store.close()


# --- logins ----------------------------------------------------------------------------------------------------------


async def test_an_application_logs_in_with_its_secret_and_keeps_the_token_until_its_end():
    clock = FakeClock()
    async with KeyVault({"key": "x"}) as vault:
        store = vault.store(**APPLICATION, clock=clock)
        for _ in range(3):
            await store.get("KEY")
        assert len(vault.logins) == 1
        path, form, _ = vault.logins[0]
        assert path == "/tenant-1/oauth2/v2.0/token"
        assert form == {
            "grant_type": "client_credentials",
            "client_id": "client-1",
            "client_secret": "application-5EC4E7",
            "scope": "https://vault.azure.net/.default",
        }
        clock.advance(3500)
        await store.get("KEY")
        assert len(vault.logins) == 2
        await store.close()


async def test_a_workload_identity_shows_the_token_in_its_file(tmp_path):
    (tmp_path / "token").write_text("federated-1\n")
    environ = {
        "AZURE_TENANT_ID": "tenant-1",
        "AZURE_CLIENT_ID": "client-1",
        "AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "token"),
    }
    async with KeyVault() as vault:
        store = vault.store(environ=environ)
        await store.get("KEY")
        assert vault.logins[0][1]["client_assertion"] == "federated-1"
        await store.close()


async def test_a_managed_identity_of_a_machine_and_of_a_service():
    async with KeyVault() as vault:
        store = vault.store(client_id="user-1")
        await store.get("KEY")
        path, query, headers = vault.logins[0]
        assert (path, headers["metadata"]) == ("/identity", "true")
        assert query["resource"] == "https://vault.azure.net" and query["client_id"] == "user-1"
        await store.close()
        environ = {"IDENTITY_ENDPOINT": f"{vault.vault}/identity", "IDENTITY_HEADER": "header-1"}
        store = vault.store(environ=environ, identity_endpoint=None)
        await store.get("KEY")
        assert vault.logins[1][2]["x-identity-header"] == "header-1"
        assert vault.logins[1][1]["api-version"] == "2019-08-01"
        await store.close()


async def test_a_token_that_the_vault_refuses_is_replaced_once():
    async with KeyVault({"key": "x"}) as vault:
        store = vault.store(**APPLICATION)
        await store.get("KEY")
        vault.tokens.clear()
        assert (await store.get("KEY")).reveal() == "x"
        assert len(vault.logins) == 2
        await store.close()


async def test_a_given_token_that_is_refused_is_an_error_that_does_not_show_it():
    async with KeyVault() as vault:
        store = vault.store(access_token=Secret("given-5EC4E7"))
        with pytest.raises(ModelMeshError, match="could not give KEY: HTTP 401: AKV10000") as caught:
            await store.get("KEY")
        await store.close()
    assert "5EC4E7" not in str(caught.value)
    assert (len(vault.requests), vault.logins) == (1, [])


async def test_a_login_that_is_refused_says_so_without_the_secret():
    async with KeyVault() as vault:
        store = vault.store(**{**APPLICATION, "client_secret": Secret("wrong-5EC4E7")})
        with pytest.raises(
            ModelMeshError, match="could not log in by client-secret: HTTP 401: AADSTS7000215"
        ) as caught:
            await store.get("KEY")
        await store.close()
    assert "5EC4E7" not in str(caught.value)


async def test_a_throttled_vault_is_asked_again():
    clock = FakeClock()
    async with KeyVault({"key": "x"}) as vault:
        vault.troubles = ["429 Too Many Requests", "503 Service Unavailable"]
        store = vault.store(clock=clock)
        assert (await store.get("KEY")).reveal() == "x"
        await store.close()
    assert clock.slept == [0.25, 0.5]


async def test_a_certificate_that_nobody_vouches_for_is_refused_and_ca_file_can_vouch(tmp_path):
    authority = trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(tls)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    async with KeyVault({"key": "x"}, tls=tls) as vault:
        store = vault.store()
        with pytest.raises(ModelMeshError, match="certificate verify failed"):
            await store.get("KEY")
        await store.close()
        store = vault.store(ca_file=str(tmp_path / "ca.pem"))
        assert (await store.get("KEY")).reveal() == "x"
        await store.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "needs vault_url"),
        ({"vault_url": "ftp://x"}, "needs vault_url, and found 'ftp://x'"),
        ({"vault_url": "myvault", "login": "client-secret"}, "no tenant_id and no client_id and no client_secret"),
    ],
)
def test_a_store_that_cannot_work_is_refused_when_it_is_made(options, message):
    with pytest.raises(ConnectorError, match=message):
        KeyVaultSecretStore(KeyVaultOptions(**options), environ={})
