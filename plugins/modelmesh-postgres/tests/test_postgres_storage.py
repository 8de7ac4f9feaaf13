"""``postgres.postgres.v1`` against a real server: crashes, silence, passwords, crowds."""

import asyncio
import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

import psycopg
import pytest
from modelmesh_core import Amounts, ConnectorError, LedgerBatch, Line, Look, Reserve, Secret, Settle, StorageError
from modelmesh_core.testing import FakeClock
from modelmesh_postgres import PostgresOptions, PostgresStorage, storage_connectors
from modelmesh_postgres.ledger import applied
from servers import PostgresServer

LARGE = 2**64 - 1
PROCESS = Path(__file__).parents[3] / "tests" / "support" / "ledger_process.py"


def line(key="model:acme|day", limit=None, **more):
    return Line(key, 1000, 1000, 1000, 0, (limit, None, None))._replace(**more)


def schema_of(folder):
    return "t" + hashlib.sha256(str(folder).encode()).hexdigest()[:20]


@contextlib.asynccontextmanager
async def opened(url, folder, clock=None, **options):
    storage = PostgresStorage(PostgresOptions(url=Secret(url), schema=schema_of(folder), **options), clock)
    await storage.open()
    try:
        yield storage
    finally:
        await storage.close()


@pytest.fixture
async def storage(postgres_server, tmp_path):
    async with opened(postgres_server.url, tmp_path) as storage:
        yield storage


@pytest.fixture
def own_server():
    with PostgresServer() as server:
        yield server


async def used(storage, key="model:acme|day"):
    (answer,) = await storage.transact(LedgerBatch(f"reader-{time.monotonic_ns()}", 1, 30.0, (Look((line(key),)),)))
    return answer.totals[0]


def test_the_hook_yields_the_connector():
    (record,) = storage_connectors()
    assert (record.id, record.create, record.options) == ("postgres.postgres.v1", PostgresStorage, PostgresOptions)


async def test_what_was_acknowledged_before_a_crash_is_there_after_it(own_server, tmp_path):
    async with opened(own_server.url, tmp_path) as storage:
        await storage.save("state/health", b"before")
        await storage.add("acme", {"requests": 7}, "day:1")
        batch = LedgerBatch("one", 1, 600.0, (Reserve("r1", (line(),), Amounts(1, 5, 0)),))
        await storage.transact(batch)
        assert await storage.acquire("leader", "one", 600.0)
        await asyncio.gather(*(storage.load("state/health") for _ in range(8)))  # several connections, all to be lost
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


async def test_settlements_through_crashes_count_once_each(own_server, tmp_path):
    async with opened(own_server.url, tmp_path) as storage:
        done = asyncio.Semaphore(0)

        async def work(owner):
            for number in range(1, 41):
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
        for more in (50, 150):
            for _ in range(more):
                await done.acquire()
            await asyncio.to_thread(own_server.kill)
            await asyncio.to_thread(own_server.start)
        await asyncio.gather(*workers)
        assert (await used(storage)).used == (320, 3200, 960)


async def test_a_server_that_falls_silent_is_given_up_in_time(postgres_server, tmp_path):
    async with (
        opened(postgres_server.url, tmp_path, timeout=0.5, connections=2) as storage,
        await psycopg.AsyncConnection.connect(postgres_server.url) as other,
    ):
        await asyncio.gather(*(storage.load("key") for _ in range(8)))
        found = await other.execute("SELECT pid FROM pg_stat_activity WHERE application_name = 'modelmesh'")
        backends = [pid for (pid,) in await found.fetchall()]
        assert backends
        for backend in backends:
            os.kill(backend, signal.SIGSTOP)
        try:
            began = time.monotonic()
            results = await asyncio.gather(*(storage.load("key") for _ in range(2)), return_exceptions=True)
            assert time.monotonic() - began < 3
            assert all(isinstance(result, StorageError) for result in results)
            await storage.save("key", b"1")  # over a new connection
        finally:
            for backend in backends:
                os.kill(backend, signal.SIGCONT)
        assert await storage.load("key") == b"1"


async def test_a_server_that_takes_connections_and_is_silent_is_given_up_in_time(own_server, tmp_path):
    with own_server.frozen():
        began = time.monotonic()
        with pytest.raises(StorageError, match="in time"):
            async with opened(own_server.url, tmp_path, connect_timeout=0.5):
                pass
        assert time.monotonic() - began < 3


async def test_a_process_that_keeps_the_lock_does_not_keep_the_others_for_ever(postgres_server, tmp_path):
    async with opened(postgres_server.url, tmp_path, timeout=0.5) as storage:
        batch = LedgerBatch("one", 1, 30.0, (Settle("", (line(),), Amounts(1)),))
        async with await psycopg.AsyncConnection.connect(postgres_server.url) as other:
            await other.execute(f"SELECT {schema_of(tmp_path)}.ledger_load('other', '{{}}', '{{}}')")
            with pytest.raises(StorageError, match="timeout"):
                await storage.transact(batch)
            await other.rollback()
        await storage.transact(batch)
        assert (await used(storage)).used == (1, 0, 0)


async def test_a_process_that_stalls_in_the_middle_loses_the_lock_and_nothing_else(
    postgres_server, tmp_path, monkeypatch
):
    batch = LedgerBatch("one", 1, 30.0, (Settle("", (line(),), Amounts(1)),))
    async with opened(postgres_server.url, tmp_path, timeout=0.4) as storage:

        def stalled(*arguments):
            time.sleep(0.8)
            return applied(*arguments)

        monkeypatch.setattr("modelmesh_postgres.storage.applied", stalled)
        with pytest.raises(StorageError):
            await storage.transact(batch)
        monkeypatch.undo()
        assert (await used(storage)).used == (0, 0, 0)
        await storage.transact(batch)
        assert (await used(storage)).used == (1, 0, 0)


async def test_a_call_that_is_cancelled_leaves_nothing_to_be_misread(storage):
    await storage.save("a", b"a" * 200_000)
    await storage.save("b", b"b")
    for pause in range(20):
        task = asyncio.create_task(storage.load("a"))
        await asyncio.sleep(pause / 10_000)
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


async def test_batches_over_crossed_lines_never_block_each_other(postgres_server, tmp_path):
    async with contextlib.AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(opened(postgres_server.url, tmp_path)) for _ in range(4)]
        keys = [line(f"model:{number}|day") for number in range(6)]

        async def work(number):
            for turn in range(1, 26):
                lines = tuple(keys if (number + turn) % 2 else reversed(keys))
                settle = Settle("", lines, Amounts(1, 2, 3))
                await stores[number].transact(LedgerBatch(f"owner-{number}", turn, 30.0, (settle,)))
                await stores[number].add("acme", {"a": 1, "b": 1} if number % 2 else {"b": 1, "a": 1}, "day:1")

        await asyncio.gather(*(work(number) for number in range(4)))
        assert (await used(stores[0], "model:3|day")).used == (100, 200, 300)
        assert await stores[0].add("acme", {}, "day:1") == {"a": 100, "b": 100}


async def test_amounts_are_exact_to_the_last(storage):
    large = line(limits=(None, None, LARGE))
    ask = (
        Settle("", (large,), Amounts(1, 1, LARGE - 2)),
        Reserve("r1", (large,), Amounts(1, 1, 2)),
    )
    settled, reserved = await storage.transact(LedgerBatch("one", 1, 30.0, ask))
    assert settled.totals[0].used.nanos == LARGE - 2
    assert reserved.totals[0].held.nanos == 2
    batch = LedgerBatch("one", 2, 30.0, (Settle("", (line(),), Amounts(5)), Settle("", (large,), Amounts(0, 0, 3))))
    with pytest.raises(StorageError, match="cannot hold"):
        await storage.transact(batch)
    assert (await used(storage)).used == (1, 1, LARGE - 2), "of a batch that fails nothing is left"
    assert await storage.add("acme", {"cost": 2**62}, "day:1") == {"cost": 2**62}
    with pytest.raises(StorageError):
        await storage.add("acme", {"other": 1, "cost": 2**62}, "day:1")
    assert await storage.add("acme", {}, "day:1") == {"cost": 2**62}


async def test_names_may_hold_almost_anything(storage):
    odd = line("schlüssel:\"\\|\n{x}',%s$$")
    ids = ['r"1', "r\\2", "r' 3\n"]
    reserves = [Reserve(name, (odd,), Amounts(1)) for name in ids]
    await storage.transact(LedgerBatch("ow\"n\\'er", 1, 30.0, tuple(reserves)))
    settles = [Settle(name, (odd,), Amounts(1, 2, 0)) for name in ids]
    answers = await storage.transact(LedgerBatch("ow\"n\\'er", 2, 30.0, tuple(settles)))
    assert answers[-1].totals[0] == (1000, (3, 6, 0), (0, 0, 0))
    with pytest.raises(StorageError):
        await storage.load("nul\0")


async def test_a_value_that_was_tampered_with_is_reported(storage, postgres_server, tmp_path):
    await storage.save("key", b"value")
    with psycopg.connect(postgres_server.url) as connection:
        connection.execute(f"UPDATE {schema_of(tmp_path)}.items SET data = 'other'")
    with pytest.raises(StorageError, match="checksum"):
        await storage.load("key")


async def test_counters_that_nobody_added_to_for_long_are_forgotten(postgres_server, tmp_path):
    clock, day = FakeClock(), 86400.0
    async with opened(postgres_server.url, tmp_path, clock, counter_retention=40 * day) as storage:
        await storage.add("old", {"requests": 1}, "day:1")
        await storage.transact(LedgerBatch("one", 1, 30.0, (Settle("", (line("old"),), Amounts(1)),)))
        with psycopg.connect(postgres_server.url) as connection:
            for table in ("counters", "ledger_counters"):
                connection.execute(f"UPDATE {schema_of(tmp_path)}.{table} SET modified_at = modified_at - {41 * day}")
        clock.advance(3601)
        await storage.add("new", {"requests": 1}, "day:1")
        await storage.transact(LedgerBatch("one", 2, 30.0, (Settle("", (line("new"),), Amounts(1)),)))
        assert await storage.add("old", {}, "day:1") == {}
        assert (await used(storage, "old")).used == (0, 0, 0)
        assert await storage.add("new", {}, "day:1") == {"requests": 1}
        assert (await used(storage, "new")).used == (1, 0, 0)


async def test_a_role_without_rights_to_create_can_use_what_is_there(storage, postgres_server, tmp_path):
    schema = schema_of(tmp_path)
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {schema}_user LOGIN PASSWORD 'plain'")
        connection.execute(f"GRANT USAGE ON SCHEMA {schema} TO {schema}_user")
        connection.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {schema}_user")
    url = f"postgresql://{schema}_user:plain@127.0.0.1:{postgres_server.port}/postgres"
    async with opened(url, tmp_path) as other:
        await other.save("key", b"value")
        await other.transact(LedgerBatch("one", 1, 30.0, (Settle("", (line(),), Amounts(1)),)))
    assert await storage.load("key") == b"value"
    with pytest.raises(StorageError, match="permission denied"):
        async with opened(url, tmp_path / "elsewhere"):
            pass


async def test_what_a_newer_version_made_is_left_alone(storage, postgres_server, tmp_path):
    with psycopg.connect(postgres_server.url) as connection:
        connection.execute(f"UPDATE {schema_of(tmp_path)}.about SET version = 2")
    with pytest.raises(StorageError, match="another version"):
        async with opened(postgres_server.url, tmp_path):
            pass


async def test_many_open_it_at_once(postgres_server, tmp_path):
    async with contextlib.AsyncExitStack() as stack:
        opening = (stack.enter_async_context(opened(postgres_server.url, tmp_path)) for _ in range(12))
        stores = await asyncio.gather(*opening)
        await asyncio.gather(*(store.add("acme", {"requests": 1}, "day:1") for store in stores))
        assert await stores[0].add("acme", {}, "day:1") == {"requests": 12}


async def test_passwords_never_show(postgres_server, tmp_path):
    wrong = postgres_server.url.replace(postgres_server.password, "hunter2-wrong")
    for url in (
        wrong,
        "postgresql://postgres:hunter2-wrong@127.0.0.1:1/postgres",
        "postgresql://postgres:hunter2-wrong@host.invalid/postgres",
        "host=127.0.0.1 port=1 password=hunter2-wrong",
    ):
        storage = PostgresStorage(PostgresOptions(url=Secret(url), schema=schema_of(tmp_path)))
        with pytest.raises(StorageError) as caught:
            await storage.open()
        assert "hunter2" not in "".join(traceback.format_exception(caught.value)) + repr(storage)
    assert "hunter2" not in repr(PostgresOptions(url=Secret(wrong)))


@pytest.mark.parametrize("url", ["hunter2", "host=a hunter2=b", "postgresql://user:hunter2@host:5432/db?nonsense=1"])
def test_a_url_that_is_none_is_refused_without_showing_it(url):
    with pytest.raises(ConnectorError) as caught:
        PostgresStorage(PostgresOptions(url=Secret(url)))
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("schema", ["", "Upper", 'x"; DROP', "pg_own", "a" * 64])
def test_a_schema_that_is_no_name_is_refused(schema):
    with pytest.raises(ValueError, match="expected a name"):
        PostgresOptions(schema=schema)


def test_processes_of_a_mesh_fill_a_limit_and_never_pass_it(postgres_server, tmp_path):
    storage = {
        "connector": "postgres.postgres.v1",
        "sync_policy": "periodic",
        "url": postgres_server.url,
        "schema": schema_of(tmp_path),
    }
    task = tmp_path / "task.json"
    task.write_text(json.dumps({"storage": storage, "provider": {"quota": {"requests_per_day": 100}}, "requests": 60}))
    command = [sys.executable, PROCESS, task]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROCESS.parent) for _ in range(3)]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sum(output.count("served") for output in outputs) == 100
    assert sum(output.count("refused") for output in outputs) == 80
