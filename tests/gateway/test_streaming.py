"""Streams: every chunk as it comes, an honest end, and no work for a caller who has gone."""

import json
import threading
import time

import pytest
from meshes import config
from modelmesh_core import Failure, FailureKind
from modelmesh_core.testing import answers

CHAT = "/v1/chat/completions"
BASE = "https://a.test/v1"


def events(text):
    """The data of each event."""
    return [line.removeprefix("data: ") for line in text.split("\n\n") if line]


def contents(text):
    chunks = [json.loads(data) for data in events(text) if data != "[DONE]"]
    return [choice["delta"].get("content") for chunk in chunks for choice in chunk.get("choices", [])]


def test_a_stream_is_server_sent_events_with_an_end_mark(client, upstream, chat_body):
    upstream.script(BASE, [answers.stream("Hel", "lo")])
    answer = client().post(CHAT, json=chat_body(stream=True))
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["x-modelmesh-model"] == "a.one"
    assert float(answer.headers["x-modelmesh-overhead-ms"]) >= 0
    assert contents(answer.text) == ["", "Hel", "lo", None]
    assert events(answer.text)[-1] == "[DONE]"


def test_the_providers_chunks_go_on_as_they_are(client, upstream, chat_body):
    raw = b'{"choices" : [{"index":0, "delta":{"content":"x"},"finish_reason":"stop"}], "odd":1.50}'
    whole = answers.Answer(200, chunks=[b"data: " + raw + b"\n\n"], headers={"content-type": "text/event-stream"})
    upstream.script(BASE, [whole])
    answer = client().post(CHAT, json=chat_body(stream=True))
    assert answer.content == b"data: " + raw + b"\n\ndata: [DONE]\n\n"


@pytest.mark.parametrize("asked", [True, False])
def test_usage_is_told_if_it_was_asked_for(client, upstream, chat_body, asked):
    upstream.script(BASE, [answers.stream("x", usage=(3, 4))])
    answer = client().post(CHAT, json=chat_body(stream=True, stream_options={"include_usage": asked}))
    told = [json.loads(data).get("usage") for data in events(answer.text) if data != "[DONE]"]
    assert any(told) is asked


def test_each_chunk_arrives_before_the_next_is_made(client, live, chat_body):
    step = threading.Semaphore(0)

    def speak(call):
        call.begin_stream()
        for word in ("one", "two", "three"):
            call.say(word)
            assert step.acquire(timeout=5), "the caller never got the chunk"
        call.end_stream()

    live.behaviour = speak
    seen = []
    with client(live.config(), live=True).stream("POST", CHAT, json=chat_body(stream=True)) as answer:
        for line in answer.iter_lines():
            if '"content"' in line:
                seen.append(json.loads(line.removeprefix("data: "))["choices"][0]["delta"]["content"])
                step.release()
    assert seen == ["one", "two", "three"]
    assert line in ("", "data: [DONE]")


@pytest.mark.parametrize("failure", ["reset", "silent end", "error event"])
def test_a_stream_that_breaks_ends_in_an_error_and_no_end_mark(client, upstream, chat_body, failure):
    if failure == "error event":
        whole = answers.stream("Hel", finish=False, done=False)
        said = b'data: {"error":{"message":"overloaded","type":"server_error","code":503}}\n\n'
        script = answers.Answer(200, chunks=[*whole.chunks, said], headers=whole.headers)
    else:
        broken = Failure(FailureKind.STREAM_CUT, "connection reset") if failure == "reset" else None
        script = answers.stream("Hel", finish=False, done=False, failure=broken)
    upstream.script(BASE, [script])
    http = client()
    answer = http.post(CHAT, json=chat_body(stream=True))
    assert answer.status_code == 200
    *before, last = events(answer.text)
    assert "Hel" in contents("\n\n".join(f"data: {data}" for data in before))
    assert set(json.loads(last)["error"]) == {"message", "type", "param", "code"}
    assert "[DONE]" not in answer.text
    assert http.get("/health/ready").status_code == 200


def test_failures_before_the_first_content_are_hidden(client, upstream, chat_body):
    upstream.script(BASE, [answers.error(503)])
    upstream.script("https://b.test/v1", [answers.stream("well")])
    settings = config("a.one", "b.two", pool={"retry": {"max_attempts": 1}})
    answer = client(settings).post(CHAT, json=chat_body(stream=True))
    assert "well" in contents(answer.text)
    assert answer.headers["x-modelmesh-attempts"] == "2"
    assert answer.headers["x-modelmesh-model"] == "b.two"


@pytest.fixture
def upstream_that_waits(live):
    """Says ``first`` words of a stream (or nothing at all), then waits; tells how long until it was hung up on."""
    waiting, closed = threading.Event(), threading.Event()
    state = {"words": 1}

    def wait(call):
        if state["words"]:
            call.begin_stream()
            call.say("first")
        waiting.set()
        if call.wait_until_closed(5):
            state["closed_at"] = time.perf_counter()
            closed.set()

    live.behaviour = wait
    return waiting, closed, state


@pytest.mark.parametrize(
    ("engine", "stream", "words"),
    [
        ("httpx", True, 1),
        ("pyreqwest", True, 1),
        ("httptools", True, 1),
        ("httptools", True, 0),
        ("httptools", False, 0),
        ("httpx", True, 0),  # pyreqwest cannot close a socket before the head has come
        ("httpx", False, 0),
    ],
)
def test_a_caller_who_hangs_up_ends_the_upstream_call_at_once(
    serve, live, raw, chat_body, upstream_that_waits, engine, stream, words
):
    waiting, closed, state = upstream_that_waits
    state["words"] = words
    server = serve({**live.config(), "http_engine": engine}, live=True)
    caller = raw(server.port)
    caller.post(chat_body(stream=stream))
    assert waiting.wait(5)
    if words:
        caller.read_until(b"first")
    assert server.get_status()["in_flight"] == 1
    hung_up = time.perf_counter()
    caller.close()
    assert closed.wait(5)
    assert state["closed_at"] - hung_up < 0.25
    deadline = time.monotonic() + 2
    while server.get_status()["in_flight"] and time.monotonic() < deadline:
        time.sleep(0.005)
    assert server.get_status()["in_flight"] == 0
    assert server._mesh.get_router().in_flight == 0


def test_what_the_caller_did_not_stay_for_is_not_counted_as_a_failure(serve, live, raw, chat_body, upstream_that_waits):
    waiting, closed, _ = upstream_that_waits
    server = serve(live.config(), live=True)
    caller = raw(server.port)
    caller.post(chat_body(stream=True))
    assert waiting.wait(5)
    caller.read_until(b"first")
    caller.close()
    assert closed.wait(5)
    (snapshot,) = server._mesh.pool_status()["chat"]
    assert snapshot.consecutive_failures == 0
