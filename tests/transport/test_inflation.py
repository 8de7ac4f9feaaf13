"""Packed bodies: read by the engine that unpacks them itself, and by the part of it that does."""

import gzip
import zlib

import pytest
from hostile_http import ON_BOTH_LOOPS, answering, failure_of
from loopback import CHUNKED_HEAD, Exchange, Loopback, chunk, reply
from modelmesh_core.errors import FailureKind
from modelmesh_core.transport.inflation import PIECE, Inflater
from modelmesh_core.wire.http import HttpRequest, HttpTimeouts

PATIENT = HttpTimeouts(connect=5, first_byte=5, idle=5, total=10)
KIB, MIB = 1024, 1024 * 1024


def get(url):
    return HttpRequest("GET", url)


def gzipped(plain: bytes) -> bytes:
    return gzip.compress(plain, mtime=0)


PLAIN = b"the same again " * 50
RAW = zlib.compressobj(wbits=-15)
RAW_DEFLATED = RAW.compress(PLAIN) + RAW.flush()


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        ("gzip", gzipped(PLAIN[:100]) + gzipped(PLAIN[100:])),
        ("gzip", gzipped(PLAIN) + bytes(8)),
        ("x-gzip", gzipped(PLAIN)),
        ("GZIP", gzipped(PLAIN)),
        ("deflate", RAW_DEFLATED),
        ("deflate", zlib.compress(PLAIN)),
        ("identity", PLAIN),
    ],
)
@ON_BOTH_LOOPS
async def test_the_encodings_that_are_understood(make_transport, coding, packed):
    async with Loopback(answering(reply(packed, head=f"content-encoding: {coding}"))) as server:
        response = await make_transport().send(get(server.url()), PATIENT)
    assert (response.body, "content-encoding" in response.headers) == (PLAIN, False)


@pytest.mark.parametrize(
    ("coding", "packed", "kind"),
    [
        ("br", b"\x0b\x02\x80hello\x03", FailureKind.UNDECODABLE),
        ("gzip, gzip", gzipped(gzipped(PLAIN)), FailureKind.UNDECODABLE),
        ("gzip", gzipped(PLAIN) + b"garbage", FailureKind.UNDECODABLE),
        ("deflate", zlib.compress(PLAIN) + b"garbage", FailureKind.UNDECODABLE),
        ("gzip", gzipped(PLAIN)[:-8] + bytes(8), FailureKind.UNDECODABLE),  # the checksum
        ("gzip", gzipped(PLAIN)[:-3], FailureKind.STREAM_CUT),
        ("gzip", b"\x1f", FailureKind.STREAM_CUT),
        ("deflate", RAW_DEFLATED[:-1], FailureKind.STREAM_CUT),
        ("deflate", b"x", FailureKind.STREAM_CUT),
    ],
)
@ON_BOTH_LOOPS
async def test_what_cannot_be_unpacked_or_not_wholly_is_no_answer(make_transport, coding, packed, kind):
    async with Loopback(answering(reply(packed, head=f"content-encoding: {coding}"))) as server:
        assert (await failure_of(make_transport(), get(server.url()))).failure.kind is kind


@ON_BOTH_LOOPS
async def test_nothing_at_all_is_a_packed_body_too(make_transport):
    async with Loopback(answering(reply(b"", head="content-encoding: gzip"))) as server:
        assert (await make_transport().send(get(server.url()), PATIENT)).body == b""


def test_a_bomb_is_unpacked_no_further_than_it_is_read():
    inflater = Inflater("gzip")
    inflater.feed(gzipped(bytes(20 * MIB)))
    sizes = []
    while piece := inflater.read():
        sizes.append(len(piece))
    assert (sum(sizes), max(sizes) <= PIECE, inflater.is_whole()) == (20 * MIB, True, True)


@pytest.mark.parametrize("packed", [gzipped(PLAIN) * 2, gzipped(b"") + gzipped(PLAIN)])
def test_a_body_that_comes_byte_by_byte_is_unpacked_the_same(packed):
    inflater, plain = Inflater("gzip"), b""
    for at in range(len(packed)):
        inflater.feed(packed[at : at + 1])
        while piece := inflater.read():
            plain += piece
    assert (plain, inflater.is_whole()) == (gzip.decompress(packed), True)


@pytest.mark.parametrize("chunk_size", [7, 64 * KIB])
@ON_BOTH_LOOPS
async def test_a_large_packed_body_is_unpacked_whole(make_transport, chunk_size):
    plain = b"".join(b"%d " % number for number in range(400_000))
    packed = gzip.compress(plain, 1)
    if chunk_size == 7:
        plain, packed = plain[:1000], gzipped(plain[:1000])

    async def behave(exchange: Exchange) -> None:
        pieces = (packed[at : at + chunk_size] for at in range(0, len(packed), chunk_size))
        head = CHUNKED_HEAD.replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n")
        await exchange.send(head + b"".join(map(chunk, pieces)) + chunk(b""))

    async with Loopback(behave) as server:
        transport = make_transport()
        for _ in range(2):
            assert (await transport.send(get(server.url()), PATIENT)).body == plain
        assert server.connections == 1
