"""A second attempt beside a slow first one: who wins, who is cancelled, and what both cost."""

import asyncio
from time import monotonic

import pytest
from faulty import EXPECTED, MESSAGES, configuration, until
from modelmesh_core import ModelMesh
from modelmesh_core.testing import FaultyProvider

SLOW = 0.25
HEDGE = {"after": 0.05, "max_share": 1.0}


@pytest.fixture
def open_mesh():
    opened = []

    def make(providers, **pool):
        made = configuration(providers, **pool)
        for entry in made["providers"].values():
            entry["timeout"] = {"connect": 1.0, "first_byte": 5.0, "idle": 5.0}
        made["pools"]["chat"]["retry"].pop("ttft_timeout")
        opened.append(ModelMesh(made, environ={}).initialize())
        return opened[-1]

    yield make
    for mesh in opened:
        mesh.shutdown()


def ask(mesh, **more):
    return mesh.get_client().chat.completions.create(model="chat", messages=MESSAGES, **more)


def test_the_faster_answer_wins_and_the_slower_call_is_closed(first, second, open_mesh):
    first.latency = 3.0
    mesh = open_mesh({"first": first, "second": second}, hedge=HEDGE)
    started = monotonic()
    reply = ask(mesh)
    took = monotonic() - started

    assert reply.choices[0].message.content == EXPECTED
    assert took < 2.0
    record = reply.modelmesh
    assert (record.model, record.replaced_model, record.hedges) == ("second.model", "first.model", 1)
    assert [(attempt.status, attempt.is_hedge) for attempt in record.attempts] == [
        ("cancelled", False),
        ("success", True),
    ]
    assert all(attempt.usage is not None for attempt in record.attempts), "both are accounted for"
    assert first.wait_until_idle(1.0)
    assert first.requests[0].client_closed_at - second.requests[0].ended_at < 0.1
    assert all(snapshot.in_flight == 0 for snapshot in mesh.pool_status()["chat"])
    assert mesh.pool_status()["chat"][0].consecutive_failures == 0, "slow is no failure"


def test_the_first_token_of_a_stream_wins(first, second, open_mesh):
    first.latency = 3.0
    mesh = open_mesh({"first": first, "second": second}, hedge=HEDGE)
    stream = ask(mesh, stream=True)
    said = "".join(choice.delta.content or "" for chunk in stream for choice in chunk.choices)
    assert said == EXPECTED
    assert stream.modelmesh.model == "second.model"
    assert first.wait_until_idle(1.0)
    assert first.requests[0].ended == "client-closed"


def test_a_first_attempt_that_is_fast_enough_stays_alone(first, second, open_mesh):
    mesh = open_mesh({"first": first, "second": second}, hedge={"after": 2.0, "max_share": 1.0})
    assert ask(mesh).modelmesh.hedges == 0
    assert second.requests == []


def test_the_slow_first_still_wins_where_the_second_fails(first, second, open_mesh):
    first.latency = SLOW
    second.fault = "http-500"
    mesh = open_mesh({"first": first, "second": second}, hedge=HEDGE)
    record = ask(mesh).modelmesh
    assert record.model == "first.model"
    assert [attempt.status for attempt in record.attempts] == ["success", "failed"]
    assert record.attempts[1].follow_up == "the other attempt goes on"


def test_when_both_fail_the_request_goes_on_as_after_any_failure(first, second, open_mesh):
    first.latency = SLOW
    first.fault = second.fault = "http-500"
    with FaultyProvider() as third:
        mesh = open_mesh({"first": first, "second": second, "third": third}, hedge=HEDGE)
        reply = ask(mesh)
    assert reply.choices[0].message.content == EXPECTED
    record = reply.modelmesh
    assert record.hedges >= 1
    assert record.model == "third.model"
    assert {attempt.model for attempt in record.attempts if attempt.status == "failed"} == {
        "first.model",
        "second.model",
    }
    assert mesh.get_router().in_flight == 0


def test_the_share_of_second_attempts_is_bounded(first, second, open_mesh):
    first.latency = 0.1
    mesh = open_mesh({"first": first, "second": second}, hedge={"after": 0.01, "max_share": 0.1})
    for _ in range(20):
        ask(mesh)
    assert 1 <= len(second.requests) <= 1 + 20 * 0.1


def test_p95_of_the_model_is_waited_for_once_it_is_known(first, second, open_mesh):
    mesh = open_mesh({"first": first, "second": second}, hedge={"after": "p95", "max_share": 1.0})
    first.latency = SLOW
    ask(mesh)
    assert second.requests == [], "nothing is known yet"
    first.latency = 0.0
    for _ in range(200):
        ask(mesh)
    before = len(second.requests)
    first.latency = 1.0
    assert ask(mesh).modelmesh.model == "second.model"
    assert len(second.requests) == before + 1


@pytest.mark.anyio
async def test_a_caller_who_leaves_closes_both_calls(first, second):
    first.latency = second.latency = 5.0
    made = configuration({"first": first, "second": second}, hedge=HEDGE)
    for entry in made["providers"].values():
        entry["timeout"] = {"first_byte": 20.0}
    async with ModelMesh(made, environ={}) as mesh:
        chat = mesh.get_async_client().chat.completions
        task = asyncio.create_task(chat.create(model="chat", messages=MESSAGES))
        await until(lambda: second.requests)
        left = monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(first.wait_until_idle, 1.0)
        assert await asyncio.to_thread(second.wait_until_idle, 1.0)
        assert first.requests[0].client_closed_at - left < 0.1
        assert second.requests[0].client_closed_at - left < 0.1
        assert mesh.get_router().in_flight == 0
