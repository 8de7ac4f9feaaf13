"""Sinks of strangers: those that count requests, those that take lines, and those that fail at it."""

import asyncio
import json

from meshes import ask, config
from modelmesh_core import (
    ConnectorRegistry,
    DecisionRecord,
    ObservabilityConnector,
    ObservabilitySink,
    RequestCounter,
)
from modelmesh_core.observability.queue import SinkQueue
from modelmesh_core.observability.request_log import RequestLogger
from modelmesh_core.testing import answers

A = "https://a.test/v1"


class Counting(ObservabilitySink, RequestCounter):
    """Counts by model; keeps what came as an entry."""

    def __init__(self, options=None):
        self.models, self.entries = [], []

    def count(self, records):
        self.models += [record.model for record in records]

    async def write(self, entries):
        self.entries += entries


class Failing(Counting):
    def count(self, records):
        raise ValueError("cannot count")


class Lines(ObservabilitySink):
    takes_lines = True

    def __init__(self, options=None):
        self.lines = []

    async def write(self, entries):
        self.lines += entries


def registry_of(**sinks):
    registry = ConnectorRegistry()
    for name, sink in sinks.items():
        wants = frozenset({"event", "request"}) if isinstance(sink, RequestCounter) else frozenset()
        registry.register(ObservabilityConnector(id=f"test.{name}.v1", create=lambda _, sink=sink: sink, wants=wants))
    return registry


def named(*sinks):
    return {"connector": [{"connector": f"test.{name}.v1"} for name in sinks]}


def test_a_counter_gets_each_request_once_and_no_entry_of_it(make_mesh, upstream):
    upstream.script(A, [answers.chat()])
    counting = Counting()
    settings = {"logging": named("counting"), "statistics": named("counting")}
    mesh = make_mesh(config("a.one", observability=settings), registry=registry_of(counting=counting))
    for _ in range(40):
        ask(mesh)
    mesh.shutdown()
    assert counting.models == ["a.one"] * 40
    assert [entry for entry in counting.entries if entry["type"] == "request"] == []


def test_a_counter_that_fails_costs_only_itself(make_mesh, upstream, caplog):
    upstream.script(A, [answers.chat()])
    failing, counting, lines = Failing(), Counting(), Lines()
    settings = {"logging": named("failing", "counting", "lines")}
    registry = registry_of(failing=failing, counting=counting, lines=lines)
    mesh = make_mesh(config("a.one", observability=settings), registry=registry)
    ask(mesh)
    assert mesh.stats()["model"]["a.one"]["success"] == 1
    assert mesh.get_observability().dropped["test.failing.v1"] == 1
    mesh.shutdown()
    assert counting.models == ["a.one"]
    assert len(lines.lines) == 1
    assert "test.failing.v1 failed (1 times): cannot count" in caplog.text


def test_a_sink_of_lines_gets_lines(make_mesh, upstream):
    upstream.script(A, [answers.chat()])
    lines = Lines()
    mesh = make_mesh(config("a.one", observability={"logging": named("lines")}), registry=registry_of(lines=lines))
    ask(mesh)
    mesh.shutdown()
    (line,) = lines.lines
    assert line.endswith(b"}\n")
    assert json.loads(line)["model"] == "a.one"


def test_calls_that_are_closed_after_their_loop_has_ended_are_counted(make_mesh, upstream):
    upstream.script(A, [answers.hang()])
    mesh = make_mesh(config("a.one"))
    messages = [{"role": "user", "content": "Hi"}]
    calls = [mesh.get_async_client().chat.completions.create(model="chat", messages=messages) for _ in range(40)]

    async def begin():
        for call in calls:
            call.send(None)

    asyncio.run(begin())
    for call in calls:
        call.close()
    assert mesh.stats()["pool"]["chat"]["cancelled"] == 40


async def test_of_requests_that_end_together_a_full_queue_takes_those_that_fit():
    lines = Lines()
    queue = SinkQueue("test.lines.v1", lines, capacity=3)
    logger = RequestLogger([queue])
    logger.log([ended("req_1"), ended("req_2")])
    logger.log([ended("req_3"), ended("req_4"), ended("req_5")])
    assert (queue.waiting, queue.dropped) == (3, 2)
    await queue.flush()
    logger.log([ended("req_6")])
    await queue.flush()
    assert [json.loads(line)["request_id"] for line in lines.lines] == ["req_1", "req_2", "req_3", "req_6"]
    assert queue.dropped == 2


def ended(request_id):
    return DecisionRecord(request_id, "chat", "chat", "synchronous", 100.0, ended=101.0)
