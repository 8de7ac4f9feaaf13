"""Through the mesh: a caller in the OpenAI shape, Anthropic upstream."""

import json

import orjson
import pytest
from modelmesh_core import ModelMesh, ProviderError
from modelmesh_core.testing import FakeUpstream, answers

URL = "https://api.anthropic.com"
CONFIG = {"providers": {"anthropic": {"connector": "anthropic.claude.v1", "api_key": "sk-ant-secret"}}}
MESSAGE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5", "stop_reason": "end_turn",
    "content": [{"type": "text", "text": "Paris"}], "usage": {"input_tokens": 1_000_000, "output_tokens": 0},
}  # fmt: skip
EVENTS = [
    {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Par"}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "is"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
    {"type": "message_stop"},
]
ASKED = {"model": "anthropic.claude-haiku-4-5", "messages": [{"role": "user", "content": "Capital of France?"}]}


def answer(body, status=200):
    return answers.Answer(status, orjson.dumps(body), {"content-type": "application/json"})


@pytest.fixture
def upstream():
    return FakeUpstream()


@pytest.fixture
def client(upstream):
    mesh = ModelMesh(CONFIG, clock=upstream.clock, make_transport=upstream.make_transport)
    mesh.initialize()
    yield mesh.get_client()
    mesh.shutdown()


def test_a_whole_answer(upstream, client):
    upstream.script(URL, [answer(MESSAGE)])
    got = client.chat.completions.create(**ASKED)
    assert (got.choices[0].message.content, got.choices[0].finish_reason) == ("Paris", "stop")
    sent = json.loads(upstream.requests[0].body)
    assert (sent["model"], sent["max_tokens"]) == ("claude-haiku-4-5", 64_000)


def test_a_stream(upstream, client):
    pieces = [b"event: %b\ndata: %b\n\n" % (event["type"].encode(), orjson.dumps(event)) for event in EVENTS]
    upstream.script(URL, [answers.Answer(200, b"", {"content-type": "text/event-stream"}, chunks=pieces)])
    chunks = list(client.chat.completions.create(**ASKED, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Paris"
    assert chunks[-1].usage.completion_tokens == 2


def test_the_callers_mistake_comes_back_in_the_vendors_words(upstream, client):
    told = {"type": "error", "error": {"type": "invalid_request_error", "message": "messages: too odd"}}
    upstream.script(URL, [answer(told, 400)])
    with pytest.raises(ProviderError, match="messages: too odd"):
        client.chat.completions.create(**ASKED)
    assert len(upstream.requests) == 1
