"""What the transport adds to its engine: a call through it, and the same exchange on the bare engine.

The engine httptools is all our own, so there is no bare one; it is compared with httpx and pyreqwest, through the
transport, instead. The CPU time is that of this process with all its threads.

    python benchmarks/transport.py [calls]

The server runs in another process (benchmarks/upstream.py). Rounds alternate, and the ratio of each pair is taken,
since absolute figures drift on a shared machine. The bare engines have no limits to keep and read a body of any length.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter

import httpx
import orjson
import uvloop
from modelmesh_core import HttpRequest, HttpTimeouts
from modelmesh_core.transport import TransportOptions, create_transport
from pyreqwest.client import ClientBuilder

HEADERS = {"content-type": "application/json", "authorization": "Bearer sk-0123456789"}
BODY = orjson.dumps({"model": "m", "messages": [{"role": "user", "content": "What is the capital of France? " * 10}]})
IN_FLIGHT = 32
ROUNDS = 5

Call = Callable[[], Awaitable[object]]


async def calls_per_second(call: Call, count: int) -> float:
    async def worker() -> None:
        for _ in range(count // IN_FLIGHT):
            await call()

    started = perf_counter()
    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
    return count / (perf_counter() - started)


async def median_ms(call: Call, count: int) -> float:
    """One call at a time."""
    times: list[float] = []
    for _ in range(count):
        started = perf_counter()
        await call()
        times.append(perf_counter() - started)
    return statistics.median(times) * 1000


def bare_pyreqwest(url: str) -> Call:
    client = ClientBuilder().no_proxy().build()

    async def call() -> bytes:
        response = await client.post(url).headers(HEADERS).body_bytes(BODY).build().send()
        return (await response.bytes()).to_bytes()

    return call


def bare_httpx(url: str) -> Call:
    limits = httpx.Limits(max_connections=1000, max_keepalive_connections=50, keepalive_expiry=60)
    client = httpx.AsyncClient(limits=limits, timeout=600, trust_env=False)

    async def call() -> bytes:
        return (await client.post(url, headers=HEADERS, content=BODY)).content

    return call


def through_transport(engine: str, url: str) -> Call:
    transport = create_transport(engine, TransportOptions())
    request, timeouts = HttpRequest("POST", url, HEADERS, BODY), HttpTimeouts()
    return lambda: transport.send(request, timeouts)


async def compare(name: str, bare: Call, ours: Call, count: int) -> None:
    speeds: list[tuple[float, float]] = []
    medians: list[tuple[float, float]] = []
    for _ in range(ROUNDS + 1):
        speeds.append((await calls_per_second(bare, count), await calls_per_second(ours, count)))
        medians.append((await median_ms(bare, count // 20), await median_ms(ours, count // 20)))
    for what, pairs in (("calls/s", speeds[1:]), ("p50 ms", medians[1:])):  # the first round is for warming up
        first, second = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratio = statistics.median(two / one for one, two in pairs)
        print(f"{name:10} {what:8} bare {first:9.3f}   through the transport {second:9.3f}   ratio {ratio:.2f}")


async def main(count: int, url: str) -> None:
    await compare("pyreqwest", bare_pyreqwest(url), through_transport("pyreqwest", url), count)
    await compare("httpx", bare_httpx(url), through_transport("httpx", url), count // 10)


if __name__ == "__main__":
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 8000
    command = [sys.executable, str(Path(__file__).with_name("upstream.py"))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            uvloop.run(main(calls, f"http://127.0.0.1:{server.stdout.readline().strip()}/v1/chat/completions"))
        finally:
            server.terminate()
