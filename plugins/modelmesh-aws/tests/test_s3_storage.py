"""``aws.s3.v1``: against MiniStack over real sockets, and against scripted answers for what it cannot do."""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import httpx
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from loopback import Loopback, Raw, reply
from modelmesh_aws.storage_s3 import S3Options, S3Storage, storage_connectors
from modelmesh_core import Amounts, ConnectorError, LedgerBatch, Line, Look, Secret, Settle, StorageError
from modelmesh_core.testing import FakeClock, StorageConformance

PROCESS = Path(__file__).parents[3] / "tests" / "support" / "ledger_process.py"
ADDRESS = "MODELMESH_TEST_S3"
BUCKET = "mesh-state"
KEYS = {"access_key_id": Secret("AKIDEXAMPLE"), "secret_access_key": Secret("s3cr3t-access-5EC4E7")}


class MiniStack:
    """An emulator of AWS, on one port for its whole life."""

    def __init__(self, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = folder

    def start(self):
        environ = {**os.environ, "GATEWAY_PORT": str(self.port), "HOME": str(self._folder)}
        command = [sys.executable, "-m", "ministack"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(command, env=environ, cwd=self._folder, **quiet)
        deadline = time.monotonic() + 60
        while True:
            try:
                with urlopen(f"{self.url}/_ministack/health", timeout=2):
                    break
            except (URLError, OSError):
                assert self._process.poll() is None and time.monotonic() < deadline, "MiniStack did not start"
                time.sleep(0.1)
        with urlopen(Request(f"{self.url}/{BUCKET}", method="PUT"), timeout=10):
            pass
        return self

    def stop(self):
        self._process.terminate()
        self._process.wait(20)


@pytest.fixture(scope="module")
def ministack(tmp_path_factory):
    server = MiniStack(tmp_path_factory.mktemp("ministack")).start()
    yield server
    server.stop()


def prefix_of(folder):
    return "".join(letter if letter.isalnum() else "-" for letter in str(folder)).strip("-")


def storage_at(url, folder="mesh", *, clock=None, **options):
    own = {"bucket": BUCKET, "prefix": prefix_of(folder), "endpoint_url": url, **KEYS, **options}
    return S3Storage(S3Options(**own), clock, environ={})


class TestConformance(StorageConformance):
    @pytest.fixture(autouse=True)
    def _server(self, ministack, monkeypatch):
        monkeypatch.setenv(ADDRESS, ministack.url)

    def make(self, folder: Path, clock):
        return storage_at(os.environ[ADDRESS], folder, clock=clock)


@contextlib.asynccontextmanager
async def opened(url, folder, **options):
    storage = storage_at(url, folder, **options)
    await storage.open()
    try:
        yield storage
    finally:
        await storage.close()


async def put(server, name, body, **headers):
    async with httpx.AsyncClient() as client:
        answer = await client.put(f"{server.url}/{BUCKET}/{name}", content=body, headers=headers)
        assert answer.status_code == 200


async def names_in(server, prefix):
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{server.url}/{BUCKET}?list-type=2&prefix={prefix}")
    return [part.split("</Key>")[0].removeprefix(prefix) for part in answer.text.split("<Key>")[1:]]


def test_the_hook_yields_the_connector():
    (record,) = storage_connectors()
    assert (record.id, record.create, record.options) == ("aws.s3.v1", S3Storage, S3Options)


async def test_everything_has_the_prefix_and_another_prefix_is_another_store(ministack, tmp_path):
    async with opened(ministack.url, tmp_path / "a") as first, opened(ministack.url, tmp_path / "b") as second:
        await first.save("key", b"value")
        await first.add("acme", {"requests": 1}, "day:1")
        await first.acquire("leader", "one", 60.0)
        assert await second.load("key") is None and list(await second.list()) == []
        assert await second.add("acme", {}, "day:1") == {}
        assert not await second.is_locked("leader")
    found = await names_in(ministack, f"{prefix_of(tmp_path / 'a')}/")
    assert sorted(name.split("/")[0] for name in found) == ["counters", "leases", "values", "version"]


async def test_names_may_hold_anything(ministack, tmp_path):
    async with opened(ministack.url, tmp_path) as storage:
        for name in ('schlüssel:"\\|\n{x}', "a/../b", "..", "a~b", "a%b?c=d&e#f"):
            await storage.save(name, name.encode())
            assert await storage.load(name) == name.encode() and name in await storage.list(name)
            assert await storage.acquire(name, "one", 60.0) and await storage.is_locked(name)
            assert await storage.add(name, {name: 1}, name) == {name: 1}


async def test_a_value_that_was_tampered_with_is_reported(ministack, tmp_path):
    async with opened(ministack.url, tmp_path) as storage:
        await storage.save("key", b"value")
        await put(ministack, f"{prefix_of(tmp_path)}/values/key", b"other", **{"x-amz-meta-modelmesh-sha256": "0" * 64})
        with pytest.raises(StorageError, match="values/key does not match its checksum"):
            await storage.load("key")


async def test_what_a_newer_version_wrote_is_left_alone(ministack, tmp_path):
    async with opened(ministack.url, tmp_path) as storage:
        await storage.save("version", b"a value of that name")
    async with opened(ministack.url, tmp_path / "newer") as storage:
        await storage._ask("PUT", "version", "be written", body=b'{"modelmesh-storage":2}')
    with pytest.raises(StorageError, match="another version of ModelMesh"):
        async with opened(ministack.url, tmp_path / "newer"):
            pass


async def test_counters_that_nobody_added_to_are_forgotten(ministack, tmp_path):
    async with opened(ministack.url, tmp_path, counter_retention=0.001) as storage:
        await storage.add("acme", {"requests": 1}, "day:1")
        assert await storage.add("acme", {}, "day:1") == {}


async def test_leases_follow_the_clock_of_the_service(ministack, tmp_path):
    early = FakeClock(1_000.0)
    async with opened(ministack.url, tmp_path, clock=early) as first, opened(ministack.url, tmp_path) as second:
        assert await first.acquire("leader", "one", 60.0)
        assert await second.is_locked("leader"), "a process whose clock is wrong by years holds it all the same"
        assert abs(first.now() - second.now()) < 5


async def test_a_bucket_that_is_not_there_is_said_to_be_missing(ministack):
    with pytest.raises(StorageError, match="NoSuchBucket"):
        async with opened(ministack.url, "mesh", bucket="no-such-bucket"):
            pass


async def test_two_hundred_transacts_at_once_are_all_kept(ministack, tmp_path):
    line = Line("model:acme|day", 1000, 1000, 1000, 0)
    async with opened(ministack.url, tmp_path) as storage:
        batches = (LedgerBatch(f"o{n}", 1, 600.0, (Settle("", (line,), Amounts(1, 2, 3)),)) for n in range(200))
        await asyncio.gather(*(storage.transact(batch) for batch in batches))
        (answer,) = await storage.transact(LedgerBatch("reader", 1, 30.0, (Look((line,)),)))
        assert answer.totals[0].used == (200, 400, 600)


async def test_a_caller_who_gives_up_does_not_take_the_others_along(ministack, tmp_path):
    async with opened(ministack.url, tmp_path) as storage:
        calls = [asyncio.create_task(storage.add("acme", {"requests": 1}, "day:1")) for _ in range(10)]
        await asyncio.sleep(0)
        calls[0].cancel()
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(results[0], asyncio.CancelledError)
        assert all(isinstance(result, dict) for result in results[1:])


# --- a bad network ---------------------------------------------------------------------------------------------------


def in_front_of(server, lose):
    """A server that passes requests on, but loses an answer, or the request, where ``lose`` says so."""

    async def pass_on(exchange):
        what = lose(exchange)
        if what != "request":
            headers = {name: value for name, value in exchange.headers.items() if name != "accept-encoding"}
            async with httpx.AsyncClient() as client:
                url = f"{server.url}{exchange.target}"
                answer = await client.request(exchange.method, url, headers=headers, content=exchange.body)
        if what:
            exchange.reset()
            return
        kept = ("etag", "date", "last-modified", "content-type", "x-amz-meta-modelmesh-sha256")
        head = "\r\n".join(f"{name}: {answer.headers[name]}" for name in kept if name in answer.headers)
        await exchange.send(reply(answer.content, status=f"{answer.status_code} It", head=head))

    return Loopback(pass_on)


async def test_what_answers_are_lost_of_is_counted_once(ministack, tmp_path):
    puts = []

    def lose(exchange):
        if exchange.method != "PUT" or "counters" not in exchange.target:
            return None
        puts.append(exchange)
        return {1: "answer", 2: "request"}.get(len(puts) % 3)

    async with in_front_of(ministack, lose) as server, opened(server.url("").rstrip("/"), tmp_path) as storage:
        totals = [(await storage.add("acme", {"requests": 1}, "day:1"))["requests"] for _ in range(15)]
    assert totals == list(range(1, 16))
    assert len(puts) > 20, "answers and requests were lost"


async def test_a_service_that_is_gone_is_an_error_in_time_and_works_when_it_is_back(tmp_path):
    server = MiniStack(tmp_path).start()
    try:
        async with opened(server.url, tmp_path, timeout=5.0) as storage:
            await storage.save("key", b"1")
            server.stop()
            began = time.monotonic()
            line = Line("model:acme|day", 1000, 1000, 1000, 0)
            calls = (
                storage.load("key"),
                storage.save("key", b"2"),
                storage.list(),
                storage.delete("key"),
                storage.stat("key"),
                storage.acquire("leader", "one", 60.0),
                storage.is_locked("leader"),
                storage.add("acme", {"requests": 1}, "day:1"),
                storage.transact(LedgerBatch("one", 1, 30.0, (Settle("", (line,), Amounts(1)),))),
            )
            for result in await asyncio.gather(*calls, return_exceptions=True):
                assert isinstance(result, StorageError) and f"127.0.0.1:{server.port}" in str(result)
            assert time.monotonic() - began < 15
            server.start()
            await storage.save("key", b"3")
            assert await storage.load("key") == b"3"
            assert await storage.add("acme", {"requests": 1}, "day:1") == {"requests": 1}
    finally:
        server.stop()


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


# --- scripted --------------------------------------------------------------------------------------------------------


def said(status, code, message="It is so.", more=""):
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>"
    return reply(body.encode(), status=status, head="content-type: application/xml")


@contextlib.asynccontextmanager
async def answering(*answers, **options):
    """A storage whose service gives these answers in turn, and then the last one again."""
    left = list(answers)

    async def behave(exchange):
        await exchange.send(left.pop(0) if len(left) > 1 else left[0])

    async with Loopback(behave) as server:
        storage = storage_at(server.url("").rstrip("/"), clock=FakeClock(), **options)
        try:
            yield storage, server
        finally:
            await storage.close()


@pytest.mark.parametrize(
    "answer", [reply(b"", status="200 OK", head='etag: "1"'), said("501 Not Implemented", "NotImplemented")]
)
async def test_a_service_without_conditional_writes_is_refused(answer):
    async with answering(answer) as (storage, server):
        with pytest.raises(StorageError, match=rf"127\.0\.0\.1:{server.port} has no conditional writes"):
            await storage.open()


async def test_what_passes_is_tried_again_and_given_up_after_three():
    slow = said("503 Slow Down", "SlowDown", "Please reduce your request rate.")
    async with answering(slow, slow, reply(b"", head='etag: "1"')) as (storage, server):
        await storage.save("key", b"value")
        assert len(server.requests) == 3
    async with answering(slow) as (storage, server):
        with pytest.raises(StorageError, match="could not save 'key': HTTP 503: SlowDown: Please reduce"):
            await storage.save("key", b"value")
        assert len(server.requests) == 3


async def test_others_that_always_are_faster_end_in_an_error():
    missing, conflict = said("404 Not Found", "NoSuchKey"), said("409 Conflict", "ConditionalRequestConflict")

    async def behave(exchange):
        await exchange.send(conflict if exchange.method == "PUT" else missing)

    async with Loopback(behave) as server:
        storage = storage_at(server.url("").rstrip("/"), clock=FakeClock(), lock_timeout=5.0)
        with pytest.raises(StorageError, match="other processes always were faster"):
            await storage.add("acme", {"requests": 1}, "day:1")
        await storage.close()


async def test_a_refusal_says_what_and_never_shows_a_credential():
    quoted = "<AWSAccessKeyId>AKIDEXAMPLE</AWSAccessKeyId><StringToSign>s3cr3t-access-5EC4E7</StringToSign>"
    message = "The key s3cr3t-access-5EC4E7 of AKIDEXAMPLE does not match."
    async with answering(said("403 Forbidden", "SignatureDoesNotMatch", message, quoted)) as (storage, server):
        for call in (storage.load("key"), storage.save("key", b""), storage.list(), storage.acquire("a", "b", 1.0)):
            with pytest.raises(StorageError, match="HTTP 403: SignatureDoesNotMatch") as caught:
                await call
            assert "5EC4E7" not in str(caught.value) and "AKIDEXAMPLE" not in str(caught.value)
        assert len(server.requests) == 4, "what was refused is not asked again"
        assert "5EC4E7" not in repr(storage)
    assert "5EC4E7" not in repr(S3Options(bucket=BUCKET, **KEYS))


async def test_the_region_that_a_redirect_names_is_told():
    moved = reply(b"", status="301 Moved Permanently", head="x-amz-bucket-region: eu-west-3")
    async with answering(moved) as (storage, _):
        with pytest.raises(StorageError, match=r"Set storage\.region to eu-west-3"):
            await storage.load("key")


async def test_every_page_of_a_list_is_read():
    def page(names, more=""):
        rows = "".join(
            f"<Contents><Key>mesh/values/{name}</Key><LastModified>2026-11-23T10:00:00.000Z</LastModified></Contents>"
            for name in names
        )
        truncated = f"<IsTruncated>true</IsTruncated>{more}" if more else "<IsTruncated>false</IsTruncated>"
        namespace = "http://s3.amazonaws.com/doc/2006-03-01/"
        body = f'<ListBucketResult xmlns="{namespace}">{rows}{truncated}</ListBucketResult>'
        return reply(body.encode(), head="content-type: application/xml")

    token = "<NextContinuationToken>a+b/c=</NextContinuationToken>"
    async with answering(page(["b", "a~2Fb"], token), page(["c"])) as (storage, server):
        assert await storage.list() == ["a/b", "b", "c"]
    assert "continuation-token=a%2Bb%2Fc%3D" in server.requests[1].target


async def test_requests_are_signed_as_botocore_signs_them():
    async with answering(reply(b"", head='etag: "1"'), session_token=Secret("token-1"), region="eu-west-1") as (
        storage,
        server,
    ):
        await storage.save("state/größe", b"value")
        with contextlib.suppress(StorageError):
            await storage.list("state/")
    for request in server.requests:
        unsigned = ("authorization", "accept", "accept-encoding", "connection", "user-agent", "content-length")
        headers = {name: value for name, value in request.headers.items() if name not in unsigned}
        theirs = AWSRequest(request.method, f"http://{headers['host']}{request.target}", headers, request.body)
        theirs.context["timestamp"] = headers["x-amz-date"]
        signer = S3SigV4Auth(Credentials("AKIDEXAMPLE", "s3cr3t-access-5EC4E7", "token-1"), "s3", "eu-west-1")
        canonical = signer.canonical_request(theirs)
        signature = signer.signature(signer.string_to_sign(theirs, canonical), theirs)
        assert request.headers["authorization"].endswith(f"Signature={signature}")


@pytest.mark.parametrize(
    ("options", "address"),
    [
        ({}, "http://s3.example.test/mesh-state/mesh/values/key"),
        ({"addressing": "virtual"}, "http://mesh-state.s3.example.test/mesh/values/key"),
        ({"prefix": ""}, "http://s3.example.test/mesh-state/values/key"),
        ({"prefix": "/a/b/"}, "http://s3.example.test/mesh-state/a/b/values/key"),
    ],
)
async def test_where_an_object_is_asked_for(options, address, monkeypatch):
    async with Loopback() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url())
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        storage = storage_at("http://s3.example.test", **options)
        await storage.save("key", b"value")
        await storage.close()
    assert proxy.requests[0].target == address


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({"region": "eu-west-1"}, "mesh-state.s3.eu-west-1.amazonaws.com"),
        ({"region": "cn-north-1"}, "mesh-state.s3.cn-north-1.amazonaws.com.cn"),
        ({"region": "eu-west-1", "bucket": "mesh.state"}, "s3.eu-west-1.amazonaws.com"),
    ],
)
async def test_without_an_endpoint_it_is_amazons(options, place, monkeypatch):
    async with Loopback() as server:
        port = server.port
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
    storage = S3Storage(S3Options(**{"bucket": BUCKET, **KEYS, **options}), FakeClock(), environ={})
    with pytest.raises(StorageError, match=f"the bucket {storage._options.bucket} at {place} could not give 'key'"):
        await storage.load("key")
    await storage.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"region": "eu-west-1"}, "no credentials"),
        ({"region": "eu-west-1", "access_key_id": Secret("AK")}, "one half of an access key"),
        (KEYS, "needs a region"),
        ({**KEYS, "endpoint_url": "http://user:5EC4E7@host"}, "needs an endpoint"),
        ({**KEYS, "endpoint_url": "minio:9000"}, "needs an endpoint"),
        ({**KEYS, "endpoint_url": "http://minio:port"}, "needs an endpoint"),
    ],
)
def test_options_that_cannot_work_are_refused(options, message, tmp_path):
    files = {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"), "AWS_CONFIG_FILE": str(tmp_path / "none")}
    with pytest.raises(ConnectorError, match=message) as caught:
        S3Storage(S3Options(bucket=BUCKET, **options), environ=files)
    assert "5EC4E7" not in str(caught.value)


@pytest.mark.parametrize("options", [{"bucket": "Not A Bucket"}, {"bucket": BUCKET, "prefix": "a/../b"}])
def test_names_that_cannot_be_are_refused(options):
    with pytest.raises(ValueError, match="expected"):
        S3Options(**options)


def test_processes_of_a_mesh_fill_a_limit_and_never_pass_it(ministack, tmp_path):
    keys = {name: secret.reveal() for name, secret in KEYS.items()}
    storage = {"connector": "aws.s3.v1", "sync_policy": "periodic", "bucket": BUCKET, "prefix": prefix_of(tmp_path)}
    storage |= {"endpoint_url": ministack.url, **keys}
    task = tmp_path / "task.json"
    task.write_text(json.dumps({"storage": storage, "provider": {"quota": {"requests_per_day": 40}}, "requests": 25}))
    command = [sys.executable, PROCESS, task]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROCESS.parent) for _ in range(3)]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sum(output.count("served") for output in outputs) == 40
    assert sum(output.count("refused") for output in outputs) == 35
