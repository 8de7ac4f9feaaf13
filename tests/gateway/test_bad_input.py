"""What no provider should see is refused, in the OpenAI shape, and the gateway goes on."""

import httpx
import orjson
import pytest
from modelmesh_core.testing import answers

CHAT = "/v1/chat/completions"
DEEP = b'{"model":"chat","messages":' + b"[" * 300 + b"]" * 300 + b"}"
MESSAGES = b'"messages":[{"role":"user","content":"Hi"}]'

BODIES = {
    "nothing": (CHAT, b"", 400, None),
    "no JSON": (CHAT, b"{", 400, None),
    "a list": (CHAT, b"[]", 400, None),
    "a text": (CHAT, b'"x"', 400, None),
    "invalid UTF-8": (CHAT, b'{"model":"\xff",' + MESSAGES + b"}", 400, None),
    "a lone surrogate": (CHAT, b'{"model":"\\ud800",' + MESSAGES + b"}", 400, None),
    "NaN": (CHAT, b'{"model":"chat","temperature":NaN,' + MESSAGES + b"}", 400, None),
    "nesting beyond the parser": (CHAT, b"[" * 100_000, 400, None),
    "nesting beyond sense": (CHAT, DEEP, 400, None),
    "no model": (CHAT, b"{" + MESSAGES + b"}", 400, "model"),
    "a model that is a number": (CHAT, b'{"model":4,' + MESSAGES + b"}", 400, "model"),
    "a model that is empty": (CHAT, b'{"model":"",' + MESSAGES + b"}", 400, "model"),
    "a model that is a book": (CHAT, b'{"model":"' + b"x" * 1_000_000 + b'",' + MESSAGES + b"}", 400, "model"),
    "no messages": (CHAT, b'{"model":"chat"}', 400, "messages"),
    "messages that are a text": (CHAT, b'{"model":"chat","messages":"Hi"}', 400, "messages"),
    "a message that is a text": (CHAT, b'{"model":"chat","messages":[{},"Hi"]}', 400, "messages[1]"),
    "stream that is a text": (CHAT, b'{"model":"chat","stream":"yes",' + MESSAGES + b"}", 400, "stream"),
    "stream options that are a list": (
        CHAT,
        b'{"model":"chat","stream_options":[],' + MESSAGES + b"}",
        400,
        "stream_options",
    ),
    "no input": ("/v1/embeddings", b'{"model":"chat"}', 400, "input"),
    "input that is a number": ("/v1/embeddings", b'{"model":"chat","input":1}', 400, "input"),
    "an unknown model": (CHAT, b'{"model":"nobody",' + MESSAGES + b"}", 404, "model"),
    "a place below a file": ("/v1/files/f/content/more", b"{}", 404, None),
    "a place where nothing is": ("/v2/chat", b"{}", 404, None),
}


def assert_openai_shaped(answer):
    error = orjson.loads(answer.content)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize("case", BODIES)
def test_bad_bodies_are_refused(client, upstream, case):
    path, body, status, param = BODIES[case]
    answer = client().post(path, content=body)
    assert answer.status_code == status
    assert_openai_shaped(answer)
    assert answer.json()["error"]["param"] == param
    assert upstream.requests == []


def test_a_body_may_hold_many_shallow_things(client, upstream, chat_body):
    upstream.script("https://a.test/v1", [answers.chat()])
    messages = [{"role": "user", "content": [{"type": "text", "text": "x"}]}] * 500
    assert client().post(CHAT, json=chat_body(messages=messages)).status_code == 200


@pytest.mark.parametrize("value", ["soon", "-1", "0", "nan", "inf", "1y"])
def test_a_bad_timeout_header_is_refused(client, chat_body, value):
    answer = client().post(CHAT, json=chat_body(), headers={"x-modelmesh-timeout": value})
    assert answer.status_code == 400
    assert "x-modelmesh-timeout" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/embeddings", "POST"),
        ("PUT", "/v1/files/f", "GET, HEAD, DELETE"),
        ("DELETE", "/v1/models", "GET, HEAD"),
        ("POST", "/v1/models/x", "GET, HEAD, DELETE"),
        ("POST", "/health/ready", "GET, HEAD"),
        ("OPTIONS", CHAT, "POST, GET, HEAD"),
    ],
)
def test_a_wrong_method_is_told_the_right_one(client, method, path, allowed):
    answer = client().request(method, path)
    assert answer.status_code == 405
    assert answer.headers["allow"] == allowed
    assert_openai_shaped(answer)


def test_an_encoded_body_is_refused(client, chat_body):
    answer = client().post(CHAT, json=chat_body(), headers={"content-encoding": "gzip"})
    assert answer.status_code == 415
    assert_openai_shaped(answer)


def test_identity_is_no_encoding(client, upstream, chat_body):
    upstream.script("https://a.test/v1", [answers.chat()])
    answer = client().post(CHAT, json=chat_body(), headers={"content-encoding": "identity"})
    assert answer.status_code == 200


def test_a_body_that_declares_too_much_is_refused_and_the_caller_reads_why(client):
    http = client(max_body="100KB")
    answer = http.post(CHAT, content=b"x" * 3_000_000)
    assert answer.status_code == 413
    assert "102400" in answer.json()["error"]["message"]
    assert http.get("/v1/models").status_code == 200


def test_a_caller_who_sends_everything_first_still_reads_the_refusal(serve, raw):
    caller = raw(serve(max_body="100KB").port)
    caller.socket.sendall(f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: 8000000\r\n\r\n".encode())
    caller.socket.sendall(b"x" * 8_000_000)
    assert caller.read_all().startswith(b"HTTP/1.1 413 ")


def test_a_chunked_body_is_counted_as_it_comes(client):
    answer = client(max_body="100KB").post(CHAT, content=(b"x" * 10_000 for _ in range(50)))
    assert answer.status_code == 413
    assert_openai_shaped(answer)


@pytest.mark.parametrize(
    "head",
    [
        "content-length: 5\r\ncontent-length: 6",
        "content-length: five",
        "content-length: -5",
        "transfer-encoding: chunked\r\ncontent-length: five",
        "no colon",
    ],
)
def test_a_malformed_head_is_refused_in_json(serve, raw, head):
    caller = raw(serve().port)
    caller.socket.sendall(f"POST {CHAT} HTTP/1.1\r\nhost: x\r\n{head}\r\n\r\nhello".encode())
    answer = caller.read_all()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert orjson.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "invalid_http"


def test_endless_headers_are_cut_off(serve, raw):
    caller = raw(serve().port)
    sent = 0
    with pytest.raises(ConnectionError):
        while sent < 50_000_000:
            line = b"x-%d: %s\r\n" % (sent, b"y" * 1000)
            caller.socket.sendall(line if sent else b"GET /v1/models HTTP/1.1\r\n" + line)
            sent += len(line)
    assert sent < 50_000_000


def test_the_gateway_survives_all_of_it_on_one_connection(client, upstream, chat_body):
    upstream.script("https://a.test/v1", [answers.chat()])
    http = client()
    for path, body, status, _ in BODIES.values():
        assert http.post(path, content=body).status_code == status
    assert http.post(CHAT, json=chat_body()).status_code == 200


def test_refusals_keep_the_connection_where_the_body_was_read(serve):
    with httpx.Client(base_url=serve().url) as http:
        first = http.post(CHAT, content=b"{")
        assert "connection" not in first.headers
