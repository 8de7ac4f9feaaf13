"""``google.drive.v1``: against a server that behaves as the Drive API's reference says, version 2's etags included."""

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import re
import ssl
import subprocess
import sys
import time
from email.utils import formatdate
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import attrs
import pytest
import trustme
from background_server import in_background
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from loopback import Loopback, Raw, reply
from modelmesh_core import Amounts, ConnectorError, LedgerBatch, Line, Look, Secret, Settle, StorageError
from modelmesh_core.testing import FakeClock, StorageConformance
from modelmesh_google.storage_drive import DriveOptions, DriveStorage, storage_connectors

PROCESS = Path(__file__).parents[3] / "tests" / "support" / "ledger_process.py"
ADDRESS = "MODELMESH_TEST_DRIVE"
FOLDER, TOKEN = "folder-1", "given-5EC4E7"
LINE = Line("model:acme|day", 1000, 1000, 1000, 0)


@attrs.define
class File:
    """A file, or the folder."""

    name: str
    content: bytes = b""
    mime: str = "application/octet-stream"
    parents: tuple[str, ...] = ()
    properties: dict[str, str] = attrs.Factory(dict)
    etag: int = 1
    modified: float = attrs.Factory(time.time)

    def change(self, **values):
        for name, value in values.items():
            setattr(self, name, value)
        self.etag, self.modified = self.etag + 1, time.time()


class RefusedError(Exception):
    """What is answered instead."""


class Drive(Loopback):
    """Google Drive, and the place where tokens for it come from."""

    def __init__(self, *, tls=None):
        super().__init__(self.answer, tls=tls)
        self.files = {FOLDER: File("state", mime="application/vnd.google-apps.folder")}
        self.ids = set()
        self.tokens = {TOKEN}
        self.logins = []
        self.troubles = []
        """Called with the request before it is carried out, each once; may raise RefusedError."""
        self.lose = lambda exchange: False
        """Whether the answer to a request is lost."""
        self.is_conditional = True
        self.restless = False
        """Whether etags change once more after a write, as those of Drive do."""

    async def answer(self, exchange):
        try:
            content, head = self.respond(exchange, urlsplit(exchange.target)), "200 OK"
            head = "204 No Content" if content is None else head
        except RefusedError as refusal:
            status, reason, message = refusal.args
            body = {"error": {"code": int(status[:3]), "errors": [{"reason": reason}], "message": message}}
            content, head = json.dumps(body).encode(), status
        if self.lose(exchange):
            exchange.reset()
            return
        await exchange.send(reply(content or b"", status=head, head=f"date: {formatdate(usegmt=True)}"))

    def respond(self, exchange, parts):
        if parts.path == "/token":
            return self.log_in(exchange)
        if self.troubles:
            self.troubles.pop(0)(exchange)
        shown = exchange.headers.get("authorization", "").removeprefix("Bearer ")
        if shown not in self.tokens:
            raise RefusedError("401 Unauthorized", "authError", f"Invalid credentials {shown}")
        query = {name: value[0] for name, value in parse_qs(parts.query).items()}
        assert query.pop("supportsAllDrives") == "true"
        if (exchange.method, parts.path) == ("GET", "/drive/v3/files/generateIds"):
            self.ids.add(f"id-{len(self.ids) + 1}")
            return json.dumps({"ids": [f"id-{len(self.ids)}"], "space": "drive"}).encode()
        if (exchange.method, parts.path) == ("POST", "/upload/drive/v3/files"):
            return self.create(exchange)
        found = re.fullmatch(r"(/upload)?/drive/(v[23])/files/([\w-]+)", parts.path)
        assert found is not None, f"Drive knows no {parts.path}"
        if found[3] not in self.files:
            raise RefusedError("404 Not Found", "notFound", f"File not found: {found[3]}.")
        return self.one(exchange, f"{exchange.method} {found[1] or ''}/{found[2]}", found[3], query)

    def log_in(self, exchange):
        self.logins.append(parse_qs(exchange.body.decode()))
        if b"refused" in exchange.body:
            return b'{"error": "invalid_grant", "error_description": "Token has been revoked."}'
        token = f"token-{len(self.logins)}-5EC4E7"
        self.tokens.add(token)
        return json.dumps({"access_token": token, "expires_in": 3599, "token_type": "Bearer"}).encode()

    def create(self, exchange):
        boundary = exchange.headers["content-type"].split("boundary=")[1].encode()
        _, about, content, end = exchange.body.split(b"--" + boundary)
        assert end == b"--\r\n"
        about = json.loads(about.split(b"\r\n\r\n", 1)[1])
        if about["parents"] != [FOLDER]:
            raise RefusedError("404 Not Found", "notFound", "File not found: .")
        if about["id"] in self.files:
            raise RefusedError("409 Conflict", "fileIdInUse", "A file already exists with the provided ID.")
        if about["id"] not in self.ids:
            raise RefusedError("400 Bad Request", "invalid", "The provided file ID is not usable.")
        content = content.split(b"\r\n\r\n", 1)[1].removesuffix(b"\r\n")
        self.files[about["id"]] = File(about["name"], content, about["mimeType"], tuple(about["parents"]))
        return json.dumps({"id": about["id"]}).encode()

    def one(self, exchange, call, name, query):
        file = self.files[name]
        if exchange.method in ("PUT", "PATCH") and "if-match" in exchange.headers and self.is_conditional:
            assert "v2" in call, "version 3 does not look at If-Match"
            if exchange.headers["if-match"] != f'"{file.etag}"':
                raise RefusedError("412 Precondition Failed", "conditionNotMet", "Precondition Failed")
        if call == "GET /v3" and query.get("alt") == "media":
            return file.content
        if call == "GET /v3":
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(file.modified))
            about = {"size": str(len(file.content)), "modifiedTime": stamp}
        elif call == "GET /v2":
            properties = [{"key": k, "value": v, "visibility": "PUBLIC"} for k, v in file.properties.items()]
            about = {"etag": f'"{file.etag}"', "mimeType": file.mime, "properties": properties}
            about |= {"md5Checksum": hashlib.md5(file.content).hexdigest()}
        elif call == "PATCH /v2":
            file.change(properties={row["key"]: row["value"] for row in json.loads(exchange.body)["properties"]})
            about = {"etag": f'"{file.etag}"'}
        elif call in ("PUT /upload/v2", "PATCH /upload/v3"):
            assert query["uploadType"] == "media"
            file.change(content=exchange.body)
            about = {"etag": f'"{file.etag}"', "id": name}
            file.etag += self.restless
        else:
            assert call == "DELETE /v3", f"Drive knows no {call}"
            del self.files[name]
            return None
        wanted = query["fields"].split(",")
        return json.dumps({key: value for key, value in about.items() if key in wanted}).encode()

    def named(self, name):
        return [file for file in self.files.values() if file.name == name]

    def storage(self, **options):
        return storage_at(self.url("").rstrip("/"), **options)


def storage_at(url, *, clock=None, environ=None, **options):
    own = {"folder": FOLDER, "access_token": Secret(TOKEN), "endpoint": url}
    return DriveStorage(DriveOptions(**own | options), clock, environ=environ or {})


@contextlib.asynccontextmanager
async def opened(server, **options):
    storage = server.storage(**options)
    await storage.open()
    try:
        yield storage
    finally:
        await storage.close()


@pytest.fixture
async def server():
    async with Drive() as server:
        yield server


class TestConformance(StorageConformance):
    @pytest.fixture(autouse=True)
    def _server(self, monkeypatch):
        with in_background(Drive()) as server:
            monkeypatch.setenv(ADDRESS, server.url("").rstrip("/"))
            yield

    def make(self, folder: Path, clock):
        return storage_at(os.environ[ADDRESS], name=hashlib.md5(str(folder).encode()).hexdigest(), clock=clock)


def test_the_hook_yields_the_connector():
    (record,) = storage_connectors()
    assert (record.id, record.create, record.options) == ("google.drive.v1", DriveStorage, DriveOptions)


async def test_another_name_is_another_store_and_all_of_it_is_in_the_folder(server):
    async with opened(server, name="one") as first, opened(server, name="two") as second:
        await first.save("key", b"value")
        await first.add("acme", {"requests": 1}, "day:1")
        await first.acquire("leader", "one", 60.0)
        assert await second.load("key") is None and list(await second.list()) == []
        assert await second.add("acme", {}, "day:1") == {}
        assert not await second.is_locked("leader")
    made = [file for name, file in server.files.items() if name != FOLDER]
    assert sorted(file.name for file in made) == ["counters", "index", "index", "leases", "values/key"]
    assert all(file.parents == (FOLDER,) for file in made)


async def test_processes_that_begin_at_once_share_one_index(server):
    storages = [server.storage() for _ in range(8)]
    await asyncio.gather(*(storage.open() for storage in storages))
    await asyncio.gather(*(storage.save(f"key-{number}", b"") for number, storage in enumerate(storages)))
    for storage in storages:
        assert list(await storage.list()) == [f"key-{number}" for number in range(8)]
        await storage.close()
    (folder,) = server.named("state")
    assert len(folder.properties) == 1


async def test_processes_that_make_a_name_at_once_share_one_file(server):
    async with opened(server) as first, opened(server) as second:
        await asyncio.gather(first.save("key", b"1"), second.save("key", b"2"), first.acquire("leader", "one", 60.0))
        assert len(server.named("values/key")) == 1, "the file of the slower one is deleted"
        assert await first.load("key") == await second.load("key")
        await first.save("key", b"3")
        assert await second.load("key") == b"3"


async def test_a_file_that_another_process_replaced_by_another_is_found(server):
    async with opened(server) as first, opened(server) as second:
        await first.save("key", b"1")
        assert await second.load("key") == b"1"
        await first.delete("key")
        await first.save("key", b"2")
        assert await second.load("key") == b"2"
        await first.delete("key")
        await second.save("key", b"3")
        assert await first.load("key") == b"3" and (await first.stat("key")).size == 1


async def test_a_file_that_somebody_deleted_by_hand_is_not_there_and_can_be_saved_again(server):
    async with opened(server) as storage:
        await storage.save("key", b"1")
        server.files = {name: file for name, file in server.files.items() if file.name != "values/key"}
        assert await storage.load("key") is None and await storage.stat("key") is None
        assert not await storage.delete("key")
        assert list(await storage.list()) == []
        await storage.save("key", b"2")
        assert await storage.load("key") == b"2"


async def test_an_index_that_is_gone_is_an_error(server):
    async with opened(server) as storage:
        await storage.save("key", b"1")
        server.files = {name: file for name, file in server.files.items() if file.name != "index"}
        with pytest.raises(StorageError, match="has lost its index"):
            await storage.save("other", b"1")


async def test_etags_that_change_by_themselves_do_no_harm(server):
    server.restless = True
    async with opened(server) as first, opened(server) as second:
        for _ in range(5):
            await asyncio.gather(*(each.add("acme", {"requests": 1}, "day:1") for each in (first, second)))
        assert await first.add("acme", {}, "day:1") == {"requests": 10}


async def test_what_answers_are_lost_of_is_counted_once(server):
    writes = []

    def lose(exchange):
        if exchange.method == "GET":
            return False
        writes.append(exchange)
        return len(writes) % 2 == 0

    async with opened(server) as storage:
        server.lose = lose
        totals = [(await storage.add("acme", {"requests": 1}, "day:1"))["requests"] for _ in range(10)]
        await storage.save("key", b"value")
        server.lose = lambda exchange: False
        assert totals == list(range(1, 11))
        assert await storage.load("key") == b"value" and len(server.named("values/key")) == 1


async def test_two_hundred_transacts_at_once_are_all_kept(server):
    async with opened(server) as storage:
        batches = (LedgerBatch(f"o{n}", 1, 600.0, (Settle("", (LINE,), Amounts(1, 2, 3)),)) for n in range(200))
        await asyncio.gather(*(storage.transact(batch) for batch in batches))
        (answer,) = await storage.transact(LedgerBatch("reader", 1, 30.0, (Look((LINE,)),)))
        assert answer.totals[0].used == (200, 400, 600)


async def test_a_value_that_was_tampered_with_is_reported(server):
    async with opened(server) as storage:
        await storage.save("key", b"value")
        (file,) = server.named("values/key")
        file.content = file.content.replace(b"value", b"other")
        with pytest.raises(StorageError, match="could not give 'key': the content does not match its checksum"):
            await storage.load("key")


async def test_content_that_is_older_than_its_etag_is_not_built_on(server):
    async with opened(server) as storage:
        await storage.add("acme", {"requests": 1}, "day:1")
        (file,) = server.named("counters")
        old = file.content
        await storage.add("acme", {"requests": 1}, "day:1")
        new = file.content

        def give_the_old(exchange):
            file.content = old

        def give_the_new(exchange):
            file.content = new

        # first the metadata of the new content, then the old content, as from a copy that lags behind
        server.troubles = [give_the_new, give_the_old, give_the_new]
        assert await storage.add("acme", {"requests": 1}, "day:1") == {"requests": 3}


async def test_a_service_without_conditions_is_refused(server):
    server.is_conditional = False
    with pytest.raises(StorageError, match="told to write only under a condition"):
        async with opened(server):
            pass


async def test_what_is_no_folder_is_refused(server):
    server.files[FOLDER].mime = "text/plain"
    with pytest.raises(StorageError, match="is no folder"):
        async with opened(server):
            pass


# --- what passes, and what does not ----------------------------------------------------------------------------------


def refuse(*answer):
    def refused(exchange):
        raise RefusedError(*answer)

    return refused


TOO_FAST = refuse("403 Forbidden", "rateLimitExceeded", "Rate Limit Exceeded")


async def test_a_rate_limit_passes(server):
    async with opened(server, clock=FakeClock()) as storage:
        await storage.add("acme", {"requests": 1}, "day:1")
        server.troubles = [TOO_FAST, refuse("429 Too Many Requests", "rateLimitExceeded", "x")]
        await storage.save("key", b"value")
        server.troubles = [lambda exchange: None, lambda exchange: None, TOO_FAST, TOO_FAST]
        assert await storage.add("acme", {"requests": 1}, "day:1") == {"requests": 2}
        server.troubles = [TOO_FAST] * 3
        with pytest.raises(StorageError, match="HTTP 403: rateLimitExceeded: Rate Limit Exceeded"):
            await storage.load("key")


async def test_refusals_say_what_and_never_show_the_token(server):
    async with opened(server) as storage:
        server.troubles = [refuse("403 Forbidden", "storageQuotaExceeded", "The user's quota has been exceeded.")]
        with pytest.raises(StorageError, match="storageQuotaExceeded") as caught:
            await storage.save("key", b"value")
        assert "A service account has no space of its own" in str(caught.value)
        server.tokens.clear()
        asked = len(server.requests)
        with pytest.raises(StorageError, match=r"HTTP 401: authError: Invalid credentials \*\*\*") as caught:
            await storage.load("key")
        assert "5EC4E7" not in str(caught.value) and "5EC4E7" not in repr(storage)
        assert len(server.requests) == asked + 1, "what was refused is not asked again"
        server.tokens.add(TOKEN)


async def test_a_folder_that_is_not_shared_with_the_account_is_not_found(server):
    with pytest.raises(StorageError, match="HTTP 404: notFound") as caught:
        async with opened(server, folder="folder-2"):
            pass
    assert "shared with it" in str(caught.value)


async def test_a_service_that_is_gone_is_an_error_in_time_and_works_when_it_is_back():
    server = Drive()
    with in_background(server):
        storage = server.storage(timeout=1.0)
        await storage.open()
        await storage.save("key", b"1")
        await storage.add("acme", {"requests": 1}, "day:1")
    began = time.monotonic()
    calls = (
        storage.load("key"),
        storage.save("key", b"2"),
        storage.list(),
        storage.delete("key"),
        storage.stat("key"),
        storage.acquire("leader", "one", 60.0),
        storage.is_locked("leader"),
        storage.add("acme", {"requests": 1}, "day:1"),
        storage.transact(LedgerBatch("one", 1, 30.0, (Settle("", (LINE,), Amounts(1)),))),
    )
    for result in await asyncio.gather(*calls, return_exceptions=True):
        assert isinstance(result, StorageError) and FOLDER in str(result)
    assert time.monotonic() - began < 3
    again = await asyncio.start_server(server._accept, "127.0.0.1", server.port)
    assert await storage.load("key") == b"1"
    assert await storage.add("acme", {"requests": 1}, "day:1") == {"requests": 2}
    await storage.close()
    again.close()


async def test_a_silent_service_is_given_up_in_time():
    async def say_nothing(reader, writer):
        await reader.read()

    async with Raw(say_nothing) as server:
        storage = storage_at(server.url("").rstrip("/"), timeout=0.3)
        began = time.monotonic()
        with pytest.raises(StorageError, match="no answer in time"):
            await storage.open()
        assert time.monotonic() - began < 2
        await storage.close()


async def test_leases_follow_the_clock_of_the_service(server):
    async with opened(server, clock=FakeClock(1_000.0)) as first, opened(server) as second:
        assert await first.acquire("leader", "one", 60.0)
        assert await second.is_locked("leader"), "a process whose clock is wrong by years holds it all the same"


# --- logins ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def secure(tmp_path):
    """A server over TLS, and the file of the authority that vouches for it: Google's logins are never in clear."""
    authority = trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(tls)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return Drive(tls=tls), str(tmp_path / "ca.pem")


def account(server, kind="service_account", **more):
    if kind == "authorized_user":
        own = {"client_id": "id-1", "client_secret": "c-5EC4E7", "refresh_token": "r-5EC4E7"}
    else:
        key = rsa.generate_private_key(65537, 2048)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        own = {"client_email": "mesh@example.test", "private_key": pem, "private_key_id": "key-1"}
    return json.dumps({"type": kind, "token_uri": server.url("/token"), **own, **more})


def claims_of(login):
    return [json.loads(base64.urlsafe_b64decode(part + "==")) for part in login["assertion"][0].split(".")[:2]]


@pytest.mark.parametrize("kind", ["service_account", "authorized_user"])
async def test_an_account_logs_in_keeps_its_token_and_replaces_one_that_is_refused(kind, secure):
    server, ca_file = secure
    async with server:
        given = {"access_token": None, "service_account": Secret(account(server, kind)), "ca_file": ca_file}
        async with opened(server, **given) as storage:
            await storage.save("key", b"value")
            assert len(server.logins) == 1
            server.tokens.clear()
            assert await storage.load("key") == b"value"
            assert len(server.logins) == 2


@pytest.mark.parametrize("subject", [None, "ann@example.test"])
async def test_a_service_account_asks_for_drive_as_itself_or_as_a_user(subject, secure, tmp_path):
    server, ca_file = secure
    async with server:
        (tmp_path / "account.json").write_text(account(server))
        environ = {"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "account.json")}
        async with opened(server, access_token=None, environ=environ, ca_file=ca_file, subject=subject):
            head, claims = claims_of(server.logins[0])
    assert head["kid"] == "key-1"
    assert claims["scope"] == "https://www.googleapis.com/auth/drive"
    assert (claims["iss"], claims["sub"]) == ("mesh@example.test", subject or "mesh@example.test")


async def test_a_login_that_is_refused_says_so_without_a_secret(secure):
    server, ca_file = secure
    async with server:
        given = Secret(account(server, "authorized_user", refresh_token="refused-5EC4E7"))
        with pytest.raises(StorageError, match="could not log in: ") as caught:
            async with opened(server, access_token=None, service_account=given, ca_file=ca_file):
                pass
        assert "5EC4E7" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "no credentials"),
        ({"service_account": Secret("/nowhere.json")}, "path of a readable file"),
        ({"service_account": Secret('{"type": "key"}')}, "expected the JSON of a service_account"),
        ({"access_token": Secret("x"), "endpoint": "https://user:5EC4E7@host"}, "needs an endpoint"),
        ({"access_token": Secret("x"), "endpoint": "host"}, "needs an endpoint"),
    ],
)
def test_options_that_cannot_work_are_refused(options, message):
    with pytest.raises(ConnectorError, match=message) as caught:
        DriveStorage(DriveOptions(folder=FOLDER, **options), environ={})
    assert "5EC4E7" not in str(caught.value)


@pytest.mark.parametrize("options", [{"folder": "https://drive/x"}, {"folder": "x", "name": "a b"}])
def test_names_that_cannot_be_are_refused(options):
    with pytest.raises(ValueError, match="expected"):
        DriveOptions(**options)


def test_processes_of_a_mesh_fill_a_limit_and_never_pass_it(tmp_path):
    with in_background(Drive()) as server:
        storage = {"connector": "google.drive.v1", "sync_policy": "periodic", "folder": FOLDER, "access_token": TOKEN}
        storage |= {"endpoint": server.url("").rstrip("/")}
        task = tmp_path / "task.json"
        task.write_text(
            json.dumps({"storage": storage, "provider": {"quota": {"requests_per_day": 20}}, "requests": 15})
        )
        command = [sys.executable, PROCESS, task]
        processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROCESS.parent) for _ in range(2)]
        outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sum(output.count("served") for output in outputs) == 20
    assert sum(output.count("refused") for output in outputs) == 10
