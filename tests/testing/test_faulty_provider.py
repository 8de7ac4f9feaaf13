"""FaultyProvider: what it answers while it is healthy, what it is told, and what it tells."""

import asyncio
import json
import socket
import threading
from random import Random
from time import monotonic, sleep

import httpx
import pytest
from modelmesh_core.testing import (
    FAULTS,
    Fault,
    FaultyProvider,
    SeenRequest,
    answer_to,
    embedding_of,
    tool_arguments_for,
)
from raw_client import PROMPT, TOOL, ask, body_of, read, request_bytes

TEXT = answer_to(body_of())


def error_of(seen):
    return json.loads(seen.body)["error"]


def is_right(seen):
    return seen.status == 200 and json.loads(seen.body)["choices"][0]["message"]["content"] == TEXT


# --- what a healthy one answers --------------------------------------------------------------------------------------


def test_a_stream_joined_is_the_canonical_text(provider):
    seen = ask(provider, body_of(stream=True, stream_options={"include_usage": True}))
    assert seen.text == TEXT and seen.finishes and seen.done and seen.is_whole
    assert len(seen.deltas) == 1 + len(TEXT.split()) + 1
    usage = json.loads(seen.payloads[-2])
    assert usage["choices"] == []
    assert usage["usage"]["completion_tokens"] == len(TEXT.split())
    assert usage["usage"]["prompt_tokens"] == len(PROMPT.split())
    assert '"usage"' not in ask(provider, body_of(stream=True)).body.decode()


def test_the_canonical_text_is_the_prompts_own():
    texts = {answer_to(body_of(prompt=f"prompt {number}")) for number in range(500)}
    assert len(texts) == 500
    for text in texts:
        assert 12 <= len(text.split()) <= 20
        assert {"ü", "☃", "🦊", "\n"} <= set(text)
    history = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "before"}]
    parts = {"role": "user", "content": [{"type": "text", "text": PROMPT}]}
    assert answer_to({"messages": [*history, parts, {"role": "assistant", "content": "so"}]}) == TEXT


def test_all_providers_say_the_same_but_the_different_one(provider):
    with FaultyProvider(different=True) as other, FaultyProvider(text=lambda body: f"no, {body['model']}") as third:
        assert is_right(ask(provider, body_of()))
        assert not TEXT.startswith(ask(other, body_of(stream=True)).text[:5])
        assert ask(third, body_of(stream=True)).text == "no, m"


@pytest.mark.parametrize("stream", [True, False])
def test_tools_are_called(stream, provider):
    seen = ask(provider, body_of(stream=stream, tools=[TOOL]))
    if stream:
        pieces = [call["function"]["arguments"] for delta in seen.deltas for call in delta.get("tool_calls", [])]
        assert len(pieces) > 4
        arguments = "".join(pieces)
        assert '"finish_reason":"tool_calls"' in seen.body.decode()
    else:
        (choice,) = json.loads(seen.body)["choices"]
        assert choice["finish_reason"] == "tool_calls"
        arguments = choice["message"]["tool_calls"][0]["function"]["arguments"]
    assert json.loads(arguments) == tool_arguments_for(body_of())
    assert is_right(ask(provider, body_of(tools=[TOOL], tool_choice="none")))


def test_a_prefill_goes_on_is_refused_or_ignored():
    def after(given, prefill):
        body = body_of(stream=True)
        body["messages"].append({"role": "assistant", "content": given})
        with FaultyProvider(prefill=prefill) as provider:
            return ask(provider, body)

    cut = TEXT.index(" ", 20)
    assert after(TEXT[:cut], "continue").text == TEXT[cut:]
    assert after(TEXT[: cut + 1], "continue").text == TEXT[cut:], "trailing whitespace is said again"
    assert after("Something else", "continue").text == TEXT
    assert after(TEXT[:cut], "ignore").text == TEXT
    refusal = after(TEXT[:cut], "reject")
    assert refusal.status == 400
    assert "prefill" in error_of(refusal)["message"]


def test_embeddings_models_and_unknown_paths(provider):
    with httpx.Client(base_url=provider.base_url, trust_env=False) as client:
        answer = client.post("/embeddings", json={"model": "e", "input": ["a", "b"]}).json()
        assert [entry["embedding"] for entry in answer["data"]] == [embedding_of("a"), embedding_of("b")]
        assert len(embedding_of("a")) == 8 and embedding_of("a") != embedding_of("b")
        assert [model["id"] for model in client.get("/models").json()["data"]] == ["faulty-model"]
        assert client.get("/nowhere").json()["error"]["code"] == "unknown_url"
        assert client.head("/models").status_code == 404
        assert client.post("/chat/completions", content=b"{").status_code == 400
        assert provider.open_connections == 1, "it keeps the connection"
    assert [request.method for request in provider.requests] == ["POST", "GET", "GET", "HEAD", "POST"]


def test_the_openai_sdk_takes_it_for_a_provider(provider):
    import openai

    with openai.OpenAI(base_url=provider.base_url, api_key="k") as client:
        chunks = client.chat.completions.create(**body_of(stream=True))
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == TEXT
        assert client.embeddings.create(model="e", input="a").data[0].embedding == embedding_of("a")


def test_fifty_streams_at_once():
    async def one(client, url, number):
        text = ""
        body = body_of(stream=True, prompt=f"number {number}")
        async with client.stream("POST", url, json=body) as answer:
            async for line in answer.aiter_lines():
                if line.startswith("data: {"):
                    text += json.loads(line[6:])["choices"][0]["delta"].get("content", "")
        return text == answer_to(body)

    async def all_of_them(url):
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(limits=limits, trust_env=False, timeout=20) as client:
            return await asyncio.gather(*(one(client, url, number) for number in range(50)))

    with FaultyProvider(pace=0.01) as provider:
        assert asyncio.run(all_of_them(provider.base_url + "/chat/completions")) == [True] * 50
        assert max(request.at for request in provider.requests) < min(r.ended_at for r in provider.requests)
        assert {request.ended for request in provider.requests} == {"answered"}


# --- what it is told, and what it tells ------------------------------------------------------------------------------


def statuses(provider, count):
    return [ask(provider, body_of()).status for _ in range(count)]


def test_the_latest_of_fault_script_and_choose_holds(provider):
    provider.script(["http-500", FAULTS["http-429-quota"], None])
    assert statuses(provider, 4) == [500, 429, 200, 200]
    provider.fault = "http-403"
    assert statuses(provider, 2) == [403, 403]
    random = Random(7)
    provider.choose = lambda request: random.choice(["http-500", "http-402", None])
    again = Random(7)
    assert statuses(provider, 5) == [again.choice([500, 402, 200]) for _ in range(5)]
    provider.choose = lambda request: "http-413" if request.number == 12 else None
    assert statuses(provider, 1) == [413]


def test_an_unknown_fault_is_refused_at_once(provider):
    with pytest.raises(KeyError, match="stream-stall"):
        provider.fault = "stream-stalls"
    with pytest.raises(KeyError, match="stream-cut"):
        provider.script([None, "stream-cutt"])
    provider.choose = lambda request: "stream-cutt"
    assert "stream-cutt" in error_of(ask(provider, body_of()))["message"]


def test_a_fault_of_ones_own(provider):
    async def teapot(answering):
        await answering.send_whole(b'{"short": "and stout"}', status=418)

    provider.fault = Fault("teapot", "is a teapot", "status", "elsewhere", teapot)
    assert statuses(provider, 1) == [418]
    assert provider.requests[0].fault == "teapot"


def test_a_request_is_remembered(provider):
    before = monotonic()
    ask(provider, body_of(stream=True))
    (request,) = provider.requests
    assert isinstance(request, SeenRequest)
    assert (request.number, request.method, request.path) == (1, "POST", "/v1/chat/completions")
    assert (request.model, request.stream, request.body) == ("m", True, body_of(stream=True))
    assert (request.fault, request.ended, request.client_closed_at) == (None, "answered", None)
    assert before <= request.at <= request.ended_at <= monotonic()
    assert request.pieces_sent == 1 + len(TEXT.split()) + 2
    assert request.headers["authorization"] == "(hidden)"
    assert "sk-secret" not in repr(request)


@pytest.mark.parametrize("name", ["stream-stall", "silent", "head-then-silent", "comments-only", "giant-body"])
def test_a_client_that_leaves_is_noticed_at_once(name, provider):
    provider.fault = name
    client = socket.create_connection(("127.0.0.1", provider.port))
    client.sendall(request_bytes(body_of(stream="whole" not in FAULTS[name].applies_to or name == "silent")))
    sleep(0.1)
    assert not provider.wait_until_idle(0.0)
    assert provider.open_connections == 1
    assert provider.requests[0].client_closed_at is None
    closed_at = monotonic()
    client.close()
    assert provider.wait_until_idle(1.0)
    (request,) = provider.requests
    assert request.ended == "client-closed"
    assert -0.01 <= request.client_closed_at - closed_at < 0.1
    assert provider.open_connections == 0


def test_pace_and_latency_take_their_time():
    with FaultyProvider(latency=0.1, pace=0.01) as provider:
        ask(provider, body_of(stream=True))
        (request,) = provider.requests
        assert request.ended_at - request.at > 0.1 + 0.01 * len(TEXT.split())


def test_an_answer_under_way_and_an_idle_connection_end_by_themselves():
    with FaultyProvider(limit=0.2) as provider:
        provider.fault = "endless-interim"
        assert ask(provider, body_of()).end == "reset"
        assert provider.requests[0].ended == "broken"
        with socket.create_connection(("127.0.0.1", provider.port)) as idle:
            idle.settimeout(1.0)
            assert idle.recv(1) == b""


def test_what_is_no_http_is_answered_and_closed(provider):
    with socket.create_connection(("127.0.0.1", provider.port)) as client:
        client.sendall(b"SSH-2.0-OpenSSH\r\n\r\n")
        seen = read(client)
    assert (seen.status, seen.end) == (400, "closed")
    assert provider.requests == []


def test_a_chunked_request_in_two_pieces_is_read(provider):
    data = json.dumps(body_of()).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", provider.port)) as client:
        client.sendall(head + b"5\r\n" + data[:3])
        sleep(0.02)
        client.sendall(data[3:5] + b"\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(data) - 5, data[5:]))
        assert is_right(read(client))
    assert provider.requests[0].body == body_of()


def test_stop_leaves_nothing_behind():
    threads = set(threading.enumerate())
    provider = FaultyProvider().start()
    port = provider.port
    provider.fault = "stream-stall"
    with pytest.raises(RuntimeError, match="is running"):
        provider.start()
    with socket.create_connection(("127.0.0.1", port)) as client, socket.create_connection(("127.0.0.1", port)):
        client.sendall(request_bytes(body_of(stream=True)))
        sleep(0.05)
        started = monotonic()
        provider.stop()
        provider.stop()
        assert monotonic() - started < 1.0
        assert read(client).end == "reset"
    assert set(threading.enumerate()) == threads
    assert provider.open_connections == 0
    assert provider.requests[0].ended == "broken"
    assert provider.wait_until_idle(0.0)
    with pytest.raises(RuntimeError, match="not running"):
        _ = provider.base_url
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", port))
        free.listen()
    with provider:
        provider.fault = None
        assert is_right(ask(provider, body_of()))
