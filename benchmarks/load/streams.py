"""Many streams at once: each of ``count`` callers runs three after one another, and the middle one is measured.

The callers begin spread over the length of a stream, as people do, so that the first tokens do not queue for each
other; in the middle third all are under way.
"""

from __future__ import annotations

import asyncio
import statistics
from dataclasses import dataclass
from time import perf_counter

import orjson
from upstream import CHUNKS, INTERVAL, WORDS

from . import Target, request, unchunked

RUNS = 3
PATIENCE = 30.0
_TEXT = "".join(WORDS)
_FIRST = WORDS[0].strip().encode()


@dataclass(frozen=True)
class Streams:
    """What a level came to. Seconds."""

    count: int
    duration: float
    """Median from the request to the end."""
    first_token: float
    """Median from the request to the first piece of text."""
    first_token_p99: float
    errors: int


class _Caller(asyncio.Protocol):
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._pieces: list[bytes] = []
        self._started = self._first = 0.0
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.runs: list[tuple[float, float, bytes]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    async def run(self, delay: float) -> None:
        await asyncio.sleep(delay)
        for _ in range(RUNS):
            self._ended = asyncio.get_running_loop().create_future()
            self._pieces, self._first = [], 0.0
            self._started = perf_counter()
            self._transport.write(self._data)
            await self._ended

    def data_received(self, data: bytes) -> None:
        if not self._first and _FIRST in data:
            self._first = perf_counter()
        self._pieces.append(data)
        if data.endswith(b"0\r\n\r\n"):
            now = perf_counter()
            self.runs.append((now - self._started, (self._first or now) - self._started, b"".join(self._pieces)))
            self._ended.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._ended.done():
            self._ended.set_exception(exc or ConnectionError("closed in the middle of a stream"))

    def close(self) -> None:
        self._transport.abort()


async def _drive(target: Target, count: int) -> Streams:
    loop = asyncio.get_running_loop()
    data = request(target, stream=True)
    opened = [loop.create_connection(lambda: _Caller(data), "127.0.0.1", target.port) for _ in range(count)]
    callers = [caller for _, caller in await asyncio.gather(*opened)]
    spread = CHUNKS * INTERVAL / count
    try:
        async with asyncio.timeout(PATIENCE):
            runs = (caller.run(number * spread) for number, caller in enumerate(callers))
            broken = sum(isinstance(one, Exception) for one in await asyncio.gather(*runs, return_exceptions=True))
    except TimeoutError:
        broken = sum(len(caller.runs) < RUNS for caller in callers)
    for caller in callers:
        caller.close()
    wrong = sum(not is_stream(raw) for caller in callers for _, _, raw in caller.runs)
    middle = [caller.runs[1] for caller in callers if len(caller.runs) > 1]
    if not middle:
        return Streams(count, PATIENCE, PATIENCE, PATIENCE, broken + wrong)
    firsts = sorted(first for _, first, _ in middle)
    p99 = firsts[min(len(firsts) - 1, int(len(firsts) * 0.99))]
    duration = statistics.median(whole for whole, _, _ in middle)
    return Streams(count, duration, statistics.median(firsts), p99, broken + wrong)


def is_stream(raw: bytes) -> bool:
    """Whether ``raw`` is a 200 whose events say every word in order, and end as they should."""
    head, _, body = raw.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        return False
    words: list[str] = []
    ends = False
    for line in unchunked(body).split(b"\n"):
        if not line.startswith(b"data: "):
            continue
        if line.strip() == b"data: [DONE]":
            ends = True
            continue
        for choice in orjson.loads(line[6:]).get("choices", ()):
            words.append(choice["delta"].get("content") or "")
    return ends and "".join(words) == _TEXT


def drive(target: Target, count: int) -> Streams:
    """``count`` streams at once."""
    import uvloop

    return uvloop.run(_drive(target, count))
