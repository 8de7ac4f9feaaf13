"""Requests that the engine writes itself: nothing gets out of its own line."""

import pytest
from hostile_http import ON_BOTH_LOOPS, failure_of
from loopback import Loopback
from modelmesh_core.errors import FailureKind
from modelmesh_core.wire.http import HttpRequest, HttpTimeouts

PATIENT = HttpTimeouts(connect=5, first_byte=5, idle=5, total=10)
KIB, MIB = 1024, 1024 * 1024
pytestmark = ON_BOTH_LOOPS


def get(url):
    return HttpRequest("GET", url)


@pytest.mark.parametrize(
    "request_of",
    [
        lambda url: HttpRequest("GET", url, {"x": "a\r\nauthorization: stolen"}),
        lambda url: HttpRequest("GET", url, {"x": "a\nb"}),
        lambda url: HttpRequest("GET", url, {"x": "a\0b"}),
        lambda url: HttpRequest("GET", url, {"x": "ä"}),
        lambda url: HttpRequest("GET", url, {"x y": "a"}),
        lambda url: HttpRequest("GET", url, {"x:": "a"}),
        lambda url: HttpRequest("GET", url, {"x\r\ny": "a"}),
        lambda url: HttpRequest("GET", url, {"": "a"}),
        lambda url: HttpRequest("POST", url, {"transfer-encoding": "chunked"}, b"0\r\n\r\n"),
        lambda url: HttpRequest("GET / HTTP/1.1\r\nx:", url),
        lambda url: HttpRequest("", url),
        lambda url: HttpRequest("GET", url + "a\r\nx: y"),
        lambda url: HttpRequest("GET", url + "a\tb"),
        lambda url: HttpRequest("GET", url.replace("127.0.0.1", "127.0.0.1 x")),
    ],
)
async def test_a_request_that_would_say_something_else_is_not_sent(make_transport, request_of):
    async with Loopback() as server:
        error = await failure_of(make_transport(), request_of(server.url("/")))
    assert (error.failure.kind, "malformed" in str(error)) == (FailureKind.CONNECTION, True)
    assert (server.requests, server.connections) == ([], 0)


async def test_a_target_is_sent_as_one_word_and_escapes_stay_as_they_are(make_transport):
    async with Loopback() as server:
        await make_transport().send(get(server.url("/a b/ä/%2F?q=a b&c=[1]#not this")), PATIENT)
        await make_transport().send(get(server.url("?a=b")), PATIENT)
    assert [each.target for each in server.requests] == ["/a%20b/%C3%A4/%2F?q=a%20b&c=[1]", "/?a=b"]


async def test_the_length_that_is_declared_is_the_bodys_own(make_transport):
    async with Loopback() as server:
        transport = make_transport()
        await transport.send(HttpRequest("POST", server.url(), {"Content-Length": "1"}, b"body"), PATIENT)
        await transport.send(HttpRequest("POST", server.url(), {"content-length": "7"}), PATIENT)
        await transport.send(get(server.url()), PATIENT)
    assert [(each.headers.get("content-length"), each.body) for each in server.requests] == [
        ("4", b"body"),
        ("0", b""),
        (None, b""),
    ]
