"""A crowd of slow callers and slow providers does not keep the gateway from answering others."""

import asyncio
import contextlib
import json
from time import perf_counter

import httpx
from loopback import Exchange, Loopback, reply
from meshes import config

SLOW, IDLE, DRIPPING = 50, 200, 50
BODY = json.dumps({"model": "chat", "messages": [{"role": "user", "content": "Hi"}]}).encode()
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
WHOLE = json.dumps({"choices": [{"index": 0, "message": {"content": "x"}, "finish_reason": "stop"}]}).encode()


async def slowest(url: str, times: int) -> float:
    """The 99th percentile of so many looks at the gateway's health, in seconds."""
    took = []
    async with httpx.AsyncClient(base_url=url) as client:
        for _ in range(times):
            started = perf_counter()
            assert (await client.get("/health/live")).status_code == 200
            took.append(perf_counter() - started)
            await asyncio.sleep(0.005)
    return sorted(took)[int(times * 0.99) - 1]


async def test_health_is_answered_at_once_among_hundreds_of_slow_ones(serve):
    release = asyncio.Event()

    async def answer(exchange: Exchange) -> None:
        await release.wait()
        await exchange.send(reply(WHOLE, head="content-type: application/json"))

    async with Loopback(answer) as upstream:
        known = config("a.one")
        known["providers"]["a"]["base_url"] = upstream.url("/v1").rstrip("/")
        server = await asyncio.to_thread(serve, known, live=True)
        alone = await slowest(server.url, 100)
        connections = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(SLOW + IDLE + DRIPPING)]
        for _, writer in connections[:SLOW]:
            writer.write(HEAD % len(BODY) + BODY)

        async def drip(writer: asyncio.StreamWriter) -> None:
            for byte in HEAD % len(BODY) + BODY:
                writer.write(bytes([byte]))
                await asyncio.sleep(0.05)

        drips = [asyncio.create_task(drip(writer)) for _, writer in connections[-DRIPPING:]]
        while len(upstream.requests) < SLOW:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        crowded = await slowest(server.url, 200)
        release.set()
        told = [await asyncio.wait_for(reader.readuntil(b"\r\n"), 20) for reader, _ in connections[:SLOW]]
        for task in drips:
            task.cancel()
        for _, writer in connections:
            with contextlib.suppress(OSError):
                writer.close()
    assert told == [b"HTTP/1.1 200 OK\r\n"] * SLOW, "the slow ones have their answers, too"
    # What the machine itself does to a single request is no fault of the gateway's.
    assert crowded < 0.05 + 2 * alone, f"{crowded * 1000:.1f} ms, alone {alone * 1000:.1f} ms"
