"""Streams in a loop that has more to do than it can: the httptools engine lets their pieces gather."""

import asyncio
import time

from loopback import CHUNKED_HEAD, Exchange, Loopback, chunk
from modelmesh_core.transport import TransportOptions, create_transport
from modelmesh_core.wire.http import HttpRequest, HttpTimeouts

PATIENT = HttpTimeouts(connect=5, first_byte=5, idle=5, total=10)
PIECES = [b"piece %03d " % number for number in range(200)]


async def one_by_one(exchange: Exchange) -> None:
    """A piece in every third round of the loop, so that none overtakes its reader."""
    await exchange.send(CHUNKED_HEAD)
    for piece in PIECES:
        await exchange.send(chunk(piece))
        for _ in range(3):
            await asyncio.sleep(0)
    await exchange.send(chunk(b""))


async def pieces_read(busy: float) -> list[bytes]:
    """What comes of that stream while something else takes ``busy`` seconds of every round."""
    loop = asyncio.get_running_loop()
    is_over = False

    def hog() -> None:
        time.sleep(busy)
        if not is_over:
            loop.call_soon(hog)

    transport = create_transport("httptools", TransportOptions())
    try:
        async with Loopback(one_by_one) as server:
            stream = await transport.open(HttpRequest("GET", server.url()), PATIENT)
            loop.call_soon(hog)
            read: list[bytes] = []
            while piece := await stream.read_chunk():
                read.append(piece)
            is_over = True
            await stream.aclose()
            return read
    finally:
        is_over = True
        await transport.aclose()


async def test_pieces_gather_where_the_loop_is_busy_and_none_is_lost():
    read = await pieces_read(0.003)
    assert b"".join(read) == b"".join(PIECES)
    assert len(read) < len(PIECES) / 2


async def test_pieces_are_handed_on_as_they_come_where_it_is_not():
    assert len(await pieces_read(0.0)) > len(PIECES) / 2
