"""What every HTTP engine does: the exchange itself, connections and their reuse, bounds."""

import asyncio
import gzip
import threading
import zlib

import pytest
from loopback import CHUNKED_HEAD, Exchange, Loopback, chunk, reply
from modelmesh_core.errors import FailureKind, ProviderError
from modelmesh_core.transport import Transport, TransportOptions, create_transport
from modelmesh_core.transport.loops import LoopClients
from modelmesh_core.wire.http import HttpRequest, HttpTimeouts

PATIENT = HttpTimeouts(connect=5, first_byte=5, idle=5, total=10)
MIB = 1024 * 1024


def get(url: str) -> HttpRequest:
    return HttpRequest("GET", url)


async def failure_of(transport: Transport, url: str, timeouts: HttpTimeouts = PATIENT) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await transport.send(get(url), timeouts)
    return caught.value


# --- the exchange ----------------------------------------------------------------------------------------------------


async def test_method_headers_and_body_arrive_as_they_were_given(transport):
    async with Loopback() as server:
        request = HttpRequest("PUT", server.url("/a?b=c%20d"), {"x-key": "sk-1", "content-type": "a/b"}, b"\x00body")
        await transport.send(request, PATIENT)
    [seen] = server.requests
    assert (seen.method, seen.target, seen.body) == ("PUT", "/a?b=c%20d", b"\x00body")
    assert seen.headers["x-key"] == "sk-1"
    assert seen.headers["content-type"] == "a/b"
    assert seen.headers["content-length"] == "5"
    assert seen.headers["host"] == f"127.0.0.1:{server.port}"
    assert seen.headers["user-agent"] == "modelmesh"


async def test_a_header_of_the_request_replaces_the_default(transport):
    async with Loopback() as server:
        headers = {"user-agent": "other", "accept": "text/event-stream", "accept-encoding": "identity"}
        await transport.send(HttpRequest("GET", server.url(), headers), PATIENT)
    assert server.requests[0].headers.items() >= headers.items()


async def test_the_answer_has_status_headers_body_and_the_clocks_time(engine):
    class Noon:
        def now(self) -> float:
            return 43_200.0

    async def teapot(exchange: Exchange) -> None:
        await exchange.send(reply(b"short and stout", status="418 I'm a teapot", head="X-One: 1\r\nx-one: 2"))

    transport = create_transport(engine, TransportOptions(), Noon())
    async with Loopback(teapot) as server:
        response = await transport.send(get(server.url()), PATIENT)
        await transport.aclose()
    assert (response.status, response.body, response.received_at) == (418, b"short and stout", 43_200.0)
    assert response.headers["X-One"] == "1, 2"


async def test_a_redirect_is_an_answer_like_any_other(transport):
    async def elsewhere(exchange: Exchange) -> None:
        await exchange.send(reply(b"", status="307 Temporary Redirect", head="location: /other"))

    async with Loopback(elsewhere) as server:
        response = await transport.send(get(server.url()), PATIENT)
    assert (response.status, response.headers["location"], len(server.requests)) == (307, "/other", 1)


@pytest.mark.parametrize(("name", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_a_compressed_body_is_handed_over_plain(transport, name, compress):
    plain = b"the same again " * 500

    async def compressed(exchange: Exchange) -> None:
        await exchange.send(reply(compress(plain), head=f"content-encoding: {name}"))

    async with Loopback(compressed) as server:
        response = await transport.send(get(server.url()), PATIENT)
    assert response.body == plain
    assert "content-encoding" not in response.headers
    assert "content-length" not in response.headers  # it was that of the compressed body


async def test_a_body_that_is_not_compressed_as_declared_is_undecodable(transport):
    async def plain(exchange: Exchange) -> None:
        await exchange.send(reply(b"not gzip at all, by no means", head="content-encoding: gzip"))

    async with Loopback(plain) as server:
        error = await failure_of(transport, server.url())
    assert error.failure.kind is FailureKind.UNDECODABLE


async def test_twenty_megabytes_go_up_and_down(transport):
    body = bytes(range(256)) * (20 * MIB // 256)

    async def echo(exchange: Exchange) -> None:
        await exchange.send(reply(exchange.body))

    async with Loopback(echo) as server:
        response = await transport.send(HttpRequest("POST", server.url(), {}, body), PATIENT)
    assert response.body == body


async def test_answers_without_a_body_end_at_once(transport):
    async def empty(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with Loopback(empty) as server:
        responses = [await transport.send(get(server.url()), PATIENT) for _ in range(2)]
    assert [(response.status, response.body) for response in responses] == [(204, b"")] * 2
    assert server.connections == 1


async def test_a_body_without_a_length_ends_with_its_connection(transport):
    async def until_close(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        exchange.close()

    async with Loopback(until_close) as server:
        assert (await transport.send(get(server.url()), PATIENT)).body == b"all of it"


# --- connections -----------------------------------------------------------------------------------------------------


async def test_a_connection_is_used_again_after_whole_and_streamed_answers(transport):
    async def streamed(exchange: Exchange) -> None:
        await exchange.send(CHUNKED_HEAD + chunk(b"one") + chunk(b""))

    async with Loopback(streamed) as server:
        for _ in range(3):
            await transport.send(get(server.url()), PATIENT)
            stream = await transport.open(get(server.url()), PATIENT)
            assert await stream.read_all(MIB) == b"one"
            await stream.aclose()
    assert (len(server.requests), server.connections) == (6, 1)


async def test_limits_narrowed_by_a_deadline_do_not_cost_a_new_connection(transport):
    async with Loopback() as server:
        for remaining in (None, 9.5, 4.0, 0.9):
            await transport.send(get(server.url()), PATIENT.within(remaining))
    assert server.connections == 1


async def test_a_connection_that_the_server_closed_between_two_calls_is_not_used_again(transport):
    async def answer_and_close(exchange: Exchange) -> None:
        await exchange.send(reply())  # says nothing of closing
        exchange.close()

    async with Loopback(answer_and_close) as server:
        for _ in range(3):
            assert (await transport.send(get(server.url()), PATIENT)).status == 200
            await asyncio.sleep(0.05)  # for the FIN to arrive
    assert server.connections == 3


async def test_no_more_connections_are_opened_than_allowed(make_transport):
    transport = make_transport(max_connections=2)

    async def slow(exchange: Exchange) -> None:
        await asyncio.sleep(0.02)
        await exchange.send(reply())

    async with Loopback(slow) as server:
        await asyncio.gather(*(transport.send(get(server.url()), PATIENT) for _ in range(8)))
    assert (len(server.requests), server.connections) == (8, 2)


async def test_closing_the_transport_closes_its_connections_and_it_can_be_used_again(transport):
    gone = asyncio.Event()

    async def watch(exchange: Exchange) -> None:
        await exchange.send(reply())
        await exchange.client_gone()
        gone.set()

    async with Loopback(watch) as server:
        await transport.send(get(server.url()), PATIENT)
        await transport.aclose()
        await asyncio.wait_for(gone.wait(), 0.5)
        assert (await transport.send(get(server.url()), PATIENT)).status == 200


async def test_closing_the_transport_ends_the_calls_in_flight(transport):
    started = asyncio.Event()

    async def silent(exchange: Exchange) -> None:
        started.set()
        await exchange.client_gone()

    async with Loopback(silent) as server:
        call = asyncio.create_task(transport.send(get(server.url()), PATIENT))
        await started.wait()
        await transport.aclose()
        with pytest.raises(ProviderError) as caught:
            await asyncio.wait_for(call, 0.5)
    assert caught.value.failure.kind is FailureKind.CONNECTION


async def test_idle_connections_are_closed_after_a_while(make_transport, engine, monkeypatch):
    monkeypatch.setattr(f"modelmesh_core.transport.{engine}_engine.KEEP_ALIVE", 0.1)
    transport = make_transport()
    gone = asyncio.Semaphore(0)

    async def watch(exchange: Exchange) -> None:
        await asyncio.sleep(0.02)  # so that the first two calls overlap
        await exchange.send(reply())
        await exchange.client_gone()
        gone.release()

    async with Loopback(watch) as server:
        await asyncio.gather(*(transport.send(get(server.url()), PATIENT) for _ in range(2)))
        await asyncio.sleep(0.2)
        await transport.send(get(server.url()), PATIENT)
        for _ in range(2):
            await asyncio.wait_for(gone.acquire(), 0.5)


def test_one_transport_serves_one_loop_after_another(engine):
    transport = create_transport(engine, TransportOptions())

    async def call() -> int:
        async with Loopback() as server:
            status = (await transport.send(get(server.url()), PATIENT)).status
            await transport.aclose()
            return status

    assert [asyncio.run(call()) for _ in range(3)] == [200, 200, 200]


def test_clients_of_closed_loops_are_forgotten():
    clients = LoopClients(list[str])

    async def use() -> int:
        clients.current()
        return len(clients)

    assert [asyncio.run(use()) for _ in range(3)] == [1, 1, 1]


async def test_one_transport_serves_loops_of_several_threads_at_once(transport):
    async with Loopback() as server:

        async def calls() -> list[int]:
            return [(await transport.send(get(server.url()), PATIENT)).status for _ in range(3)]

        results = await asyncio.gather(calls(), *(asyncio.to_thread(asyncio.run, calls()) for _ in range(2)))
        assert results == [[200] * 3] * 3
        await transport.aclose()


async def test_closing_closes_the_connections_of_every_loop_that_still_runs(transport):
    async with Loopback() as server:
        used, may_end = threading.Event(), threading.Event()

        async def call_and_stay() -> None:
            await transport.send(get(server.url()), PATIENT)
            used.set()
            await asyncio.to_thread(may_end.wait, 5)

        elsewhere = threading.Thread(target=asyncio.run, args=(call_and_stay(),))
        elsewhere.start()
        await asyncio.to_thread(used.wait, 5)
        await transport.send(get(server.url()), PATIENT)
        assert server.open_connections == 2
        await transport.aclose()
        async with asyncio.timeout(2):
            while server.open_connections:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        may_end.set()
        elsewhere.join()


# --- bounds ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_longer_than_max_body_is_refused_and_its_socket_closed(make_transport, declared):
    transport = make_transport(max_body=100_000)
    gone = asyncio.Event()

    async def long(exchange: Exchange) -> None:
        if declared:
            await exchange.send(b"HTTP/1.1 200 OK\r\ncontent-length: 9999999\r\n\r\n" + bytes(150_000))
        else:
            await exchange.send(CHUNKED_HEAD + chunk(bytes(150_000)))
        await exchange.client_gone()
        gone.set()

    async with Loopback(long) as server:
        error = await failure_of(transport, server.url())
        await asyncio.wait_for(gone.wait(), 0.1)
    assert error.failure.kind is FailureKind.UNDECODABLE
    assert "100000 bytes (max_body)" in str(error)


async def test_a_stream_longer_than_max_body_is_refused_too(make_transport):
    transport = make_transport(max_body=100_000)

    async def endless(exchange: Exchange) -> None:
        await exchange.send(CHUNKED_HEAD)
        while True:
            await exchange.send(chunk(bytes(10_000)))

    async with Loopback(endless) as server:
        stream = await transport.open(get(server.url()), PATIENT)
        received = 0
        with pytest.raises(ProviderError, match="max_body") as caught:
            while received < MIB:
                received += len(await stream.read_chunk())
        await stream.aclose()
    assert caught.value.failure.kind is FailureKind.UNDECODABLE
    assert received <= 100_000


async def test_a_small_body_that_unpacks_to_more_than_max_body_is_refused(make_transport):
    transport = make_transport(max_body=100_000)

    async def bomb(exchange: Exchange) -> None:
        await exchange.send(reply(gzip.compress(bytes(10 * MIB)), head="content-encoding: gzip"))

    async with Loopback(bomb) as server:
        error = await failure_of(transport, server.url())
    assert error.failure.kind is FailureKind.UNDECODABLE


async def test_the_readers_own_limit_holds_too(transport):
    async def some(exchange: Exchange) -> None:
        await exchange.send(reply(bytes(1000)))

    async with Loopback(some) as server:
        stream = await transport.open(get(server.url()), PATIENT)
        with pytest.raises(ProviderError, match="longer than 999 bytes") as caught:
            await stream.read_all(999)
        await stream.aclose()
    assert caught.value.failure.kind is FailureKind.UNDECODABLE
