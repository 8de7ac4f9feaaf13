"""HTTP/1.1 as the gateway speaks it, byte by byte."""

import contextlib
import json
import socket
import threading
import time

import pytest
from meshes import config
from modelmesh_core.testing import answers

BASE = "https://a.test/v1"
CHAT = "/v1/chat/completions"
BODY = json.dumps({"model": "chat", "messages": [{"role": "user", "content": "Hi"}]}).encode()
LIVE = b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n"


def post(body: bytes = BODY, *headers: str, version: str = "1.1", path: str = CHAT) -> bytes:
    lines = [f"POST {path} HTTP/{version}", "Host: x", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def chunked(body: bytes, *, trailers: bytes = b"") -> bytes:
    pieces = [
        b"%x;ext=1\r\n%b\r\n" % (len(body[place : place + 7]), body[place : place + 7])
        for place in range(0, len(body), 7)
    ]
    head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    return head + b"".join(pieces) + b"0\r\n" + trailers + b"\r\n"


def divided(data: bytes) -> list[tuple[int, dict[str, str], bytes]]:
    """(status, headers, body) of each answer in ``data``."""
    found = []
    while data:
        head, _, rest = data.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers["content-length"])
        found.append((int(status.split(" ")[1]), headers, rest[:length]))
        data = rest[length:]
    return found


@pytest.fixture
def talk(serve, upstream):
    """Sends bytes to a gateway, in pieces, and gives the answers that come until the connection ends."""
    upstream.script(BASE, lambda request: answers.chat(f"heard {len(upstream.requests)}"))
    server = serve()

    def send(*pieces: bytes):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as caller:
            caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for piece in pieces:
                caller.sendall(piece)
                if len(pieces) > 1:
                    time.sleep(0.002)
            data = b""
            while more := caller.recv(65536):
                data += more
        return divided(data)

    return send


def said(answer: tuple[int, dict[str, str], bytes]) -> str:
    assert answer[0] == 200, answer
    return json.loads(answer[2])["choices"][0]["message"]["content"]


def test_an_answer_declares_what_it_is(talk):
    ((status, headers, body),) = talk(post(BODY, "Connection: close"))
    assert status == 200
    assert headers["content-type"] == "application/json"
    assert headers["connection"] == "close"
    assert headers["date"].endswith(" GMT")
    assert "server" not in headers
    assert json.loads(body)["object"] == "chat.completion"


def test_requests_that_are_sent_ahead_are_answered_in_their_order(talk):
    found = talk(post() + post() + LIVE + post(BODY, "Connection: close"))
    assert [said(found[place]) for place in (0, 1, 3)] == ["heard 1", "heard 2", "heard 3"]
    assert found[2][2] == b'{"status":"live"}'
    assert ["connection" in headers for _, headers, _ in found] == [False, False, False, True]


def test_many_requests_over_one_connection(talk):
    assert len(talk(*([LIVE] * 40), post(BODY, "Connection: close"))) == 41


@pytest.mark.parametrize("size", [1, 3, 50])
def test_a_request_may_come_in_any_pieces(talk, size):
    data = post(BODY, "Connection: close")
    (answer,) = talk(*(data[place : place + size] for place in range(0, len(data), size)))
    assert said(answer) == "heard 1"


def test_a_body_may_come_in_chunks_with_extensions_and_trailers(talk):
    first, second = talk(
        chunked(BODY, trailers=b"authorization: Bearer other\r\nx: y\r\n") + post(BODY, "Connection: close")
    )
    assert (said(first), said(second)) == ("heard 1", "heard 2")


def test_a_trailer_that_never_ends_is_not_kept(serve, raw, upstream):
    caller = raw(serve().port)
    caller.socket.sendall(chunked(BODY).removesuffix(b"\r\n") + b"x: ")
    caller.socket.settimeout(10)
    with contextlib.suppress(ConnectionError):  # the answer may come before all of it has left
        for _ in range(50):
            caller.socket.sendall(b"y" * 10_000)
            time.sleep(0.002)
    assert b"HTTP/1.1 431 " in caller.read_all()
    assert not upstream.requests


def test_many_small_chunks_in_pieces_of_their_own_are_a_body(talk):
    head, _, _ = chunked(b"").partition(b"\r\n\r\n")
    message = b" " * 150 + BODY
    lines = [line for byte in message for line in (b"1" + b";" + b"e" * 400 + b"\r\n", bytes([byte]) + b"\r\n")]
    (answer,) = talk(head.replace(b"host: x", b"host: x\r\nconnection: close") + b"\r\n\r\n", *lines, b"0\r\n\r\n")
    assert said(answer) == "heard 1"


def test_what_follows_the_last_request_is_not_heard(talk, upstream):
    (answer,) = talk(post(BODY, "Connection: close") + post() + b"\x00garbage")
    assert said(answer) == "heard 1"
    assert len(upstream.requests) == 1


def test_garbage_after_an_answer_is_refused(talk):
    first, second = talk(post(), b"", b"\x00garbage\r\n\r\n")
    assert said(first) == "heard 1"
    assert (second[0], json.loads(second[2])["error"]["code"]) == (400, "invalid_http")


def test_a_caller_of_http_1_0_gets_one_answer(talk):
    (answer,) = talk(post(version="1.0"))
    assert said(answer) == "heard 1"


def test_a_stream_for_http_1_0_ends_with_the_connection(serve, raw, upstream):
    upstream.script(BASE, [answers.stream("Hel", "lo")])
    caller = raw(serve().port)
    caller.socket.sendall(post(BODY[:-1] + b', "stream": true}', version="1.0"))
    head, _, body = caller.read_all().partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert body.startswith(b"data: {") and body.endswith(b"data: [DONE]\n\n")


def test_the_body_is_asked_for_where_the_caller_waits_for_that(serve, raw, upstream):
    upstream.script(BASE, [answers.chat("late")])
    caller = raw(serve().port)
    whole = post(BODY, "Expect: 100-continue", "Connection: close")
    caller.socket.sendall(whole[: -len(BODY)])
    assert caller.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    caller.socket.sendall(BODY)
    assert b"late" in caller.read_all()


def test_a_body_that_is_not_wanted_is_not_asked_for(serve, raw):
    caller = raw(serve(max_body="1KB").port)
    caller.socket.sendall(
        f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 5000\r\n\r\n".encode()
    )
    assert caller.read_all().startswith(b"HTTP/1.1 413 ")


def test_head_has_the_head_only(serve, raw):
    caller = raw(serve().port)
    caller.socket.sendall(b"HEAD /health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    head, _, body = caller.read_all().partition(b"\r\n\r\n")
    assert b"content-length: 17" in head
    assert body == b""


@pytest.mark.parametrize("cut", [0, 1, 60, len(BODY) - 1, len(BODY)])
def test_whoever_asks_for_another_protocol_is_answered_in_this_one(talk, cut):
    """Java's client asks for HTTP/2 with its first request, body and all."""
    upgrade = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")
    data = post(BODY, *upgrade)
    place = len(data) - cut
    first, second = talk(data[:place], data[place:] + post(BODY, "Connection: close"))
    assert (said(first), said(second)) == ("heard 1", "heard 2")
    assert "connection" not in first[1]


def test_the_same_with_a_body_in_chunks_or_without_one(talk):
    upgrade = b"connection: upgrade\r\nupgrade: websocket\r\n"
    asked = chunked(BODY).replace(b"host: x\r\n", b"host: x\r\n" + upgrade, 1)
    found = talk(asked + LIVE.replace(b"host: x\r\n", b"host: x\r\n" + upgrade) + post(BODY, "Connection: close"))
    assert [said(found[0]), found[1][0], said(found[2])] == ["heard 1", 200, "heard 2"]


def test_many_that_ask_for_another_protocol_are_no_burden(talk):
    asked = LIVE.replace(b"host: x\r\n", b"host: x\r\nconnection: upgrade\r\nupgrade: x\r\n")
    found = talk(asked * 2000 + post(BODY, "Connection: close"))
    assert len(found) == 2001 and {status for status, _, _ in found} == {200}


@pytest.mark.parametrize(
    "line",
    [
        b"CONNECT a.test:443 HTTP/1.1",
        b"GET * HTTP/1.1",
        b"GET http:// HTTP/1.1",
        b"GET /x HTTP/3.0",
        b"GET /\xff HTTP/1.1",
    ],
)
def test_targets_that_lead_nowhere_are_refused(talk, line):
    (answer,) = talk(line + b"\r\nhost: x\r\nconnection: close\r\n\r\n")
    assert answer[0] in (400, 404)


def test_a_target_may_be_quoted_or_absolute(talk):
    found = talk(
        b"GET /health/%6Cive?x=1 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET http://elsewhere.test/health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    )
    assert [answer[2] for answer in found] == [b'{"status":"live"}'] * 2


def test_two_lengths_or_a_length_and_chunks_are_refused(talk, upstream):
    """What one reader takes for one request and another for two lets callers speak for each other."""
    for headers in ("Content-Length: 1", "Transfer-Encoding: chunked"):
        (answer,) = talk(post(BODY, headers))
        assert answer[0] == 400
    assert upstream.requests == []


def test_a_providers_words_cannot_end_a_header(serve, raw, upstream):
    sound = answers.Answer(200, b"RIFF", {"content-type": "audio/wav\r\nset-cookie: x=1"})
    upstream.script(BASE, [sound])
    settings = config("a.one")
    settings["models"]["a.say"] = {"provider": "a", "capabilities": ["text-to-speech"]}
    caller = raw(serve(settings).port)
    body = json.dumps({"model": "text-to-speech", "input": "Hi", "voice": "v"}).encode()
    caller.socket.sendall(post(body, "Connection: close", path="/v1/audio/speech"))
    assert b"set-cookie" not in caller.read_all().partition(b"\r\n\r\n")[0].lower()


def test_a_large_body_comes_through_whole(talk, upstream):
    asked = {"model": "chat", "messages": [{"role": "user", "content": "word " * 4_000_000}]}
    (answer,) = talk(post(json.dumps(asked).encode(), "Connection: close"))
    assert said(answer) == "heard 1"
    assert json.loads(upstream.requests[0].body)["messages"] == asked["messages"]


LARGE = b"".join(b"x-%d: %b\r\n" % (number, b"y" * 1000) for number in range(100))


@pytest.mark.parametrize("header", [LARGE, b"x: " + b"y" * 100_000 + b"\r\n"], ids=["many", "one"])
def test_a_head_is_bounded_also_where_it_comes_at_once(talk, header):
    (answer,) = talk(b"GET /v1/models HTTP/1.1\r\nhost: x\r\n" + header + b"\r\n")
    assert answer[0] == 431


@pytest.mark.parametrize("is_one", [True, False])
def test_a_head_that_is_sent_ahead_is_bounded_while_another_request_is_served(serve, raw, live, is_one):
    """Nobody can fill the memory behind a request that takes its time."""
    begun, release = threading.Event(), threading.Event()

    def slowly(call):
        begun.set()
        release.wait(10)
        call.answer()

    live.behaviour = slowly
    caller = raw(serve(live.config(), live=True).port)
    try:
        caller.socket.sendall(post() + b"GET /v1/models HTTP/1.1\r\nx: ")
        assert begun.wait(5)
        sent = 0
        with pytest.raises(ConnectionError):
            while sent < 50_000_000:
                caller.socket.sendall(b"y" * 1000 if is_one else b"y" * 1000 + b"\r\nx: ")
                sent += 1000
    finally:
        release.set()
