"""A caller who goes away: the provider's socket is closed at once, and what was used is settled."""

import asyncio
from time import monotonic

import httpx
import pytest
from faulty import MESSAGES, configuration, until
from modelmesh_core import ModelMesh
from modelmesh_core.gateway import ProxyServer

AT_ONCE = 0.1


@pytest.fixture(params=["httpx", "httptools"])
def engine(request):
    """Those that can close a socket before the response's head has come."""
    return request.param


def patient(engine, providers, **pool):
    made = {**configuration(providers, **pool), "http_engine": engine}
    for entry in made["providers"].values():
        entry["timeout"] = {"first_byte": 30.0, "idle": 30.0}
    made["pools"]["chat"]["retry"].pop("ttft_timeout")
    made["pools"]["chat"]["deadline"] = 60.0
    return made


@pytest.mark.anyio
@pytest.mark.parametrize("fault", ["silent", "head-then-silent", "slow-head"])
async def test_a_task_that_is_cancelled_before_the_answer(engine, fault, first):
    first.fault = fault
    async with ModelMesh(patient(engine, {"first": first}), environ={}) as mesh:
        chat = mesh.get_async_client().chat.completions
        task = asyncio.create_task(chat.create(model="chat", messages=MESSAGES))
        await until(lambda: first.requests)
        await asyncio.sleep(0.05)
        left = monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: first.requests[0].client_closed_at)
        assert first.requests[0].client_closed_at - left < AT_ONCE
        assert mesh.get_router().in_flight == 0
        assert mesh.pool_status()["chat"][0].in_flight == 0


@pytest.mark.anyio
@pytest.mark.parametrize("fault", ["stream-stall", "slow-first-token", "comments-only"])
async def test_a_stream_that_is_left(engine, fault, first):
    first.fault = fault
    async with ModelMesh(patient(engine, {"first": first}), environ={}) as mesh:
        chat = mesh.get_async_client().chat.completions

        async def listen():
            async for _ in await chat.create(model="chat", messages=MESSAGES, stream=True):
                pass

        task = asyncio.create_task(listen())
        await until(lambda: first.requests)
        await asyncio.sleep(0.1)
        left = monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: first.requests[0].client_closed_at)
        assert first.requests[0].client_closed_at - left < AT_ONCE
        assert mesh.get_router().in_flight == 0
        assert mesh.pool_status()["chat"][0].in_flight == 0


@pytest.mark.parametrize("fault", ["silent", "stream-stall", "slow-first-token"])
def test_a_caller_of_the_gateway_who_hangs_up(engine, fault, first):
    first.fault = fault
    records = []
    mesh = ModelMesh(patient(engine, {"first": first}), environ={})
    server = ProxyServer(mesh, port=0).start()
    try:
        body = {"model": "chat", "messages": MESSAGES, "stream": fault != "silent"}
        with (
            httpx.Client(base_url=server.url, timeout=0.5) as client,
            pytest.raises(httpx.ReadTimeout),
            client.stream("POST", "/v1/chat/completions", json=body) as response,
        ):
            for piece in response.iter_bytes():
                records.append(piece)
        left = monotonic()
        assert first.wait_until_idle(2.0)
        assert first.requests[0].ended == "client-closed"
        assert first.requests[0].client_closed_at - left < AT_ONCE
        deadline = monotonic() + 2
        while mesh.get_router().in_flight and monotonic() < deadline:
            pass  # the settlement follows the closing of the socket
        assert mesh.get_router().in_flight == 0
        assert mesh.pool_status()["chat"][0].in_flight == 0
    finally:
        server.stop()


@pytest.mark.anyio
async def test_a_caller_who_leaves_while_another_model_takes_the_answer_up(engine, first, second):
    first.fault, second.fault = "stream-cut", "slow-first-token"
    async with ModelMesh(patient(engine, {"first": first, "second": second}), environ={}) as mesh:
        stream = await mesh.get_async_client().chat.completions.create(model="chat", messages=MESSAGES, stream=True)

        async def listen():
            async for _ in stream:
                pass

        task = asyncio.create_task(listen())
        await until(lambda: second.requests)
        await asyncio.sleep(0.05)
        left = monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: second.requests[0].client_closed_at)
        assert second.requests[0].client_closed_at - left < AT_ONCE
        assert mesh.get_router().in_flight == 0
        assert [attempt.status for attempt in stream.modelmesh.attempts] == ["failed", "cancelled"]
        assert all(snapshot.in_flight == 0 for snapshot in mesh.pool_status()["chat"])
