"""A hundred thousand requests that nobody in his right mind would send: no crash, no 5xx, no growth."""

import asyncio
import gc
import json
import os
import random
from pathlib import Path

import pytest
from meshes import config
from modelmesh_core import ModelMesh
from modelmesh_core.gateway import GatewayApp
from modelmesh_core.testing import FakeUpstream, answers

PARTS = 8
INPUTS = 100_000 // PARTS
BASE = "https://a.test/v1"
FORM = b"multipart/form-data; boundary=xyz"
PIECE = b'--xyz\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF\r\n--xyz--\r\n'
CHAT = {"model": "chat", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5}
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
SEEDS = [
    ("/v1/chat/completions", CHAT),
    ("/v1/chat/completions", {**CHAT, "stream": True, "stream_options": {"include_usage": True}}),
    (
        "/v1/chat/completions",
        {**CHAT, "tools": TOOLS, "tool_choice": "auto", "response_format": {"type": "json_object"}},
    ),
    ("/v1/chat/completions", {**CHAT, "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}),
    ("/v1/messages", {**CHAT, "system": [{"type": "text", "text": "s"}], "tools": [{"name": "f", "input_schema": {}}]}),
    ("/v1/responses", {"model": "chat", "input": [{"role": "user", "content": "Hi"}], "instructions": "be kind"}),
    ("/v1/embeddings", {"model": "embed", "input": ["a", "b"]}),
    ("/v1/moderations", {"input": "a"}),
    ("/v1/rerank", {"query": "a", "documents": ["a", "b"]}),
    ("/v1/completions", {"model": "chat", "prompt": "a"}),
    ("/v1/images/generations", {"prompt": "a"}),
    ("/v1/audio/speech", {"input": "a", "voice": "alloy"}),
]
PATHS = [
    *dict.fromkeys(path for path, _ in SEEDS),
    "/v1/models/x",
    "/v1/files",
    "/v1/batches",
    "/openapi.json",
    "/v1/nothing",
]
VALUES = [None, True, -1, 2**63, 1e308, "", "\ud800", "x" * 5000, [], {}, [[]], {"type": "?"}, [None], "data:;base64,?"]
BYTES = [
    b"\x00",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"[" * 200,
    b'{"a":' * 200,
    b"1e999",
    b"NaN",
    b'"',
    b"\\u0000",
    b"\r\n\r\n",
]


def answer(request):
    path = request.url.removeprefix(BASE)
    if path.startswith("/chat"):
        return answers.stream("Hello") if request.stream else answers.chat("Hello")
    if path.startswith("/audio/speech"):
        return answers.Answer(200, b"ID3", {"content-type": "audio/mpeg"})
    body = {
        "text": "x",
        "data": [{"index": 0, "embedding": [1], "b64_json": "AA=="}],
        "results": [{}],
        "choices": [{"text": "x"}],
    }
    return answers.Answer(200, json.dumps(body).encode(), {"content-type": "application/json"})


class Sender:
    """Makes inputs out of ``seed``, the same each time, and asks the application itself."""

    def __init__(self, app, seed):
        self._app = app
        self._random = random.Random(seed)

    def request(self):
        chance = self._random
        path, body = chance.choice(SEEDS)
        data = json.dumps(self._mutated(body)).encode()
        for _ in range(chance.choice((0, 0, 1, 3))):
            data = self._damaged(data)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(data))]
        if chance.random() < 0.1:
            path = chance.choice(PATHS)
        if chance.random() < 0.1:
            path, data = "/v1/audio/transcriptions", self._damaged(PIECE)
            headers = [(b"content-type", self._damaged(FORM) if chance.random() < 0.3 else FORM)]
            headers.append((b"content-length", b"%d" % len(data)))
        for _ in range(chance.choice((0, 0, 0, 2))):
            name = chance.choice(
                (b"x-modelmesh-timeout", b"x-request-id", b"content-encoding", b"traceparent", b"accept")
            )
            headers.append((name, self._damaged(chance.choice((b"1s", b"gzip", b"00-0-0-00", b"x" * 300, b"-1")))))
        return chance.choice(("POST", "POST", "POST", "POST", "GET", "PUT", "DELETE")), path, headers, data

    def _mutated(self, value, depth=0):
        chance = self._random
        if chance.random() < 0.06 and depth:
            return chance.choice(VALUES)
        if isinstance(value, dict):
            found = {key: self._mutated(inner, depth + 1) for key, inner in value.items() if chance.random() > 0.04}
            if chance.random() < 0.05:
                found[chance.choice(("stream", "n", "stop", "user", "seed", "metadata", "x"))] = chance.choice(VALUES)
            return found
        return [self._mutated(inner, depth + 1) for inner in value] if isinstance(value, list) else value

    def _damaged(self, data):
        chance = self._random
        place, end = sorted((chance.randrange(len(data) + 1), chance.randrange(len(data) + 1)))
        return chance.choice(
            (
                data[:place],
                data[place:],
                data[:place] + chance.choice(BYTES) + data[place:],
                data[:place] + bytes(chance.randrange(256) for _ in range(3)) + data[place + 3 :],
                data[:end] + data[place:],
            )
        )

    async def send(self, method, path, headers, data):
        """The status. A body that arrives in pieces, and a caller who then waits."""
        pieces = [data[:7], data[7:]] if len(data) > 7 and self._random.random() < 0.2 else [data]
        statuses = []

        async def receive():
            if pieces:
                return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}
            await asyncio.sleep(3600)
            return {"type": "http.disconnect"}

        async def send(message):
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": headers}
        await self._app(scope, receive, send)
        assert len(statuses) == 1
        return statuses[0]


def resident():
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("part", range(PARTS))
async def test_whatever_is_sent_is_answered_and_nothing_breaks(part):
    upstream = FakeUpstream()
    upstream.script(BASE, answer)
    known = config("a.chat")
    for name, capability in {"embed": "text-embeddings", "mod": "content-moderation", "rank": "reranking"}.items():
        known["models"][f"a.{name}"] = {"provider": "a", "capabilities": [capability]}
    for name, capability in {"say": "text-to-speech", "hear": "speech-to-text", "draw": "text-to-image"}.items():
        known["models"][f"a.{name}"] = {"provider": "a", "capabilities": [capability]}
    mesh = ModelMesh(known, environ={}, clock=upstream.clock, make_transport=upstream.make_transport)
    async with mesh:
        app = GatewayApp(mesh)
        sender = Sender(app, part)
        seen, before = {}, 0
        for number in range(INPUTS):
            if number == INPUTS // 2:
                gc.collect()
                before = resident()
            asked = sender.request()
            status = await sender.send(*asked)
            seen[status] = seen.get(status, 0) + 1
            assert status < 500, f"part {part}, input {number}: {status} for {asked}"
            upstream.requests.clear()
        gc.collect()
        assert resident() - before < 32 * 1024**2, "it grows"
        assert app.in_flight == 0
        await app.aclose()
    assert seen[200] > INPUTS / 20 and seen[400] > INPUTS / 20, f"too much alike: {seen}"


async def test_whatever_comes_on_a_socket_is_answered_or_closed(serve, upstream):
    """Three thousand heads that are no HTTP, or hardly."""
    upstream.script(BASE, answer)
    server = serve(config("a.chat"))
    chance = random.Random(11)
    body = json.dumps(CHAT).encode()
    good = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\n"
    heads = [
        good + b"content-length: %d\r\n\r\n" % len(body) + body,
        good + b"transfer-encoding: chunked\r\n\r\n%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n",
        good + b"content-length: 5\r\ncontent-length: 6\r\n\r\n" + body,
        good + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n" + body,
        b"GET /health/live HTTP/1.1\r\nconnection: close\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nconnection: close\r\nx: " + b"y" * 70_000 + b"\r\n\r\n",
    ]
    damage = Sender(None, 5)._damaged
    gate = asyncio.Semaphore(40)

    async def one(data, *, is_all=True):
        async with gate:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            try:
                writer.write(data)
                if is_all:
                    writer.write_eof()
                return await asyncio.wait_for(reader.read(), 20)
            except OSError:
                return b""
            finally:
                writer.close()

    sent = [chance.choice(heads) for _ in range(3000)]
    sent = [damage(damage(data)) if chance.random() < 0.5 else damage(data) for data in sent]
    for data, told in zip(sent, await asyncio.gather(*map(one, sent)), strict=True):
        assert not told or told.startswith(b"HTTP/1.1 "), (data, told[:100])
        assert told[9:10] not in (b"5",), (data[:300], told[:300])
    # A caller that ends its side has gone away; this one waits.
    assert (await one(heads[0], is_all=False)).startswith(b"HTTP/1.1 200")
    assert server.get_status()["in_flight"] == 0
