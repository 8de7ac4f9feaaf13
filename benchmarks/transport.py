"""What an HTTP call costs: through the transport on each engine, and the same exchange on the bare libraries.

    python benchmarks/transport.py [calls]

The server runs in another process (benchmarks/upstream.py). Rounds alternate, and the ratio of each pair is taken,
since absolute figures drift on a shared machine. The bare libraries have no limits to keep and read a body of any
length; of the engine httptools there is no bare one. CPU time is that of this process, with all its threads.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter, process_time

import attrs
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


@attrs.define
class Figures:
    """Of one way to call, a figure a round."""

    per_second: list[float] = attrs.field(factory=list[float])
    cpu: list[float] = attrs.field(factory=list[float])
    """Microseconds a call, many in flight."""
    p50: list[float] = attrs.field(factory=list[float])
    """Milliseconds, one at a time."""


async def measure(call: Call, count: int, figures: Figures) -> None:
    cpu = process_time()
    figures.per_second.append(await calls_per_second(call, count))
    figures.cpu.append((process_time() - cpu) / count * 1e6)
    figures.p50.append(await median_ms(call, count // 20))


def ratio(one: list[float], other: list[float]) -> float:
    return statistics.median(first / second for first, second in zip(one, other, strict=True))


async def main(count: int, url: str) -> None:
    ways: dict[str, tuple[Call, int]] = {
        "httpx": (through_transport("httpx", url), count // 10),
        "httpx, bare": (bare_httpx(url), count // 10),
        "pyreqwest": (through_transport("pyreqwest", url), count),
        "pyreqwest, bare": (bare_pyreqwest(url), count),
        "httptools": (through_transport("httptools", url), count),
    }
    figures = {name: Figures() for name in ways}
    for number in range(ROUNDS + 1):
        for name, (call, calls) in ways.items():
            await measure(call, calls, Figures() if number == 0 else figures[name])  # the first round warms up
    print("                    calls/s   CPU µs   p50 ms      against httpx: calls/s   CPU   p50")
    for name, own in figures.items():
        base = figures["httpx"]
        absolute = [statistics.median(column) for column in (own.per_second, own.cpu, own.p50)]
        ratios = [ratio(own.per_second, base.per_second), ratio(own.cpu, base.cpu), ratio(own.p50, base.p50)]
        print("{:16} {:10.0f} {:8.0f} {:8.3f} {:28.2f} {:6.3f} {:5.2f}".format(name, *absolute, *ratios))


if __name__ == "__main__":
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 8000
    command = [sys.executable, str(Path(__file__).with_name("upstream.py"))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            uvloop.run(main(calls, f"http://127.0.0.1:{server.stdout.readline().strip()}/v1/chat/completions"))
        finally:
            server.terminate()
