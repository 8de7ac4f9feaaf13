"""Many requests in flight: wrk if it is installed, else a generator of raw sockets in this process."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from . import MARK, Target, payload, request

SCRIPT = Path(__file__).with_name("check.lua")


@dataclass(frozen=True)
class Throughput:
    """What a round came to."""

    per_second: float
    """Requests with a right answer."""
    requests: int
    errors: int
    """Wrong answers and broken connections."""


def drive(target: Target, in_flight: int, seconds: float) -> Throughput:
    """Keep ``in_flight`` requests under way for ``seconds``."""
    if shutil.which("wrk") is None:
        import uvloop

        return uvloop.run(_drive(target, in_flight, seconds))
    command = ["wrk", "-t1", f"-c{in_flight}", f"-d{max(1, round(seconds))}s", "-s", str(SCRIPT)]
    for name, value in target.headers.items():
        command += ["-H", f"{name}: {value}"]
    environ = {**os.environ, "BENCHMARK_BODY": payload().decode(), "BENCHMARK_MARK": MARK}
    command.append(f"http://127.0.0.1:{target.port}")
    said = subprocess.run(command, env=environ, capture_output=True, text=True, check=True, timeout=seconds + 30).stdout
    found = json.loads(said.partition("RESULT ")[2])
    right = found["requests"] - found["wrong"]
    return Throughput(right * 1e6 / found["microseconds"], found["requests"], found["wrong"] + found["broken"])


class _Caller(asyncio.Protocol):
    """A connection that asks again as soon as it is answered."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._mark = MARK.encode()
        self._pending = b""
        self.right = self.wrong = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._transport.write(self._data)

    def data_received(self, data: bytes) -> None:
        self._pending += data
        head = self._pending.find(b"\r\n\r\n")
        if head < 0 or not self._is_whole(head):
            return
        if self._pending.startswith(b"HTTP/1.1 200") and self._mark in self._pending:
            self.right += 1
        else:
            self.wrong += 1
        self._pending = b""
        self._transport.write(self._data)

    def _is_whole(self, head: int) -> bool:
        start = self._pending[:head].lower()
        place = start.find(b"content-length:")
        if place < 0:
            return self._pending.endswith(b"0\r\n\r\n")
        return len(self._pending) - head - 4 >= int(start[place + 15 :].split(b"\r\n", 1)[0])

    def connection_lost(self, exc: Exception | None) -> None:
        self.wrong += exc is not None

    def close(self) -> None:
        self._transport.abort()


async def _drive(target: Target, in_flight: int, seconds: float) -> Throughput:
    loop = asyncio.get_running_loop()
    data = request(target)
    started = perf_counter()
    opened = [loop.create_connection(lambda: _Caller(data), "127.0.0.1", target.port) for _ in range(in_flight)]
    callers = [caller for _, caller in await asyncio.gather(*opened)]
    await asyncio.sleep(seconds)
    passed = perf_counter() - started
    right, wrong = sum(caller.right for caller in callers), sum(caller.wrong for caller in callers)
    for caller in callers:
        caller.close()
    return Throughput(right / passed, right + wrong, wrong)
