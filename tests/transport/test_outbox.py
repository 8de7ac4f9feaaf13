"""What connections send in one round of the event loop leaves at its end, together; what is alone leaves at once."""

import asyncio
import logging

from modelmesh_core.transport.httptools_connection import HttptoolsConnection
from modelmesh_core.transport.outbox import Outbox


async def test_who_is_alone_does_not_wait() -> None:
    outbox, left = Outbox(asyncio.get_running_loop()), list[str]()
    for name in ("first", "second"):
        outbox.put(lambda name=name: left.append(name))
        assert left[-1] == name
        await asyncio.sleep(0)


async def test_where_many_write_they_leave_together_and_in_order() -> None:
    outbox, left = Outbox(asyncio.get_running_loop()), list[int]()
    for number in range(4):
        outbox.put(lambda number=number: left.append(number))
    assert left == [0]  # nobody could know of the others yet
    await asyncio.sleep(0)
    assert left == [0, 1, 2, 3]

    for number in range(4, 6):  # now it is known that many write
        outbox.put(lambda number=number: left.append(number))
    assert left == [0, 1, 2, 3]
    await asyncio.sleep(0)
    assert left == [0, 1, 2, 3, 4, 5]

    outbox.put(lambda: left.append(6))
    await asyncio.sleep(0)
    outbox.put(lambda: left.append(7))  # and now that it was one
    assert left == [0, 1, 2, 3, 4, 5, 6, 7]


async def test_one_that_cannot_write_does_not_hold_up_the_others(caplog) -> None:
    outbox, left = Outbox(asyncio.get_running_loop()), list[str]()

    def fail() -> None:
        raise OSError("the socket is gone")

    for leave in (lambda: None, fail, lambda: left.append("the last")):
        outbox.put(leave)
    with caplog.at_level(logging.ERROR):
        await asyncio.sleep(0)
    assert left == ["the last"]
    assert "could not write" in caplog.text


class Wire(asyncio.Transport):
    """A transport that remembers what was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.aborted = False

    def get_extra_info(self, name, default=None):
        return default

    def write(self, data) -> None:
        self.written += data

    def abort(self) -> None:
        self.aborted = True


def asked(outbox: Outbox) -> tuple[HttptoolsConnection, Wire]:
    connection, wire = HttptoolsConnection(asyncio.get_running_loop(), outbox=outbox), Wire()
    connection.connection_made(wire)
    connection.ask(b"GET / HTTP/1.1\r\n\r\n", None, "GET", whole=True, limit=100, idle=None, total_at=None)
    return connection, wire


async def test_what_comes_before_a_request_has_left_is_not_its_answer() -> None:
    outbox = Outbox(asyncio.get_running_loop())
    outbox.put(lambda: None)  # so that the next one waits
    connection, wire = asked(outbox)
    assert wire.written == b""
    connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")
    assert wire.aborted
    assert connection.status == 0
    assert connection.broken == "it sent something that it was not asked for"
    await asyncio.sleep(0)
    assert wire.written == b""


async def test_a_request_that_is_cancelled_before_it_has_left_is_never_sent() -> None:
    outbox = Outbox(asyncio.get_running_loop())
    outbox.put(lambda: None)
    connection, wire = asked(outbox)
    waiting = asyncio.create_task(connection.wait(None))
    connection.abort("the call was cancelled")
    await waiting
    assert wire.written == b""
