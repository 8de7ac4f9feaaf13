"""Callers who send or read too slowly lose the connection; others do not notice."""

import time

import orjson
import pytest
from modelmesh_core.gateway import GatewayLimits
from modelmesh_core.testing import answers

BASE = "https://a.test/v1"
CHAT = "/v1/chat/completions"
HASTY = GatewayLimits(head=0.2, body=0.2, linger=0.2, keep_alive=1, stalled_write=0.3)


def assert_closes_soon(caller):
    started = time.monotonic()
    answer = caller.read_all()
    assert time.monotonic() - started < 3
    return answer


@pytest.mark.parametrize("sent", [b"", b"GET /v1/models HTTP/1.1\r\nhost:"])
def test_a_head_that_never_ends(serve, raw, sent):
    caller = raw(serve(limits=HASTY).port)
    caller.socket.sendall(sent)
    assert assert_closes_soon(caller) == b""


def test_a_head_that_drips_on_a_used_connection(serve, raw):
    caller = raw(serve(limits=HASTY).port)
    caller.socket.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
    assert b"ready" in caller.read_until(b"}")
    closed = False
    try:
        for _ in range(30):
            caller.socket.sendall(b"G")
            time.sleep(0.05)
    except ConnectionError:
        closed = True
    assert closed


def test_a_body_that_never_ends(serve, raw):
    caller = raw(serve(limits=HASTY).port)
    caller.socket.sendall(f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{{".encode())
    answer = assert_closes_soon(caller)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in answer
    assert orjson.loads(answer.partition(b"\r\n\r\n")[2])["error"]["type"] == "timeout_error"


def test_a_body_that_breaks_off_is_nobodys_request(serve, raw, upstream):
    server = serve()
    caller = raw(server.port)
    caller.socket.sendall(f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{{".encode())
    caller.close()
    deadline = time.monotonic() + 2
    while server.get_status()["served"] == 0 and time.monotonic() < deadline:
        time.sleep(0.005)
    assert server.get_status()["served"] == 1
    assert upstream.requests == []


def test_a_used_connection_that_idles(serve, raw):
    caller = raw(serve(limits=HASTY).port)
    caller.socket.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
    assert b"ready" in assert_closes_soon(caller)


def test_a_caller_who_stops_reading_does_not_hold_the_upstream(serve, raw, upstream, chat_body):
    endless = answers.Answer(
        200,
        chunks=[b'data: {"choices":[{"index":0,"delta":{"content":"' + b"x" * 60_000 + b'"}}]}\n\n'] * 1000,
        headers={"content-type": "text/event-stream"},
    )
    upstream.script(BASE, [endless])
    server = serve(limits=HASTY)
    caller = raw(server.port)
    caller.post(chat_body(stream=True))
    caller.read_until(b"data: ")
    deadline = time.monotonic() + 5
    while (upstream.open_streams or not upstream.closed_streams) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert upstream.closed_streams == 1
    assert upstream.open_streams == 0


def test_a_slow_reader_gets_everything(serve, raw, upstream, chat_body):
    long = answers.stream(*["x" * 20_000] * 100)
    upstream.script(BASE, [long])
    caller = raw(serve(limits=HASTY).port)
    caller.post(chat_body(stream=True))
    seen = 0
    tail = b""
    while b"[DONE]" not in tail:
        data = caller.socket.recv(50_000)
        assert data, "the connection was closed"
        seen += len(data)
        tail = tail[-20:] + data
        time.sleep(0.01)
    assert seen > 2_000_000
