"""Active probes: only where asked for, by the provider's free call."""

import asyncio

import pytest
from meshes import ask, config
from modelmesh_core.testing import FakeUpstream, answers

A, B = "https://a.test/v1", "https://b.test/v1"
LISTING = answers.Answer(200, b'{"object": "list", "data": []}', {"content-type": "application/json"})


@pytest.fixture
def broken(make_mesh, upstream: FakeUpstream):
    """a.one is on standby for errors; its models can be listed again."""

    def make(**recovery):
        upstream.script(A, [answers.error(500)])
        upstream.script(B, [answers.chat("b")])
        pool = {"recovery": recovery, "retry": {"max_attempts": 1}, "deactivation": {"retry_limit": 1}}
        mesh = make_mesh(config("a.one", "b.two", pool=pool))
        ask(mesh)
        upstream.script(A, lambda request: LISTING if request.method == "GET" else answers.chat("a"))
        upstream.requests.clear()
        return mesh

    return make


def standing(mesh):
    return mesh.pool_status()["chat"][0].status.value


def test_a_probe_brings_a_model_back_before_its_cooldown_ends(broken, upstream):
    mesh = broken(probe_interval="10s", cooldown="10m")
    assert standing(mesh) == "standby"
    upstream.clock.advance(11)
    mesh.background.run(mesh.engine.prober.round())
    assert standing(mesh) == "active"
    assert [request.method for request in upstream.requests] == ["GET"]


def test_a_probe_that_fails_changes_nothing(broken, upstream):
    mesh = broken(probe_interval="10s", cooldown="10m")
    upstream.script(A, [answers.error(503)])
    upstream.clock.advance(11)
    mesh.background.run(mesh.engine.prober.round())
    assert standing(mesh) == "standby"


def test_without_being_asked_for_nothing_is_ever_called(broken, upstream):
    mesh = broken(cooldown="10m")
    for _ in range(5):
        upstream.clock.advance(100)
        mesh.background.run(mesh.engine.prober.round())
    mesh.background.run(mesh.engine.prober.start())
    assert upstream.requests == []


def test_probe_on_start_asks_once(broken, upstream):
    mesh = broken(probe_on_start=True, cooldown="10m")
    mesh.background.run(mesh.engine.prober.start())
    assert standing(mesh) == "active"
    assert len(upstream.requests) == 1


async def test_only_one_probe_goes_through_at_a_time(upstream: FakeUpstream):
    from modelmesh_core import ModelMesh

    pool = {"retry": {"max_attempts": 1}, "deactivation": {"retry_limit": 1}, "strategy": "priority-selection"}
    settings = config("a.one", "b.two", pool={**pool, "model_priority": ["a.one"]})
    upstream.script(A, [answers.error(500)])
    upstream.script(B, lambda request: answers.chat("b"))
    async with ModelMesh(settings, clock=upstream.clock, make_transport=upstream.make_transport, environ={}) as mesh:
        client = mesh.get_async_client()

        async def one():
            return await client.chat.completions.create(model="chat", messages=[{"role": "user", "content": "x"}])

        await one()
        upstream.clock.advance(61)
        upstream.requests.clear()
        upstream.script(A, lambda request: answers.chat("a"))
        replies = await asyncio.gather(*(one() for _ in range(20)))
        assert sum(reply.modelmesh.model == "a.one" for reply in replies) == 1
        assert (await one()).modelmesh.model == "a.one"
