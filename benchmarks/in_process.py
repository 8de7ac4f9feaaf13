"""What a request costs the gateway in its own process, without the kernel and others: the same to a few percent.

    python benchmarks/in_process.py            # processor's µs of a chat request, and of one that is only passed on
    python benchmarks/in_process.py --calls    # how often each function is called for one

The gateway's own connections and engine, configured as benchmarks/gateway.py does, between sockets that are pretended.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from time import process_time
from types import FrameType
from typing import Any

import uvloop
from load import MARK, Target, request
from modelmesh_core import HttpRequest, HttpTimeouts, ModelMesh
from modelmesh_core.gateway import GatewayApp
from modelmesh_core.gateway.channel import Channel
from modelmesh_core.gateway.exchange import Exchange
from modelmesh_core.gateway.http_connection import HttpConnection
from modelmesh_core.gateway.limits import GatewayLimits
from modelmesh_core.transport import Transport, TransportOptions, create_transport, httptools_pool
from modelmesh_core.transport.httptools_connection import HttptoolsConnection
from modelmesh_core.transport.outbox import Outbox
from modelmesh_core.wire.http import HeaderSet
from peers import PEERS, configuration
from upstream import ANSWER

IN_FLIGHT = 32
EACH = 128
"""Requests of one round. Short ones, so that many are not disturbed by whatever else the machine does."""
QUIET = 0.05
"""The share of the rounds that are taken for undisturbed."""
PATIENCE = 30.0
"""Seconds until a request that is never answered ends it all."""
PORT = 8080
URL = f"http://127.0.0.1:{PORT}/v1/chat/completions"
RESPONSE = (
    b"HTTP/1.1 200 OK\r\nserver: nginx\r\ndate: Mon, 30 Nov 2026 12:00:00 GMT\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\nconnection: keep-alive\r\n\r\n%b" % (len(ANSWER), ANSWER)
)
Serve = Callable[[Channel], Awaitable[None]]


class Socket(asyncio.Transport):
    """A connection with nobody at the other end: what is written goes to ``written``."""

    def __init__(self, written: Callable[[bytes], object]) -> None:
        super().__init__()
        self.write = written  # type: ignore[method-assign, assignment]

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        pass

    close = pause_reading = resume_reading = abort


async def connected(
    loop: asyncio.AbstractEventLoop, origin: tuple[bool, str, int], trust: object, turns: Any, outbox: Outbox
) -> HttptoolsConnection:
    """In place of the engine's own: a provider that has answered by the next round of the loop."""
    connection = HttptoolsConnection(loop, origin, turns, outbox)
    connection.connection_made(Socket(lambda data: loop.call_soon(connection.data_received, RESPONSE)))
    return connection


class Crowd:
    """Callers who ask again as soon as they are answered."""

    def __init__(self, serve: Serve, asked: bytes) -> None:
        self._loop = asyncio.get_running_loop()
        self._asked = asked
        self._left = 0
        self._ended: asyncio.Future[None]
        outbox, limits, standing = Outbox(self._loop), GatewayLimits(), set[HttpConnection]()
        self._connections = [HttpConnection(serve, self._loop, limits, standing, outbox) for _ in range(IN_FLIGHT)]
        for connection in self._connections:
            connection.connection_made(Socket(lambda data, own=connection: self._answered(own, data)))

    def _answered(self, connection: HttpConnection, data: bytes) -> None:
        if not data.startswith(b"HTTP/1.1 200") or MARK.encode() not in data:
            if not self._ended.done():
                self._ended.set_exception(RuntimeError(f"a wrong answer: {data!r}"))
            return
        self._left -= 1
        if self._left >= IN_FLIGHT:
            self._loop.call_soon(connection.data_received, self._asked)
        elif not self._left:
            self._ended.set_result(None)

    async def ask(self, times: int) -> None:
        """So many requests, until the last is answered. Raises RuntimeError or TimeoutError if one is not."""
        self._left, self._ended = times, self._loop.create_future()
        for connection in self._connections:
            self._loop.call_soon(connection.data_received, self._asked)
        async with asyncio.timeout(PATIENCE):
            await self._ended

    async def cost(self, rounds: int) -> float:
        """µs of a request."""
        await self.ask(20 * EACH)
        found: list[float] = []
        for _ in range(rounds):
            started = process_time()
            await self.ask(EACH)
            found.append((process_time() - started) / EACH * 1e6)
        return sorted(found)[int(rounds * QUIET)]

    async def calls(self) -> Counter[str]:
        """Function → how often it is called for one request, times EACH."""
        await self.ask(20 * EACH)
        found: Counter[str] = Counter()

        def note(frame: FrameType, event: str, function: Any) -> None:
            if event == "call":
                code = frame.f_code
                found[f"{'/'.join(Path(code.co_filename).parts[-2:])}  {code.co_qualname}"] += 1
            elif event == "c_call":
                found[f"(C)  {getattr(function, '__qualname__', function)}"] += 1

        sys.setprofile(note)
        await self.ask(EACH)
        sys.setprofile(None)
        return found


def passing_on(transport: Transport) -> Serve:
    """The least that a gateway does: it reads a request, asks, and answers."""
    limits, headers, timeouts = GatewayLimits(), HeaderSet({"content-type": "application/json"}), HttpTimeouts()

    async def serve(channel: Channel) -> None:
        exchange = Exchange(channel, limits)
        body = await exchange.read_body(1024 * 1024)
        response = await transport.send(HttpRequest("POST", URL, headers, body), timeouts)
        await exchange.answer(200, response.body)

    return serve


async def measure(mesh: ModelMesh, asked: bytes, options: argparse.Namespace) -> None:
    app = GatewayApp(mesh)
    await app.start()
    whole = Crowd(app.serve, asked)
    if options.calls:
        found = await whole.calls()
        for name, count in found.most_common(options.top):
            print(f"{count / EACH:8.2f}  {name}")
        in_c = sum(count for name, count in found.items() if name.startswith("(C)"))
        print(f"{(found.total() - in_c) / EACH:8.0f}  calls of Python's in all, and {in_c / EACH:.0f} of C's")
        return
    transport = create_transport("httptools", TransportOptions())
    passed_on = await Crowd(passing_on(transport), asked).cost(options.rounds)
    cost = await whole.cost(options.rounds)
    print(f"{cost:6.1f} µs  a chat request through the gateway")
    print(f"{passed_on:6.1f} µs  one that is only passed on, by the same server and engine")
    print(f"{cost - passed_on:6.1f} µs  between: key, routing, limits, both bodies, accounting, log, metrics")


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=1500, help=f"of {EACH} requests each")
    parser.add_argument("--calls", action="store_true", help="count calls in place of time")
    parser.add_argument("--top", type=int, default=60, help="how many functions")
    options = parser.parse_args(words)
    gc.disable()  # as good as off in a gateway, too
    httptools_pool._connected = connected  # type: ignore[assignment]
    with tempfile.TemporaryDirectory(prefix="gateway-in-process-") as place:
        folder = Path(place)
        config = configuration("modelmesh.yaml", folder, PORT, PORT)
        asked = request(Target(PORT, PEERS["modelmesh"].headers(folder, PORT)))
        with ModelMesh(str(config)) as mesh:
            uvloop.run(measure(mesh, asked, options))


if __name__ == "__main__":
    main()
