"""Responses that try to pass for another one, on both event loops: where each ends, and what is no response."""

import asyncio
import socket

import pytest
from hostile_http import ON_BOTH_LOOPS, answering, failure_of
from loopback import CHUNKED_HEAD, Exchange, Loopback, chunk, reply
from modelmesh_core.errors import FailureKind, ProviderError
from modelmesh_core.wire.http import HttpRequest, HttpTimeouts

PATIENT = HttpTimeouts(connect=5, first_byte=5, idle=5, total=10)
KIB, MIB = 1024, 1024 * 1024
pytestmark = ON_BOTH_LOOPS


def get(url):
    return HttpRequest("GET", url)


# --- heads and bodies ------------------------------------------------------------------------------------------------

LENGTH = "content-length: 5\r\n"
HEADS = {
    "a length and chunks": f"{LENGTH}transfer-encoding: chunked\r\n",
    "chunks and a length": f"transfer-encoding: chunked\r\n{LENGTH}",
    "two lengths": f"{LENGTH}content-length: 6\r\n",
    "one length twice": LENGTH + LENGTH,
    "a list of lengths": "content-length: 5, 5\r\n",
    "a negative length": "content-length: -5\r\n",
    "a length with a sign": "content-length: +5\r\n",
    "a length in hexadecimal": "content-length: 0x5\r\n",
    "a length in other digits": "content-length: ٥\r\n",
    "a length beyond all numbers": f"content-length: {10**40}\r\n",
    "an empty length": "content-length:\r\n",
    "a coding that is not chunks": "transfer-encoding: gzip\r\n",
    "chunks under a coding": "transfer-encoding: chunked, gzip\r\n",
    "a coding over chunks": "transfer-encoding: gzip, chunked\r\n",
    "chunks misspelt": "transfer-encoding: xchunked\r\n",
    "chunks twice": "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
    "a space before the colon": f"content-length : 5\r\n{LENGTH}",
    "a folded header": f"x: a\r\n b\r\n{LENGTH}",
    "a header folded into a length": "x: a\r\n content-length: 2\r\ncontent-length: 5\r\n",
    "a line that is no header": f"nonsense\r\n{LENGTH}",
    "a header without a name": f": x\r\n{LENGTH}",
    "a zero in a header": f"x: a\0b\r\n{LENGTH}",
    "a bare return in a header": f"x: a\rb\r\n{LENGTH}",
    "lines that end in LF": "x: a\ncontent-length: 5\n",
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
async def test_a_head_that_can_be_read_in_two_ways_is_refused(make_transport, head):
    transport = make_transport()
    answer = f"HTTP/1.1 200 OK\r\n{head}\r\n".encode() + b"5\r\nhello\r\n0\r\n\r\n"
    async with Loopback(answering(answer)) as server:
        error = await failure_of(transport, get(server.url()))
        assert error.failure.kind is FailureKind.CONNECTION
        assert f"127.0.0.1:{server.port}" in str(error)
        assert (await transport.send(get(server.url()), PATIENT)).body == b"ok"
        assert server.connections == 2


@pytest.mark.parametrize(
    "beginning",
    [
        b"HTTP/1.1 200 OK\n", b"HTTP/1.1 99 Low\r\n", b"HTTP/1.1 2000 High\r\n", b"HTTP/1.1 OK\r\n", b"\0\r\n",
        b"GET / HTTP/1.1\r\n",
    ],
)  # fmt: skip
async def test_a_first_line_that_is_none_is_refused(make_transport, beginning):
    async with Loopback(answering(beginning + b"content-length: 2\r\n\r\nok")) as server:
        assert (await failure_of(make_transport(), get(server.url()))).failure.kind is FailureKind.CONNECTION


@pytest.mark.parametrize(
    "chunks",
    [
        b"fffffffffffffffff\r\nhello", b"-5\r\nhello\r\n0\r\n\r\n", b"0x5\r\nhello\r\n0\r\n\r\n", b"5\nhello\n0\n\n",
        b"5 5\r\nhello\r\n0\r\n\r\n", b"5\r\nhelloo\r\n0\r\n\r\n", b"\r\nhello\r\n0\r\n\r\n", b"5\r\nhello0\r\n\r\n",
        b"5\r\nhello\r\n0\r\nno trailer\r\n\r\n",
    ],
)  # fmt: skip
@pytest.mark.parametrize("stream", [False, True])
async def test_chunks_that_make_no_sense_cut_the_body(make_transport, chunks, stream):
    transport = make_transport()
    async with Loopback(answering(CHUNKED_HEAD + chunks)) as server:
        with pytest.raises(ProviderError) as caught:
            if stream:
                body = await transport.open(get(server.url()), PATIENT)
                await body.read_all(MIB)
            else:
                await transport.send(get(server.url()), PATIENT)
        if stream:
            await body.aclose()
        assert caught.value.failure.kind is FailureKind.STREAM_CUT
        assert (await transport.send(get(server.url()), PATIENT)).body == b"ok"


async def test_extensions_and_trailers_of_chunks_are_no_part_of_the_answer(make_transport):
    answer = CHUNKED_HEAD + b"5;a=b\r\nhello\r\n0;c\r\ncontent-type: other\r\nx-trailer: 1\r\n\r\n"
    async with Loopback(answering(answer)) as server:
        transport = make_transport()
        response = await transport.send(get(server.url()), PATIENT)
        assert (await transport.send(get(server.url()), PATIENT)).body == b"ok"
    assert (response.body, dict(response.headers)) == (
        b"hello",
        {"content-type": "text/event-stream", "transfer-encoding": "chunked"},
    )
    assert server.connections == 1


async def test_news_before_the_response_is_not_the_response(make_transport):
    news = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
    async with Loopback(answering(news + reply(b"then"), news + reply(b"again"))) as server:
        transport = make_transport()
        responses = [await transport.send(get(server.url()), PATIENT) for _ in range(2)]
    assert [(each.status, each.body, "link" in each.headers) for each in responses] == [
        (200, b"then", False),
        (200, b"again", False),
    ]
    assert server.connections == 1


@pytest.mark.parametrize("more", [b"", b"upgrade: websocket\r\nconnection: upgrade\r\n"])
async def test_another_protocol_is_refused(make_transport, more):
    answer = b"HTTP/1.1 101 Switching Protocols\r\n" + more + b"\r\n" + reply(b"not this")
    async with Loopback(answering(answer)) as server:
        error = await failure_of(make_transport(), get(server.url()))
    assert (error.failure.kind, "101" in str(error)) == (FailureKind.CONNECTION, True)


@pytest.mark.parametrize(
    ("method", "answer", "status"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n", 200),
        ("HEAD", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", 200),
        ("HEAD", b"HTTP/1.1 200 OK\r\n\r\n", 200),
        ("HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\ncontent-encoding: gzip\r\n\r\n", 200),
        ("GET", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 100\r\n\r\n", 304),
        ("GET", b"HTTP/1.1 304 Not Modified\r\n\r\n", 304),
    ],
)
async def test_a_response_that_has_no_body_whatever_its_head_says(make_transport, method, answer, status):
    transport = make_transport()
    async with Loopback(answering(answer)) as server:
        response = await transport.send(HttpRequest(method, server.url()), HttpTimeouts(1, 1, 1, 1))
        assert (response.status, response.body) == (status, b"")
        assert (await transport.send(get(server.url()), PATIENT)).body == b"ok"


@pytest.mark.parametrize("notify", [True, False], ids=["closed properly", "cut"])
async def test_over_tls_a_body_without_a_length_is_whole_only_if_the_server_says_so(
    make_transport, server_tls, ca_file, notify
):
    async def end(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        if notify:
            exchange.close()
        else:
            with exchange.writer.get_extra_info("socket").dup() as servers_end:
                servers_end.shutdown(socket.SHUT_RDWR)

    async with Loopback(end, tls=server_tls) as server:
        transport = make_transport(ca_file=ca_file)
        if notify:
            assert (await transport.send(get(server.url()), PATIENT)).body == b"all of it"
        else:
            assert (await failure_of(transport, get(server.url()))).failure.kind is FailureKind.STREAM_CUT


# --- bounds ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nx: " + b"x" * (70 * KIB) + b"\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 300 + b"content-length: 0\r\n\r\n",
        b"HTTP/1.1 200 " + b"O" * (400 * KIB) + b"\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 103 Hint\r\nx: y\r\n\r\n" * 20_000,
    ],
    ids=["a long header", "many headers", "a long reason", "much news"],
)
async def test_a_head_without_bounds_is_refused(make_transport, answer):
    async with Loopback(answering(answer)) as server:
        error = await failure_of(make_transport(), get(server.url()))
    assert error.failure.kind is FailureKind.CONNECTION


async def test_trailers_without_bounds_are_cut(make_transport):
    async def endless(exchange: Exchange) -> None:
        await exchange.send(CHUNKED_HEAD + chunk(b"one") + b"0\r\n")
        while True:
            await exchange.send(b"x-trailer: " + b"x" * 1000 + b"\r\n")

    async with Loopback(endless) as server:
        error = await failure_of(make_transport(), get(server.url()))
    assert error.failure.kind is FailureKind.STREAM_CUT


async def test_what_a_reader_does_not_take_stays_with_the_server(make_transport):
    sent = 0

    async def fast(exchange: Exchange) -> None:
        nonlocal sent
        exchange.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * KIB)
        await exchange.send(CHUNKED_HEAD)
        for number in range(3200):
            await exchange.send(chunk(b"%07d" % number * 1463))
            sent += 1
        await exchange.send(chunk(b""))

    async with Loopback(fast) as server:
        transport = make_transport()
        stream = await transport.open(get(server.url()), PATIENT)
        await asyncio.sleep(0.3)
        assert sent < 1600  # of 32 MiB, most of which would otherwise be here by now
        body = await stream.read_all(64 * MIB)
        await stream.aclose()
        assert body == b"".join(b"%07d" % number * 1463 for number in range(3200))
        await transport.send(get(server.url()), PATIENT)
        assert server.connections == 1
