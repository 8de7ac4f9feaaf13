"""Processes that share a storage share one truth about what is used: exactly, through crashes and outages."""

import json
import random
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import pytest
from meshes import ask, config
from modelmesh_core import ModelMesh, NoActiveModelError, StorageError
from modelmesh_core.builtin.storage_memory import MemoryStorage
from modelmesh_core.testing import FakeUpstream, answers

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
    return ModelMesh(
        settings, environ={}, clock=upstream.clock, make_transport=upstream.make_transport, read_only=True
    )


def used(storage, **limits):
    with looking(storage, **limits) as mesh:
        return {row.measure: row.used for row in mesh.quota()}


LIMITS = {
    "requests": {"quota": {"requests_per_day": 1000}},
    "tokens": {"quota": {"tokens_per_day": 100_000}},
    "USD": {"budget": {"daily_limit": 5}},
}


@pytest.mark.parametrize(("measure", "limit"), [("requests", 1000), ("tokens", 100_000), ("USD", 5)])
def test_eight_processes_fill_a_limit_and_never_pass_it(measure, limit, tmp_path):
    storage = {"connector": "modelmesh.sqlite.v1", "sync_policy": "periodic", "path": str(tmp_path / "state.db")}
    task = {"storage": storage, "provider": LIMITS[measure], "requests": REQUESTS, "concurrency": 8}
    processes = [start(task, tmp_path, number) for number in range(PROCESSES)]
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * PROCESSES
    served = sum(output.count("served") for output in outputs)
    assert served + sum(output.count("refused") for output in outputs) == PROCESSES * REQUESTS
    amount = served * PER_REQUEST[measure]
    assert limit - ESTIMATE[measure] < amount <= limit
    assert used(storage, **LIMITS[measure]) == {measure: amount}


def test_no_kill_at_any_moment_loses_what_was_settled(tmp_path):
    storage = {"connector": "modelmesh.sqlite.v1", "sync_policy": "periodic", "path": str(tmp_path / "state.db")}
    generous = {"quota": {"requests_per_day": 10**9}, "budget": {"daily_limit": 10**6}}
    task = {"storage": storage, "provider": generous, "requests": 100_000, "concurrency": 4}
    chance, told, kills = random.Random(271828), Decimal(0), 0
    while kills < 20:
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


class Flaky(MemoryStorage):
    """A store that outlives processes, and can be out of reach."""

    outlives_process = True
    is_down = False

    async def transact(self, batch):
        if self.is_down:
            raise StorageError("the store is out of reach.")
        return await super().transact(batch)


@pytest.fixture
def flaky(monkeypatch):
    store = Flaky()
    monkeypatch.setattr("modelmesh_core.builtin.storage_memory.MemoryStorage", lambda *a, **k: store)
    return store
