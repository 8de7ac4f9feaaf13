"""What the library adds to a call: AsyncOpenAIClient → mesh → HTTP engine → a loopback server in another process.

    python benchmarks/library.py

Goals: p50 at most 0.35 ms one at a time, at least 6,000 calls a second with 32 in flight, on one core.
The bare engine beside it does the same exchange without the mesh.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import orjson
import uvloop
from modelmesh_core import HttpRequest, HttpTimeouts, ModelMesh
from modelmesh_core.transport import TransportOptions, create_transport

MESSAGES = [{"role": "user", "content": "What is the capital of France?"}]
Call = Callable[[], Awaitable[Any]]


async def measure(call: Call) -> tuple[float, float]:
    """(p50 in ms one at a time, calls a second with 32 in flight)."""
    for _ in range(300):
        await call()
    times: list[float] = []
    for _ in range(2000):
        started = perf_counter()
        await call()
        times.append(perf_counter() - started)

    async def worker(count: int) -> None:
        for _ in range(count):
            await call()

    started = perf_counter()
    await asyncio.gather(*(worker(400) for _ in range(32)))
    return statistics.median(times) * 1000, 32 * 400 / (perf_counter() - started)


async def compare(engine: str, url: str) -> None:
    transport = create_transport(engine, TransportOptions())
    body = orjson.dumps({"model": "m", "messages": MESSAGES})
    request = HttpRequest("POST", f"{url}/chat/completions", {"content-type": "application/json"}, body)
    limits = HttpTimeouts()
    config: dict[str, Any] = {
        "providers": {"a": {"connector": "modelmesh.openai-compatible.v1", "base_url": url, "api_key": "k"}},
        "models": {f"a.m{n}": {"provider": "a", "pricing": {"input": 1, "output": 2}} for n in range(3)},
        "http_engine": engine,
    }
    async with ModelMesh(config, environ={}) as mesh:
        client = mesh.get_async_client()
        bare = await measure(lambda: transport.send(request, limits))
        through = await measure(lambda: client.chat.completions.create(model="chat-completion", messages=MESSAGES))
        await mesh.engine.providers["a"].aclose()
    await transport.aclose()
    print(f"{engine:10} engine alone  p50 {bare[0]:.3f} ms   {bare[1]:8,.0f}/s")
    added = through[0] - bare[0]
    print(f"{engine:10} through mesh  p50 {through[0]:.3f} ms   {through[1]:8,.0f}/s   added {added:.3f} ms")


async def main(port: int) -> None:
    for engine in ("httptools", "pyreqwest", "httpx"):
        await compare(engine, f"http://127.0.0.1:{port}/v1")


if __name__ == "__main__":
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    upstream = Path(__file__).with_name("upstream.py")
    with subprocess.Popen([sys.executable, upstream], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        if len(cores) > 1:  # the server on one core, everything measured on another
            os.sched_setaffinity(server.pid, {cores[1]})
            os.sched_setaffinity(0, {cores[0]})
        try:
            uvloop.run(main(port))
        finally:
            server.terminate()
