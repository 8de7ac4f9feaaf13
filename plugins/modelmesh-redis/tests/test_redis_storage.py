"""``redis.redis.v1`` against a real server: crashes, silence, passwords, crowds, clusters."""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
import traceback
from pathlib import Path

import pytest
import trustme
from modelmesh_core import (
    Amounts,
    ConnectorError,
    LedgerBatch,
    Line,
    Look,
    Reserve,
    Secret,
    Settle,
    StorageError,
)
from modelmesh_redis import RedisOptions, RedisStorage, storage_connectors
from redis.asyncio import Redis
from servers import RedisServer, free_port

LARGE = 2**53 - 1
PROCESS = Path(__file__).parents[3] / "tests" / "support" / "ledger_process.py"


def line(key="model:acme|day", limit=None, **more):
    return Line(key, 1000, 1000, 1000, 0, (limit, None, None))._replace(**more)


@contextlib.asynccontextmanager
async def opened(url, prefix, **options):
    storage = RedisStorage(RedisOptions(url=Secret(url), prefix=str(prefix), **options))
    await storage.open()
    try:
        yield storage
    finally:
        await storage.close()


@pytest.fixture
async def storage(redis_server, tmp_path):
    async with opened(redis_server.url, tmp_path) as storage:
        yield storage


@pytest.fixture
def own_server():
    with RedisServer() as server:
        yield server


async def used(storage, key="model:acme|day"):
    (answer,) = await storage.transact(LedgerBatch(f"reader-{time.monotonic_ns()}", 1, 30.0, (Look((line(key),)),)))
    return answer.totals[0]


def test_the_hook_yields_the_connector():
    (record,) = storage_connectors()
    assert (record.id, record.create, record.options) == ("redis.redis.v1", RedisStorage, RedisOptions)


async def test_what_was_acknowledged_before_a_crash_is_there_after_it(own_server, tmp_path):
    async with opened(own_server.url, tmp_path) as storage:
        await storage.save("state/health", b"before")
        await storage.add("acme", {"requests": 7}, "day:1")
        batch = LedgerBatch("one", 1, 600.0, (Reserve("r1", (line(),), Amounts(1, 5, 0)),))
        await storage.transact(batch)
        assert await storage.acquire("leader", "one", 600.0)
        own_server.kill()
        calls = (
            storage.load("state/health"),
            storage.save("state/health", b"lost"),
            storage.list(),
            storage.delete("state/health"),
            storage.stat("state/health"),
            storage.acquire("leader", "one", 600.0),
            storage.release("other", "one"),
            storage.renew("leader", "one", 600.0),
            storage.is_locked("leader"),
            storage.add("acme", {"requests": 1}, "day:1"),
            storage.add("acme", {}, "day:1"),
            storage.transact(batch),
        )
        for result in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(result, StorageError)
            assert f"127.0.0.1:{own_server.port}" in str(result)
        own_server.start()
        assert await storage.load("state/health") == b"before", "and the first call works again"
        assert await storage.add("acme", {}, "day:1") == {"requests": 7}
        assert (await used(storage)).held == (1, 5, 0)
        assert await storage.is_locked("leader")
        await storage.transact(batch)
        assert (await used(storage)).held == (1, 5, 0), "the batch was applied before the crash, and is not again"


async def test_reservations_through_crashes_count_once_each(own_server, tmp_path):
    async with opened(own_server.url, tmp_path, connect_timeout=0.3) as storage:
        done = asyncio.Semaphore(0)

        async def work(owner):
            for number in range(1, 61):
                batch = LedgerBatch(owner, number, 600.0, (Settle("", (line(),), Amounts(1, 10, 3)),))
                while True:
                    try:
                        await storage.transact(batch)
                    except StorageError:
                        await asyncio.sleep(0.02)
                    else:
                        break
                done.release()

        workers = [asyncio.create_task(work(f"owner-{number}")) for number in range(8)]
        for more in (100, 200):
            for _ in range(more):
                await done.acquire()
            await asyncio.to_thread(own_server.kill)
            await asyncio.to_thread(own_server.start)
        await asyncio.gather(*workers)
        assert (await used(storage)).used == (480, 4800, 1440)


async def test_a_silent_server_is_given_up_in_time(own_server, tmp_path):
    async with opened(own_server.url, tmp_path, connect_timeout=0.3, timeout=0.5) as storage:
        with own_server.frozen():
            began = time.monotonic()
            results = await asyncio.gather(*(storage.load("key") for _ in range(40)), return_exceptions=True)
            assert time.monotonic() - began < 3
            assert all(isinstance(result, StorageError) for result in results)
        await storage.save("key", b"1")
        assert await storage.load("key") == b"1"


async def test_a_call_that_is_cancelled_leaves_nothing_to_be_misread(storage):
    await storage.save("a", b"a" * 200_000)
    await storage.save("b", b"b")
    for pause in range(30):
        task = asyncio.create_task(storage.load("a"))
        await asyncio.sleep(pause / 20_000)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert await storage.load("b") == b"b"


async def test_two_hundred_transacts_at_once_fill_a_limit_exactly(storage):
    narrow = line(limit=150)

    async def reserve(number):
        batch = LedgerBatch(f"owner-{number}", 1, 600.0, (Reserve(f"r{number}", (narrow,), Amounts(1, 2, 3)),))
        return (await storage.transact(batch))[0]

    answers = await asyncio.gather(*(reserve(number) for number in range(200)))
    assert sum(answer.refused is None for answer in answers) == 150
    assert (await used(storage)).held == (150, 300, 450)


async def test_scripts_that_the_server_forgot_are_sent_again(storage, redis_server):
    await storage.add("acme", {"requests": 1}, "day:1")
    async with Redis.from_url(redis_server.url) as client:
        await client.script_flush()
    assert await storage.add("acme", {"requests": 1}, "day:1") == {"requests": 2}


async def test_amounts_are_exact(storage):
    large = line(limits=(None, None, LARGE))
    first = LARGE - 2
    ask = (
        Settle("", (large,), Amounts(1, 1, first)),
        Reserve("r1", (large,), Amounts(1, 1, 3)),
        Reserve("r2", (large,), Amounts(1, 1, 2)),
    )
    settled, refused, reserved = await storage.transact(LedgerBatch("one", 1, 30.0, ask))
    assert settled.totals[0].used.nanos == first
    assert (refused.refused, refused.measure) == (0, "nanos"), "one more than there is"
    assert reserved.totals[0].held.nanos == 2
    with pytest.raises(StorageError, match="2\\^53"):
        await storage.transact(LedgerBatch("one", 2, 30.0, (Settle("", (large,), Amounts(0, 0, 2**53)),)))
    assert await storage.add("acme", {"cost": 2**62}, "day:1") == {"cost": 2**62}
    assert await storage.add("acme", {"cost": -1}, "day:1") == {"cost": 2**62 - 1}
    with pytest.raises(StorageError, match="63 bits"):
        await storage.add("acme", {"other": 1, "cost": 2**63}, "day:1")
    assert await storage.add("acme", {}, "day:1") == {"cost": 2**62 - 1}


async def test_names_may_hold_anything(storage):
    odd = line('schlüssel:"\\|\n{x}')
    ids = ['r"1', "r\\2", "r 3\n"]
    reserves = [Reserve(name, (odd,), Amounts(1)) for name in ids]
    await storage.transact(LedgerBatch('ow"n\\er', 1, 30.0, tuple(reserves)))
    settles = [Settle(name, (odd,), Amounts(1, 2, 0)) for name in ids]
    answers = await storage.transact(LedgerBatch('ow"n\\er', 2, 30.0, tuple(settles)))
    assert answers[-1].totals[0] == (1000, (3, 6, 0), (0, 0, 0))


async def test_a_value_that_was_tampered_with_is_reported(storage, redis_server, tmp_path):
    await storage.save("key", b"value")
    async with Redis.from_url(redis_server.url) as client:
        await client.hset(f"{{{tmp_path}}}:item:key", "data", b"other")
    with pytest.raises(StorageError, match="checksum"):
        await storage.load("key")


async def test_everything_has_the_prefix_and_counters_expire(redis_server, tmp_path):
    async with opened(redis_server.url, tmp_path, counter_retention=50.0) as storage:
        await storage.save("key", b"value")
        await storage.add("acme", {"requests": 1}, "day:1")
        await storage.transact(LedgerBatch("one", 1, 30.0, (Settle("", (line(),), Amounts(1)),)))
        async with Redis.from_url(redis_server.url, decode_responses=True) as client:
            keys = await client.keys(f"*{tmp_path.name}*")
            assert keys and all(key.startswith(f"{{{tmp_path}}}:") for key in keys)
            ends = {key.split("}:")[1]: await client.ttl(key) for key in keys}
    assert {name for name, ttl in ends.items() if 0 < ttl <= 50} == {
        "counter:4:acme:day:1",
        "ledger:counter:model:acme|day",
    }


async def test_what_a_newer_version_wrote_is_left_alone(redis_server, tmp_path):
    async with Redis.from_url(redis_server.url) as client:
        await client.set(f"{{{tmp_path}}}:version", 2)
    with pytest.raises(StorageError, match="another version"):
        async with opened(redis_server.url, tmp_path):
            pass


async def test_passwords_never_show(redis_server, tmp_path):
    wrong = redis_server.url.replace(redis_server.password, "hunter2-wrong")
    for url in (wrong, f"redis://:hunter2-wrong@127.0.0.1:{1}/0", "redis://:hunter2-wrong@host.invalid:6379/0"):
        storage = RedisStorage(RedisOptions(url=Secret(url), prefix=str(tmp_path)))
        with pytest.raises(StorageError) as caught:
            await storage.open()
        assert "hunter2" not in "".join(traceback.format_exception(caught.value)) + repr(storage)
    assert "hunter2" not in repr(RedisOptions(url=Secret(wrong)))


@pytest.mark.parametrize("url", ["http://:hunter2@host", "hunter2", "redis://:hunter2@host:port/0"])
def test_a_url_that_is_none_is_refused_without_showing_it(url):
    with pytest.raises(ConnectorError) as caught:
        RedisStorage(RedisOptions(url=Secret(url)))
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


async def test_it_works_in_a_cluster(tmp_path):
    async def joined(*command):
        async with Redis.from_url(server.url) as client:
            if command:
                await client.execute_command(*command)
            for _ in range(200):
                if b"cluster_state:ok" in await client.execute_command("CLUSTER", "INFO"):
                    return
                await asyncio.sleep(0.05)

    with RedisServer("--cluster-enabled", "yes", "--cluster-port", str(free_port())) as server:
        await joined("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        async with opened(server.url, tmp_path, cluster=True) as storage:
            await storage.save("key", b"value")
            assert await storage.list() == ["key"]
            assert await storage.add("acme", {"requests": 2}, "day:1") == {"requests": 2}
            await storage.transact(LedgerBatch("one", 1, 30.0, (Settle("", (line(),), Amounts(1, 2, 3)),)))
            assert (await used(storage)).used == (1, 2, 3)
            server.kill()
            with pytest.raises(StorageError):
                await storage.load("key")
            server.start()
            await joined()
            assert await storage.load("key") == b"value"


async def test_it_works_over_tls(tmp_path):
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "server.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "server.key")
    settings = {
        "tls-port": free_port(),
        "tls-cert-file": tmp_path / "server.pem",
        "tls-key-file": tmp_path / "server.key",
        "tls-auth-clients": "no",
    }
    words = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
    with RedisServer(*words) as server:
        url = f"rediss://:{server.password}@localhost:{settings['tls-port']}/0"
        async with opened(url, tmp_path, tls_ca_file=str(tmp_path / "ca.pem")) as storage:
            await storage.save("key", b"value")
            assert await storage.load("key") == b"value"
        with pytest.raises(StorageError, match="certificate"):
            async with opened(url, tmp_path):
                pass


def test_processes_of_a_mesh_fill_a_limit_and_never_pass_it(redis_server, tmp_path):
    storage = {
        "connector": "redis.redis.v1",
        "sync_policy": "periodic",
        "url": redis_server.url,
        "prefix": str(tmp_path),
    }
    task = tmp_path / "task.json"
    task.write_text(json.dumps({"storage": storage, "provider": {"quota": {"requests_per_day": 100}}, "requests": 60}))
    command = [sys.executable, PROCESS, task]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROCESS.parent) for _ in range(3)]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sum(output.count("served") for output in outputs) == 100
    assert sum(output.count("refused") for output in outputs) == 80
