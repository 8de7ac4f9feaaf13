"""Twenty thousand responses with something wrong in them: each ends in an answer or a ProviderError, none in half an
answer. What h11, another parser, makes of the same bytes is the measure."""

import asyncio
import gzip
import zlib
from collections.abc import Iterator
from random import Random

import h11
import pytest
from hostile_http import Wire
from loopback import chunk
from modelmesh_core.errors import FailureKind, ProviderError
from modelmesh_core.transport import Transport, TransportOptions, create_transport
from modelmesh_core.transport.httptools_connection import HttptoolsConnection
from modelmesh_core.wire.http import HttpRequest, HttpResponse, HttpTimeouts

REQUEST = HttpRequest("GET", "http://host/")
CUT = "cut"
FOR_EVER = HttpTimeouts(None, None, None, None)
BODY = b'{"choices": [{"message": {"content": "Paris"}}], "usage": {"total_tokens": 12}}'
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
IN_CHUNKS = chunk(BODY[:10]) + chunk(BODY[10:11]) + chunk(BODY[11:])


def gzipped(plain: bytes) -> bytes:
    return gzip.compress(plain, mtime=0)


def with_length(body: bytes, head: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\n%bcontent-length: %d\r\nserver: x\r\n\r\n" % (head, len(body)) + body


def in_chunks(body: bytes, head: bytes) -> bytes:
    return CHUNKED[:-2] + head + b"\r\n" + chunk(body[:7]) + chunk(body[7:]) + b"0\r\n\r\n"


PLAIN = [
    with_length(BODY),
    with_length(BODY, b"connection: close\r\n"),
    with_length(b""),
    with_length(BODY).replace(b"1.1", b"1.0").replace(b"200 OK", b"404 Not Found"),
    CHUNKED + IN_CHUNKS + b"0\r\n\r\n",
    CHUNKED + chunk(BODY).replace(b"\r\n", b";a=b\r\n", 1) + b"0\r\nX-Trailer: 1\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + with_length(BODY),
    b"HTTP/1.1 204 No Content\r\nx: y\r\n\r\n",
]
COMPRESSED = [
    with_length(gzipped(BODY), b"content-encoding: gzip\r\n"),
    in_chunks(gzipped(BODY), b"content-encoding: gzip\r\n"),
    in_chunks(gzipped(BODY[:30]) + gzipped(BODY[30:]), b"content-encoding: gzip\r\n"),
    with_length(zlib.compress(BODY), b"content-encoding: deflate\r\n"),
]
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\ncontent-type: a/b\r\n\r\n" + BODY
TROUBLE = [
    b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b"0\r\n\r\n", b"ffffffffffffffff\r\n", b"-1", b"+", b"0x", b",",
    b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\r\n", b"HTTP/1.1 200 OK\r\n",
    b"Content-Length: 99999999999999999999\r\n", b"Connection: close\r\n", b"Content-Encoding: gzip\r\n", b"\xff\x80",
    b"Upgrade: h2c\r\nConnection: upgrade\r\n", b" folded\r\n", b"HTTP/1.1 101 Switching Protocols\r\n\r\n", b"9" * 40,
]  # fmt: skip


@pytest.fixture
async def answered(monkeypatch) -> "Answered":
    return Answered(monkeypatch)


class Answered:
    """A call of the engine that is answered by given bytes and then the end."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pieces: list[bytes] = []
        self.transport: Transport = create_transport("httptools", TransportOptions(max_body=100_000))
        monkeypatch.setattr("modelmesh_core.transport.httptools_pool._connected", self._connected)

    async def _connected(self, loop, origin, trust, turns, outbox) -> HttptoolsConnection:
        connection = HttptoolsConnection(loop, origin, turns, outbox)
        Wire(connection, self.pieces)
        return connection

    async def by(self, pieces: list[bytes], *, stream: bool = False) -> HttpResponse | ProviderError:
        self.pieces = pieces
        try:
            async with asyncio.timeout(5):  # in vain: nothing here waits for anything but the next round of the loop
                if not stream:
                    return await self.transport.send(REQUEST, FOR_EVER)
                body = await self.transport.open(REQUEST, FOR_EVER)
                return HttpResponse(body.status, body.headers, await body.read_all(100_000))
        except ProviderError as error:
            return error
        finally:
            await self.transport.aclose()


def pieces_of(data: bytes, random: Random) -> list[bytes]:
    cuts = sorted(random.randrange(len(data) + 1) for _ in range(random.choice((0, 0, 1, 2, 5))))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True) if data[start:end]]


def mutated(data: bytes, random: Random) -> bytes:
    for _ in range(random.choice((1, 1, 2, 4))):
        at, length = random.randrange(len(data) + 1), random.choice((1, 1, 2, 8, 40))
        match random.randrange(5):
            case 0:
                data = data[:at] + random.randbytes(1) + data[at + 1 :]
            case 1:
                data = data[:at] + data[at + length :]
            case 2:
                data = data[:at] + data[at : at + length] + data[at:]
            case 3:
                data = data[:at] + random.choice(TROUBLE) + data[at:]
            case _:
                data = data[:at]
        data = data or b"\r\n"
    return data


def by_h11(data: bytes) -> bytes | str:
    """The body of the first response as h11 reads it, or why there is none."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=1_000_000)
    connection.send(h11.Request(method="GET", target="/", headers=[("host", "host")]))
    connection.send(h11.EndOfMessage())
    body = b""
    try:
        connection.receive_data(data)
        connection.receive_data(b"")
        while not isinstance(event := connection.next_event(), h11.EndOfMessage):
            if event in (h11.NEED_DATA, h11.PAUSED) or isinstance(event, h11.ConnectionClosed):
                return CUT
            if isinstance(event, h11.Data):
                body += event.data
    except h11.RemoteProtocolError as error:
        return CUT if "peer closed connection" in str(error) else "no HTTP"
    return body


def mutations(count: int) -> Iterator[tuple[bytes, Random]]:
    random = Random(20261123)
    for _ in range(count):
        yield mutated(random.choice([*PLAIN, *COMPRESSED, UNTIL_CLOSE]), random), random


async def test_the_responses_that_are_mutated_are_right_ones(answered):
    for whole in [*PLAIN, *COMPRESSED, UNTIL_CLOSE]:
        result = await answered.by([whole])
        assert isinstance(result, HttpResponse)
        assert result.body == (BODY if BODY[-1:] in whole[-80:] or b"encoding" in whole else b"")


async def test_every_beginning_of_a_response_is_refused_and_every_division_of_it_is_read(answered):
    for whole in [*PLAIN, *COMPRESSED]:
        complete = seen(await answered.by([whole]))
        for at in range(1, len(whole)):
            cut = await answered.by([whole[:at]])
            assert isinstance(cut, ProviderError), whole[:at]
            assert cut.failure.kind in (FailureKind.CONNECTION, FailureKind.STREAM_CUT)
            assert seen(await answered.by([whole[:at], whole[at:]])) == complete


def seen(result: HttpResponse | ProviderError) -> object:
    assert isinstance(result, HttpResponse)
    return result.status, dict(result.headers), result.body


async def test_no_mutation_makes_half_an_answer_pass_for_whole(answered):
    accepted = compared = 0
    for data, random in mutations(20_000):
        result = await answered.by(pieces_of(data, random), stream=random.random() < 0.3)
        if isinstance(result, ProviderError):
            assert result.failure.kind in (FailureKind.CONNECTION, FailureKind.STREAM_CUT, FailureKind.UNDECODABLE)
            continue
        accepted += 1
        theirs = by_h11(data)
        assert theirs != CUT, data
        if isinstance(theirs, bytes) and b"content-encoding" not in data.lower():
            assert theirs == result.body, data
            compared += 1
    assert (accepted > 3000, compared > 2000) == (True, True)  # or there was nothing to see
