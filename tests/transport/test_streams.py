"""What every HTTP engine does with a body that is still arriving, and with a call that is cancelled."""

import asyncio
import zlib
from collections.abc import Callable
from time import monotonic

import pytest
from loopback import CHUNKED_HEAD, Exchange, Loopback, Raw, chunk
from modelmesh_core.wire.http import HttpRequest, HttpTimeouts

PATIENT = HttpTimeouts(connect=5, first_byte=5, idle=5, total=10)
MIB = 1024 * 1024


def get(url: str) -> HttpRequest:
    return HttpRequest("GET", url)


# --- streams ---------------------------------------------------------------------------------------------------------


async def test_each_chunk_is_handed_over_before_the_next_one_is_sent(transport):
    seen = asyncio.Queue[bytes]()
    words = [b"data: one\n\n", b"data: two\n\n", b"data: three\n\n"]

    async def in_step(exchange: Exchange) -> None:
        await exchange.send(CHUNKED_HEAD)
        for word in words:
            await exchange.send(chunk(word))
            assert await seen.get() == word  # only then the next
        await exchange.send(chunk(b""))

    async with Loopback(in_step) as server:
        stream = await transport.open(get(server.url()), PATIENT)
        assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream")
        for _ in words:
            await seen.put(await stream.read_chunk())
        assert [await stream.read_chunk() for _ in range(2)] == [b"", b""]
        await stream.aclose()


async def test_a_stream_is_open_before_its_first_chunk(transport):
    opened = asyncio.Event()

    async def head_first(exchange: Exchange) -> None:
        await exchange.send(CHUNKED_HEAD)
        await opened.wait()
        await exchange.send(chunk(b"late") + chunk(b""))

    async with Loopback(head_first) as server:
        stream = await transport.open(get(server.url()), PATIENT)
        opened.set()
        assert await stream.read_all(MIB) == b"late"
        await stream.aclose()


async def test_a_compressed_stream_arrives_piece_by_piece(transport):
    seen = asyncio.Event()

    async def in_step(exchange: Exchange) -> None:
        packer = zlib.compressobj(wbits=31)
        await exchange.send(CHUNKED_HEAD.replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n"))
        await exchange.send(chunk(packer.compress(b"one") + packer.flush(zlib.Z_SYNC_FLUSH)))
        await seen.wait()
        await exchange.send(chunk(packer.compress(b"two") + packer.flush()) + chunk(b""))

    async with Loopback(in_step) as server:
        stream = await transport.open(get(server.url()), PATIENT)
        assert await stream.read_chunk() == b"one"
        seen.set()
        assert await stream.read_all(MIB) == b"two"
        await stream.aclose()


async def test_closing_a_stream_early_closes_its_socket(transport):
    gone = asyncio.Event()

    async def endless(exchange: Exchange) -> None:
        await exchange.send(CHUNKED_HEAD + chunk(b"more"))
        await exchange.client_gone()
        gone.set()

    async with Loopback(endless) as server:
        stream = await transport.open(get(server.url()), PATIENT)
        await stream.read_chunk()
        await stream.aclose()
        await stream.aclose()
        await asyncio.wait_for(gone.wait(), 0.1)
        assert await stream.read_chunk() == b""


async def test_a_slow_reader_loses_nothing_and_is_not_timed_out(transport):
    async def fast(exchange: Exchange) -> None:
        await exchange.send(CHUNKED_HEAD + b"".join(chunk(b"%03d" % n) for n in range(300)) + chunk(b""))

    async with Loopback(fast) as server:
        stream = await transport.open(get(server.url()), HttpTimeouts(5, 5, 0.05, 5))
        first = await stream.read_chunk()
        await asyncio.sleep(0.15)  # the reader's pause is longer than idle
        rest = await stream.read_all(MIB)
        await stream.aclose()
    assert first + rest == b"".join(b"%03d" % n for n in range(300))


# --- cancellation ----------------------------------------------------------------------------------------------------


async def cancel_when(started: asyncio.Event, task: "asyncio.Task[object]") -> None:
    await started.wait()
    await asyncio.sleep(0.02)  # until the task waits in the socket
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def stall(head: bytes) -> tuple[Callable[[Exchange], object], asyncio.Event, asyncio.Event]:
    """A behaviour that sends ``head`` and then nothing; events for that, and for the client's socket being closed."""
    started, gone = asyncio.Event(), asyncio.Event()

    async def behave(exchange: Exchange) -> None:
        await exchange.send(head)
        started.set()
        await exchange.client_gone()
        gone.set()

    return behave, started, gone


@pytest.fixture
def unless_pyreqwest(engine: str, request: pytest.FixtureRequest) -> None:
    """For what pyreqwest cannot do. Strict: when it can, the engine's docstring is to be corrected too."""
    if engine == "pyreqwest":
        reason = "pyreqwest 0.15 leaves a cancelled request running until its head comes or a limit passes"
        request.applymarker(pytest.mark.xfail(strict=True, raises=TimeoutError, reason=reason))


@pytest.mark.usefixtures("unless_pyreqwest")
async def test_cancelling_before_the_head_closes_the_socket(transport):
    behave, started, gone = stall(b"")
    async with Loopback(behave) as server:
        await cancel_when(started, asyncio.create_task(transport.send(get(server.url()), PATIENT)))
        await asyncio.wait_for(gone.wait(), 0.1)


@pytest.mark.usefixtures("unless_pyreqwest")
async def test_cancelling_in_the_tls_handshake_closes_the_socket(transport):
    started, gone = asyncio.Event(), asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        started.set()
        await reader.read()
        gone.set()

    async with Raw(mute) as server:
        url = server.url().replace("http:", "https:")
        await cancel_when(started, asyncio.create_task(transport.send(get(url), PATIENT)))
        await asyncio.wait_for(gone.wait(), 0.1)


async def test_a_call_cancelled_before_its_head_closes_its_socket_when_a_limit_passes_at_the_latest(transport):
    behave, started, gone = stall(b"")
    async with Loopback(behave) as server:
        task = asyncio.create_task(transport.send(get(server.url()), HttpTimeouts(5, 0.2, 0.2, 5)))
        await cancel_when(started, task)
        await asyncio.wait_for(gone.wait(), 0.4)


@pytest.mark.parametrize("idle", [1, 5], ids=["idle shorter", "limits equal"])
async def test_cancelling_in_the_body_closes_the_socket_at_once(transport, idle):
    behave, started, gone = stall(CHUNKED_HEAD + chunk(b"so far"))
    async with Loopback(behave) as server:
        task = asyncio.create_task(transport.send(get(server.url()), HttpTimeouts(5, 5, idle, 10)))
        await cancel_when(started, task)
        await asyncio.wait_for(gone.wait(), 0.1)


async def test_a_cancellation_that_comes_together_with_a_chunk_is_not_lost(transport):
    asked = asyncio.Queue[Exchange]()

    async def wait(exchange: Exchange) -> None:
        await exchange.send(CHUNKED_HEAD)
        await asked.put(exchange)
        await exchange.client_gone()

    async with Loopback(wait) as server:
        for _ in range(12):
            stream = await transport.open(get(server.url()), PATIENT)
            reading = asyncio.create_task(stream.read_chunk())
            await asyncio.sleep(0.005)  # until the task waits for its chunk
            await (await asked.get()).send(chunk(b"now"))
            hold_the_loop(0.005)  # the chunk reaches the client, but no task runs
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            await stream.aclose()


def hold_the_loop(seconds: float) -> None:
    until = monotonic() + seconds
    while monotonic() < until:
        pass


async def test_a_cancelled_call_leaves_the_transport_usable(make_transport):
    transport = make_transport(max_connections=1)
    behave, started, _ = stall(CHUNKED_HEAD)
    async with Loopback(behave) as stalled, Loopback() as server:
        await cancel_when(started, asyncio.create_task(transport.send(get(stalled.url()), PATIENT)))
        assert (await transport.send(get(server.url()), PATIENT)).status == 200
