"""Each limit passes when it should, is named in the error, and has the kind that retrying goes by."""

import asyncio
import time

import httpx
import pytest
from loopback import CHUNKED_HEAD, Exchange, Loopback, Raw, chunk, reply
from modelmesh_core.errors import FailureKind, ProviderError, ProviderTimeoutError
from modelmesh_core.wire.http import HttpRequest, HttpTimeouts

SHORT, LONG = 0.1, 5.0


async def timed_failure(transport, url, timeouts, body=None):
    """The failure of a call, and the seconds it took."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    with pytest.raises(ProviderError) as caught:
        await transport.send(HttpRequest("POST", url, {}, body), timeouts)
    return caught.value, loop.time() - started


def is_about(seconds: float, limit: float) -> bool:
    return limit - 0.02 <= seconds < limit + 0.2


async def silent(exchange: Exchange) -> None:
    await exchange.client_gone()


async def stalled(exchange: Exchange) -> None:
    await exchange.send(CHUNKED_HEAD + chunk(b"one"))
    await exchange.client_gone()


async def dripping(exchange: Exchange) -> None:
    await exchange.send(CHUNKED_HEAD)
    for _ in range(100):
        await exchange.send(chunk(b"drop"))
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("timeouts", "named"),
    [
        (HttpTimeouts(LONG, SHORT, SHORT, LONG), "0.1 s (first_byte)"),
        (HttpTimeouts(LONG, SHORT, LONG, LONG), "0.1 s (first_byte)"),
        (HttpTimeouts(LONG, SHORT, None, None), "0.1 s (first_byte)"),
        (HttpTimeouts(None, SHORT, SHORT, None), "0.1 s (first_byte)"),
        (HttpTimeouts(LONG, LONG, LONG, SHORT), "0.1 s (total)"),
        (HttpTimeouts(None, None, None, SHORT), "0.1 s (total)"),
        (HttpTimeouts(LONG, LONG, LONG, LONG).within(SHORT), "0.1 s"),
    ],
)
async def test_a_silent_server_is_a_timeout(transport, timeouts, named):
    async with Loopback(silent) as server:
        error, seconds = await timed_failure(transport, server.url(), timeouts)
    assert isinstance(error, ProviderTimeoutError)
    assert is_about(seconds, SHORT)
    assert f"127.0.0.1:{server.port} within {named}" in str(error)


async def test_what_the_first_call_has_to_prepare_is_not_charged_to_the_server(make_transport, monkeypatch):
    real = httpx.create_ssl_context

    def slow(**options):
        time.sleep(2 * SHORT)  # as on a busy machine
        return real(**options)

    monkeypatch.setattr(httpx, "create_ssl_context", slow)
    async with Loopback() as server:
        request = HttpRequest("GET", server.url())
        assert (await make_transport().send(request, HttpTimeouts(SHORT, SHORT, SHORT, SHORT))).status == 200


async def test_a_head_that_drips_is_a_timeout_too(transport):
    async def dripping_head(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\n")
        for number in range(100):
            await exchange.send(b"x-%d: 1\r\n" % number)
            await asyncio.sleep(0.02)

    async with Loopback(dripping_head) as server:
        error, seconds = await timed_failure(transport, server.url(), HttpTimeouts(LONG, SHORT, SHORT, LONG))
    assert (error.failure.kind, is_about(seconds, SHORT)) == (FailureKind.TIMEOUT, True)


async def test_an_upload_that_nobody_reads_is_a_timeout(transport):
    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()
        await asyncio.sleep(LONG)

    async with Raw(deaf) as server:
        limits = HttpTimeouts(LONG, SHORT, SHORT, LONG)
        error, seconds = await timed_failure(transport, server.url(), limits, bytes(20 * 1024 * 1024))
    assert (error.failure.kind, is_about(seconds, SHORT)) == (FailureKind.TIMEOUT, True)


async def test_a_tls_handshake_that_never_ends_passes_the_connect_limit(transport):
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # the greeting, and then the end
        gone.set()

    gone = asyncio.Event()
    async with Raw(mute) as server:
        url = server.url().replace("http:", "https:")
        error, seconds = await timed_failure(transport, url, HttpTimeouts(SHORT, LONG, LONG, LONG))
        await asyncio.wait_for(gone.wait(), 0.1)
    assert (error.failure.kind, is_about(seconds, SHORT)) == (FailureKind.TIMEOUT, True)
    assert "within 0.1 s (connect)" in str(error)


async def test_waiting_for_a_free_connection_counts_as_connecting(make_transport):
    transport = make_transport(max_connections=1)
    async with Loopback(silent) as server:
        first = asyncio.create_task(transport.send(HttpRequest("GET", server.url()), HttpTimeouts(SHORT, 1, 1, 1)))
        await asyncio.sleep(0.02)
        error, seconds = await timed_failure(transport, server.url(), HttpTimeouts(SHORT, 1, 1, 1))
        first.cancel()
    assert (error.failure.kind, is_about(seconds, SHORT)) == (FailureKind.TIMEOUT, True)
    assert "(connect)" in str(error)


async def test_the_connect_limit_does_not_touch_a_slow_answer(transport):
    async def slow(exchange: Exchange) -> None:
        await asyncio.sleep(2 * SHORT)
        await exchange.send(reply())

    async with Loopback(slow) as server:
        response = await transport.send(HttpRequest("GET", server.url()), HttpTimeouts(SHORT, LONG, LONG, LONG))
    assert response.status == 200


async def test_a_proxy_that_never_answers_passes_the_connect_limit(make_transport):
    async with Loopback(silent) as proxy:
        transport = make_transport(proxy_url=f"http://127.0.0.1:{proxy.port}")
        limits = HttpTimeouts(SHORT, LONG, LONG, LONG)
        error, seconds = await timed_failure(transport, "https://api.example/", limits)
    assert (error.failure.kind, is_about(seconds, SHORT)) == (FailureKind.TIMEOUT, True)
    assert f"api.example:443 through the proxy 127.0.0.1:{proxy.port}" in str(error)


@pytest.mark.parametrize(
    ("timeouts", "named"),
    [
        (HttpTimeouts(LONG, SHORT, SHORT, LONG), "0.1 s (idle)"),
        (HttpTimeouts(LONG, LONG, SHORT, LONG), "0.1 s (idle)"),
        (HttpTimeouts(LONG, None, SHORT, None), "0.1 s (idle)"),
        (HttpTimeouts(LONG, LONG, LONG, SHORT), "0.1 s (total)"),
        (HttpTimeouts(LONG, LONG, None, SHORT), "0.1 s (total)"),
    ],
)
async def test_a_body_that_stalls_is_cut(transport, timeouts, named):
    async with Loopback(stalled) as server:
        error, seconds = await timed_failure(transport, server.url(), timeouts)
    assert (error.failure.kind, error.failure.status) == (FailureKind.STREAM_CUT, 200)
    assert is_about(seconds, SHORT)
    assert f"127.0.0.1:{server.port}" in str(error)
    assert named in str(error)


async def test_a_dripping_body_is_not_idle_but_passes_the_total_limit(transport):
    async with Loopback(dripping) as server:
        error, seconds = await timed_failure(transport, server.url(), HttpTimeouts(LONG, SHORT, SHORT, 3 * SHORT))
    assert (error.failure.kind, is_about(seconds, 3 * SHORT)) == (FailureKind.STREAM_CUT, True)
    assert "0.3 s (total)" in str(error)


async def test_a_streams_chunks_before_the_stall_are_not_lost(transport):
    async with Loopback(stalled) as server:
        stream = await transport.open(HttpRequest("GET", server.url()), HttpTimeouts(LONG, LONG, SHORT, LONG))
        assert await stream.read_chunk() == b"one"
        with pytest.raises(ProviderError, match="idle"):
            await stream.read_chunk()
        await stream.aclose()


@pytest.mark.parametrize("behaviour", [silent, stalled])
async def test_a_passed_limit_closes_the_socket(transport, behaviour):
    gone = asyncio.Event()

    async def behave(exchange: Exchange) -> None:
        await behaviour(exchange)
        gone.set()

    async with Loopback(behave) as server:
        await timed_failure(transport, server.url(), HttpTimeouts(LONG, SHORT, SHORT, LONG))
        await asyncio.wait_for(gone.wait(), 0.1)


async def test_none_is_no_limit(transport):
    async def slow(exchange: Exchange) -> None:
        await asyncio.sleep(SHORT)
        await exchange.send(CHUNKED_HEAD)
        await asyncio.sleep(SHORT)
        await exchange.send(chunk(b"late") + chunk(b""))

    async with Loopback(slow) as server:
        response = await transport.send(HttpRequest("GET", server.url()), HttpTimeouts(None, None, None, None))
    assert response.body == b"late"


async def test_many_different_limits_do_not_pile_up_connections(transport):
    async with Loopback() as server:
        for number in range(12):
            limits = HttpTimeouts(LONG, 1 + number, 1 + number, 60)
            assert (await transport.send(HttpRequest("GET", server.url()), limits)).status == 200
        for _ in range(50):  # for the server to see the sockets' ends
            if server.open_connections <= 4:
                break
            await asyncio.sleep(0.01)
        assert server.open_connections <= 4


async def test_calls_in_flight_survive_the_making_of_other_clients(transport):
    async def slow(exchange: Exchange) -> None:
        await asyncio.sleep(2 * SHORT)
        await exchange.send(reply())

    async with Loopback(slow) as server:
        limits = [HttpTimeouts(LONG, 1 + number, 1 + number, 60) for number in range(10)]
        responses = await asyncio.gather(*(transport.send(HttpRequest("GET", server.url()), each) for each in limits))
    assert [response.status for response in responses] == [200] * 10
