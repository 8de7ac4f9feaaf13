"""One connection and several exchanges, and many calls for few connections, on both event loops."""

import asyncio
import select
import socket

import pytest
from hostile_http import ON_BOTH_LOOPS, answering, failure_of
from loopback import CHUNKED_HEAD, Exchange, Loopback, Raw, chunk, reply
from modelmesh_core.errors import FailureKind, ProviderError
from modelmesh_core.wire.http import HttpRequest, HttpTimeouts

PATIENT = HttpTimeouts(connect=5, first_byte=5, idle=5, total=10)
KIB, MIB = 1024, 1024 * 1024
SEES_BYTES = pytest.mark.skipif(not hasattr(select, "poll"), reason="without poll a socket is not looked at")
pytestmark = ON_BOTH_LOOPS


def get(url):
    return HttpRequest("GET", url)


async def test_a_second_response_in_the_same_breath_does_not_answer_the_next_request(make_transport):
    async with Loopback(answering(reply(b"mine") + reply(b"for another"))) as server:
        transport = make_transport()
        assert (await transport.send(get(server.url()), PATIENT)).body == b"mine"
        assert (await transport.send(get(server.url()), PATIENT)).body == b"ok"
        assert server.connections == 2


@pytest.mark.parametrize("rest", [b"H", b"\0", b"HTTP/1.1 200 OK\r\n"])
async def test_bytes_after_a_response_end_its_connection(make_transport, rest):
    async with Loopback(answering(reply(b"mine") + rest, CHUNKED_HEAD + chunk(b"two") + chunk(b"") + rest)) as server:
        transport = make_transport()
        for expected in (b"mine", b"two", b"ok"):
            assert (await transport.send(get(server.url()), PATIENT)).body == expected
        assert server.connections == 3


async def test_a_response_that_nobody_asked_for_is_not_taken_for_an_answer(make_transport):
    async with Loopback() as server:
        transport = make_transport()
        await transport.send(get(server.url()), PATIENT)
        await server.requests[0].send(reply(b"for another"))
        await asyncio.sleep(0.02)  # until it has come
        assert (await transport.send(get(server.url()), PATIENT)).body == b"ok"
        assert server.connections == 2


@SEES_BYTES
async def test_what_came_in_this_very_moment_is_seen_too(make_transport):
    async with Loopback() as server:
        transport = make_transport()
        await transport.send(get(server.url()), PATIENT)
        with server.requests[0].writer.get_extra_info("socket").dup() as servers_end:
            servers_end.send(reply(b"for another"))  # the loop has no round between this and the next call
        assert (await transport.send(get(server.url()), PATIENT)).body == b"ok"
        assert server.connections == 2


@SEES_BYTES
async def test_a_connection_that_ends_in_this_very_moment_is_not_used(make_transport):
    async with Loopback() as server:
        transport = make_transport()
        await transport.send(get(server.url()), PATIENT)
        with server.requests[0].writer.get_extra_info("socket").dup() as servers_end:
            servers_end.shutdown(socket.SHUT_RDWR)
        assert (await transport.send(get(server.url()), PATIENT)).body == b"ok"
        assert server.connections == 2


async def test_an_answer_before_the_upload_has_left_ends_the_connection(make_transport):
    async def hasty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply(b"too large", status="413 Content Too Large"))
        await gone.wait()

    gone = asyncio.Event()
    async with Raw(hasty) as server:
        transport = make_transport()
        for _ in range(2):
            response = await transport.send(HttpRequest("POST", server.url(), {}, bytes(20 * MIB)), PATIENT)
            assert (response.status, response.body) == (413, b"too large")
        assert server.connections == 2
        gone.set()


async def test_a_server_that_says_close_is_taken_at_its_word(make_transport):
    async with Loopback(answering(reply(head="connection: close"))) as server:
        transport = make_transport()
        for _ in range(2):
            await transport.send(get(server.url()), PATIENT)
        assert server.connections == 2


async def test_a_stream_that_has_come_to_its_end_unread_leaves_its_connection_for_others(make_transport):
    async with Loopback(answering(CHUNKED_HEAD + chunk(b"one") + chunk(b""))) as server:
        transport = make_transport()
        stream = await transport.open(get(server.url()), PATIENT)
        await asyncio.sleep(0.02)
        await stream.aclose()
        assert (await transport.send(get(server.url()), PATIENT)).body == b"ok"
        assert server.connections == 1


async def test_connections_kept_for_one_server_make_room_for_another(make_transport):
    async with Loopback() as first, Loopback() as second:
        transport = make_transport(max_connections=1)
        for server in (first, second, first):
            await transport.send(get(server.url()), PATIENT)
        await asyncio.sleep(0.02)
        assert (first.connections, first.open_connections, second.open_connections) == (2, 1, 0)


async def test_those_who_wait_for_a_connection_are_served_in_turn_and_may_leave(make_transport):
    served: list[str] = []

    async def slow(exchange: Exchange) -> None:
        served.append(exchange.target)
        await asyncio.sleep(0.02)
        await exchange.send(reply())

    async with Loopback(slow) as server:
        transport = make_transport(max_connections=1)
        calls = [asyncio.create_task(transport.send(get(server.url(f"/{n}")), PATIENT)) for n in range(6)]
        await asyncio.sleep(0.01)
        calls[2].cancel()
        await calls[0]
        calls[1].cancel()  # it has been given the place in this moment, or has just begun
        await asyncio.gather(*calls, return_exceptions=True)
        assert [call.cancelled() for call in calls] == [False, True, True, False, False, False]
        assert [target for target in served if target != "/1"] == ["/0", "/3", "/4", "/5"]
        assert (await transport.send(get(server.url("/last")), PATIENT)).status == 200


async def test_cancelled_calls_leave_their_places(make_transport):
    async def silent(exchange: Exchange) -> None:
        await exchange.client_gone()

    async with Loopback(silent) as silent_server, Loopback() as server:
        transport = make_transport(max_connections=2)
        for delay in (0, 0, 0.001, 0.005, 0.01, 0.02):
            calls = [asyncio.create_task(transport.send(get(silent_server.url()), PATIENT)) for _ in range(4)]
            await asyncio.sleep(delay)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
        results = await asyncio.gather(*(transport.send(get(server.url()), PATIENT) for _ in range(4)))
        assert [each.status for each in results] == [200] * 4


# --- connecting -------------------------------------------------------------------------------------------------------


@pytest.fixture
def deaf():
    """An address that accepts no connection and refuses none: its queue is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()
        for filler in fillers:
            filler.close()


def resolve_to(monkeypatch, *addresses):
    async def resolve(*where, **more):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]

    monkeypatch.setattr("modelmesh_core.transport.httptools_pool._resolve", resolve)


@pytest.fixture
def refusing():
    """An address where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()


async def test_the_next_address_is_tried_when_one_refuses_or_is_silent(make_transport, monkeypatch, deaf, refusing):
    async with Loopback() as server:
        for other in (refusing, deaf):
            resolve_to(monkeypatch, other, ("127.0.0.1", server.port))
            transport = make_transport()
            assert (await transport.send(get(f"http://many.example:{server.port}/"), PATIENT)).body == b"ok"
    assert server.connections == 2


async def test_when_no_address_answers_the_system_says_why(make_transport, monkeypatch, refusing):
    resolve_to(monkeypatch, refusing, refusing)
    error = await failure_of(make_transport(), get("http://many.example:81/"))
    assert (error.failure.kind, "refused" in str(error)) == (FailureKind.CONNECTION, True)


async def test_the_connect_limit_holds_while_several_addresses_are_tried(make_transport, monkeypatch, deaf):
    resolve_to(monkeypatch, deaf, deaf, deaf)
    with pytest.raises(ProviderError, match=r"within 0\.4 s \(connect\)"):
        await make_transport().send(get("http://many.example:81/"), HttpTimeouts(0.4, 5, 5, 5))
