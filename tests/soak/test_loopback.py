"""The same siege over real sockets, many requests at once: nothing is left open, and nothing is half true."""

import asyncio
import gc
import json
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random
from time import monotonic

import pytest
from faulty import configuration, until
from modelmesh_core import ModelMesh, ModelMeshError
from modelmesh_core.testing import FAULTS, FaultyProvider, answer_to, embedding_of, tool_arguments_for

REQUESTS = 3_000
AT_ONCE = 32
DEADLINE = 6.0
SEED = 7
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
HUGE = {"giant-body", "endless-header", "stream-giant-event"}
LASTING = ("retry-after", "429", "410", "40")
"""Parts of names of faults after which a provider is left alone for seconds: the siege would wait for them only."""
ELSEWHERE = [
    fault
    for fault in FAULTS.values()
    if fault.remedy != "caller"
    and fault.name not in HUGE
    and not (fault.refuses or fault.phase == "slow" or any(part in fault.name for part in LASTING))
]


def chooser(random):
    """One request in eight meets a fault, of any kind that another model can mend, wherever it breaks."""

    def choose(request):
        if random.random() > 1 / 8:
            return None
        return random.choice(ELSEWHERE).after(random.randint(0, 12))

    return choose


async def one(client, kind, number):
    """One request: ``whole``, or ``error``; what is neither is a failed assertion."""
    prompt = f"question {number}"
    body = {"messages": [{"role": "user", "content": prompt}]}
    chat = client.chat.completions
    try:
        if kind == "embeddings":
            reply = await client.embeddings.create(model="embeddings", input=prompt)
            assert reply.data[0].embedding == embedding_of(prompt)
        elif kind == "chat":
            reply = await chat.create(model="chat", **body)
            assert reply.choices[0].message.content == answer_to(body)
        elif kind == "tools":
            reply = await chat.create(model="chat", tools=[TOOL], **body)
            (call,) = reply.choices[0].message.tool_calls
            assert json.loads(call.function.arguments) == tool_arguments_for(body)
        elif kind == "left":
            async for _ in await chat.create(model="chat", stream=True, **body):
                return "left"
        else:
            await streamed(chat, body)
    except ModelMeshError:
        return "error"
    return "whole"


async def streamed(chat, body):
    said = ""
    try:
        async for chunk in await chat.create(model="chat", stream=True, **body):
            said += "".join(choice.delta.content or "" for choice in chunk.choices)
    except ModelMeshError:
        assert answer_to(body).startswith(said)
        raise
    assert said == answer_to(body)


def open_sockets():
    """Of this process."""
    found = 0
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            found += "socket" in str(link.readlink())
    return found


def made(providers):
    config = configuration(providers, deadline=DEADLINE)
    for name in providers:
        config["models"][f"{name}.vectors"] = {"provider": name, "capabilities": ["text-embeddings"]}
    config["pools"]["chat"].update(
        strategy="modelmesh.round-robin.v1",
        recovery={"cooldown": 0.05, "max_cooldown": 0.1},
        deactivation={"retry_limit": 4},
        provider_deactivation=[],
    )
    retry = {"max_attempts": 2, "max_rotations": 3, "initial_delay": 0.005, "max_delay": 0.1, "ttft_timeout": 2.0}
    config["pools"]["chat"]["retry"] = retry
    config["pools"]["embeddings"] = {**config["pools"]["chat"], "capability": "text-embeddings"}
    return config


@pytest.mark.anyio
async def test_a_siege_over_real_sockets_leaves_nothing_behind():
    random, outcomes, slowest = Random(SEED), Counter(), 0.0
    with FaultyProvider() as a, FaultyProvider() as b, FaultyProvider() as c:
        providers = {"a": a, "b": b, "c": c}
        for number, provider in enumerate(providers.values()):
            provider.choose = chooser(Random(number))
        sockets = open_sockets()
        async with ModelMesh(made(providers), environ={}, random=Random(1)) as mesh:
            client = mesh.get_async_client()
            gate = asyncio.Semaphore(AT_ONCE)

            async def run(number):
                nonlocal slowest
                kind = random.choice(("chat", "stream", "stream", "tools", "embeddings", "left"))
                async with gate:
                    started = monotonic()
                    outcome = await one(client, kind, number)
                    outcomes[kind, outcome] += 1
                    slowest = max(slowest, monotonic() - started)
                    if outcome == "error":
                        await asyncio.sleep(0.05)  # who is refused at once does not come back at once

            async with asyncio.timeout(120):
                await asyncio.gather(*(run(number) for number in range(REQUESTS)))
            gc.collect()
            router = mesh.get_router()
            await until(lambda: router.in_flight == 0)
            for provider in providers.values():
                assert await asyncio.to_thread(provider.wait_until_idle, 5.0)
            assert all(snapshot.in_flight == 0 for pool in mesh.pool_status().values() for snapshot in pool)
            assert len(asyncio.all_tasks()) < 10
        calls = sum(len(provider.requests) for provider in providers.values())
    whole = sum(count for (_, outcome), count in outcomes.items() if outcome in ("whole", "left"))
    assert whole > 0.97 * REQUESTS, (outcomes, calls, slowest)
    assert calls < 2 * REQUESTS, "an outage is not amplified"
    assert slowest < DEADLINE + 1
    await until(lambda: open_sockets() <= sockets)
