"""Processes that share a storage share one truth about what is used: exactly, through crashes and outages."""

import contextlib
import json
import random
import signal
import subprocess
import sys
import time
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from meshes import ask, config
from modelmesh_core import (
    ConnectorRegistry,
    ModelMesh,
    ModelMeshError,
    NoActiveModelError,
    StorageConnector,
    StorageError,
)
from modelmesh_core.builtin.storage_memory import MemoryStorage
from modelmesh_core.testing import FakeUpstream, answers
from servers import PostgresServer, RedisServer

PROCESS = Path(__file__).parents[1] / "support" / "ledger_process.py"
PROCESSES, REQUESTS = 8, 2000
PER_REQUEST = {"requests": 1, "tokens": 100, "USD": Decimal("0.01")}
ESTIMATE = {"requests": 1, "tokens": 130, "USD": Decimal("0.013")}
"""At least what one request in flight is expected to use."""


def start(task, folder, number):
    file = folder / f"task-{number}.json"
    file.write_text(json.dumps(task))
    return subprocess.Popen([sys.executable, PROCESS, file], stdout=subprocess.PIPE, text=True, cwd=PROCESS.parent)


def looking(storage, **limits):
    settings = config("a.one", storage=storage)
    settings["models"]["a.one"]["pricing"] = {"input": 100, "output": 100}
    settings["providers"]["a"].update(limits)
    upstream = FakeUpstream()
    return ModelMesh(settings, environ={}, clock=upstream.clock, make_transport=upstream.make_transport, read_only=True)


def used(storage, **limits):
    with looking(storage, **limits) as mesh:
        return {row.measure: row.used for row in mesh.quota()}


LIMITS = {
    "requests": {"quota": {"requests_per_day": 1000}},
    "tokens": {"quota": {"tokens_per_day": 100_000}},
    "USD": {"budget": {"daily_limit": 5}},
}


@pytest.fixture(scope="module")
def servers():
    """Real ones, started when first asked for."""
    with contextlib.ExitStack() as running:
        started = {}

        def url(kind):
            if kind not in started:
                started[kind] = running.enter_context(kind())
            return started[kind].url

        yield url


@pytest.fixture
def storage_of(servers, tmp_path):
    """The section ``storage`` for a store by its name; each test has a place of its own in it."""

    def make(store):
        own = f"t{abs(hash(tmp_path.name)) % 10**8}"
        if store == "redis":
            return {"connector": "redis.redis.v1", "url": servers(RedisServer), "prefix": own}
        if store == "postgres":
            return {"connector": "postgres.postgres.v1", "url": servers(PostgresServer), "schema": own}
        return {"connector": "modelmesh.sqlite.v1", "path": str(tmp_path / "state.db")}

    return make


@pytest.mark.parametrize("store", ["sqlite", "redis", "postgres"])
@pytest.mark.parametrize(("measure", "limit"), [("requests", 1000), ("tokens", 100_000), ("USD", 5)])
def test_eight_processes_fill_a_limit_and_never_pass_it(measure, limit, store, storage_of, tmp_path):
    storage = {"sync_policy": "periodic", **storage_of(store)}
    task = {"storage": storage, "provider": LIMITS[measure], "requests": REQUESTS, "concurrency": 8}
    processes = [start(task, tmp_path, number) for number in range(PROCESSES)]
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * PROCESSES
    served = sum(output.count("served") for output in outputs)
    assert served + sum(output.count("refused") for output in outputs) == PROCESSES * REQUESTS
    amount = served * PER_REQUEST[measure]
    assert limit - ESTIMATE[measure] < amount <= limit
    assert used(storage, **LIMITS[measure]) == {measure: amount}


@pytest.mark.parametrize("part", range(4))
def test_no_kill_at_any_moment_loses_what_was_settled(part, tmp_path):
    storage = {"connector": "modelmesh.sqlite.v1", "sync_policy": "periodic", "path": str(tmp_path / "state.db")}
    generous = {"quota": {"requests_per_day": 10**9}, "budget": {"daily_limit": 10**6}}
    task = {"storage": storage, "provider": generous, "requests": 100_000, "concurrency": 4}
    chance, told, kills = random.Random(part), Decimal(0), 0
    while kills < 50:
        processes = [start(task, tmp_path, number) for number in range(2)]
        for process in processes:
            assert process.stdout.readline().startswith("served")
        time.sleep(chance.random() * 0.2)  # real processes are killed at real moments
        for process in processes:
            process.send_signal(signal.SIGKILL)
            kills += 1
        for process in processes:
            lines = process.communicate()[0].split("\n")[:-1]
            told += sum((Decimal(line.split()[1]) for line in lines if line.startswith("served ")), Decimal("0.01"))
        found = used(storage, **generous)
        assert found["USD"] >= told, "an answer was given whose cost is not there"
    settled = found["USD"]
    # What the dead had reserved is at most their requests in flight, each answered or not.
    assert settled <= told + kills * 4 * 2 * ESTIMATE["USD"]


class Store(MemoryStorage):
    """A store that outlives processes and is shared by them, and can be out of reach."""

    outlives_process = shared = True

    def __init__(self):
        super().__init__()
        self.is_down = False

    async def close(self):
        pass

    async def transact(self, batch):
        if self.is_down:
            raise StorageError("the store is out of reach.")
        return await super().transact(batch)


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def replica(store):
    """Makes meshes that share ``store``, each over an upstream that answers."""
    made = []

    def make(policy="local-share", limit=10, **provider):
        registry = ConnectorRegistry()
        registry.register(StorageConnector("acme.shared.v1", lambda options: store))
        settings = config("a.one", storage={"connector": "acme.shared.v1", "on_storage_failure": policy})
        settings["storage"]["sync_policy"], settings["storage"]["sync_interval"] = "periodic", 0.02
        settings["models"]["a.one"]["pricing"] = {"input": 100, "output": 100}
        settings["providers"]["a"].update(provider or {"quota": {"requests_per_day": limit}})
        upstream = FakeUpstream()
        upstream.script("https://a.test/v1", [answers.chat("ok")])
        mesh = ModelMesh(
            settings,
            registry=registry,
            environ={},
            clock=upstream.clock,
            make_transport=upstream.make_transport,
        ).initialize()
        mesh.upstream = upstream
        made.append(mesh)
        return mesh

    yield make
    for mesh in made:
        mesh.shutdown()


def served(mesh, times):
    """How many of ``times`` requests are answered."""
    count = 0
    for _ in range(times):
        with contextlib.suppress(NoActiveModelError):
            ask(mesh)
            count += 1
    return count


def eventually(check):
    deadline = time.monotonic() + 5
    while not (seen := check()) and time.monotonic() < deadline:
        time.sleep(0.01)  # the background loops are at work
    return seen


def test_replicas_fill_one_limit_together(replica):
    first, second = replica(), replica()
    assert (served(first, 6), served(second, 6), served(first, 6)) == (6, 4, 0)


def test_without_the_store_each_replica_keeps_to_its_share_of_what_was_left(replica, store):
    first, second = replica(limit=25), replica(limit=25)
    assert served(first, 5) == 5
    ledgers = [mesh._states.ledger for mesh in (first, second)]
    assert eventually(lambda: all(ledger.shared.replicas == 2 for ledger in ledgers))
    assert served(second, 1) == 1
    assert eventually(lambda: all(mesh.quota()[0].used == 6 for mesh in (first, second)))
    store.is_down = True
    assert (served(first, 20), served(second, 20)) == (9, 9), "19 were left"
    store.is_down = False
    assert eventually(lambda: all(ledger.shared.is_reachable for ledger in ledgers))
    assert eventually(lambda: all(mesh.quota()[0].used == 24 for mesh in (first, second))), "they caught up"
    assert served(first, 5) == 1


def test_without_the_store_nothing_bound_is_let_through_if_so_told(replica, store):
    mesh = replica("deny")
    assert served(mesh, 2) == 2
    store.is_down = True
    with pytest.raises(NoActiveModelError, match="ledger cannot be reached, and on_storage_failure is deny"):
        ask(mesh)
    store.is_down = False
    assert eventually(lambda: served(mesh, 1) == 1)
    assert mesh.quota()[0].used == 3


def test_without_the_store_each_process_counts_by_itself_if_so_told(replica, store):
    first, second = replica("allow"), replica("allow")
    store.is_down = True
    assert (served(first, 20), served(second, 20)) == (10, 10)


def test_what_one_replica_learns_of_a_model_the_others_know(replica):
    first, second = replica(limit=1000), replica(limit=1000)
    first.upstream.script("https://a.test/v1", [answers.error(429, retry_after="3000")])
    with contextlib.suppress(ModelMeshError):
        ask(first)
    assert eventually(lambda: second.pool_status()["chat"][0].status.value == "standby")
    assert second.pool_status()["chat"][0].until == first.pool_status()["chat"][0].until


def test_an_alert_fires_once_for_all_replicas(replica):
    meshes = [replica(budget={"daily_limit": "0.02", "alert_threshold": 0.5}) for _ in range(2)]
    alerts = []
    for mesh in meshes:
        mesh.subscribe(alerts.append, "budget_alert")
    for mesh in meshes * 4:
        ask(mesh, max_tokens=5)
    for mesh in meshes:
        mesh.shutdown()
    assert len(alerts) == 1


def test_replicas_whose_clocks_are_two_seconds_apart_fill_each_window_once(replica):
    early, late = (replica(quota={"requests_per_minute": 10}) for _ in range(2))
    boundary = (early.clock.now() // 60 + 2) * 60
    for mesh, moment in ((early, boundary - 10), (late, boundary - 12)):
        mesh.upstream.clock.advance(moment - mesh.clock.now())
    assert served(early, 6) == 6
    early.upstream.clock.advance(11)  # in the next minute already
    late.upstream.clock.advance(11)  # not yet
    assert served(late, 20) == 4, "four were left of the minute that only the other one has left"
    assert served(early, 7) == 7
    late.upstream.clock.advance(2)
    assert served(late, 20) == 3
    assert served(early, 5) == 0


def test_a_day_of_the_providers_time_zone_begins_for_all_replicas_at_once(replica):
    """On a night that daylight saving makes an hour longer."""
    meshes = [replica(quota={"requests_per_day": 5, "timezone": "Europe/Berlin"}) for _ in range(2)]
    midnight = datetime(2026, 10, 26, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()  # the day before has 25 hours
    for mesh in meshes:
        mesh.upstream.clock.advance(midnight - 24.5 * 3600 - mesh.clock.now())
    assert (served(meshes[0], 3), served(meshes[1], 9)) == (3, 2)
    for mesh in meshes:
        mesh.upstream.clock.advance(24 * 3600)
    assert (served(meshes[0], 1), served(meshes[1], 1)) == (0, 0), "half an hour of that day is left"
    for mesh in meshes:
        mesh.upstream.clock.advance(3600)
    assert (served(meshes[1], 3), served(meshes[0], 9)) == (3, 2)


def test_replicas_that_run_different_configurations_say_so_once(replica, caplog):
    replica(limit=10)
    replica(limit=10)
    time.sleep(0.2)  # they have heard each other several times
    assert "another configuration" not in caplog.text
    replica(limit=20)
    assert eventually(lambda: caplog.text.count("runs another configuration") >= 3)
    time.sleep(0.2)
    assert caplog.text.count("runs another configuration") == 3, "the two of one version, and the third, once each"
