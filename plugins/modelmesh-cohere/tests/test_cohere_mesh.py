"""Through the mesh: a caller in the OpenAI shape, Cohere upstream."""

import json

import orjson
import pytest
from modelmesh_core import ModelMesh, ProviderError
from modelmesh_core.testing import FakeUpstream, answers

CONFIG = {"providers": {"cohere": {"connector": "cohere.nlp.v1", "api_key": "co-secret"}}}
ASKED = {"model": "cohere.command-r7b-12-2024", "messages": [{"role": "user", "content": "Capital of France?"}]}
USAGE = {"billed_units": {"input_tokens": 5, "output_tokens": 2}, "tokens": {"input_tokens": 500, "output_tokens": 4}}
EVENTS = [
    {"type": "message-start", "id": "1", "delta": {"message": {"role": "assistant"}}},
    {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "Par"}}}},
    {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "is"}}}},
    {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": USAGE}},
]


@pytest.fixture
def upstream():
    return FakeUpstream()


@pytest.fixture
def client(upstream):
    with ModelMesh(CONFIG, clock=upstream.clock, make_transport=upstream.make_transport) as mesh:
        yield mesh.get_client()


def test_a_stream(upstream, client):
    pieces = [b"event: %b\ndata: %b\n\n" % (event["type"].encode(), orjson.dumps(event)) for event in EVENTS]
    upstream.script("https://api.cohere.com", [answers.Answer(200, b"", {"content-type": "text/event-stream"}, pieces)])
    chunks = list(client.chat.completions.create(**ASKED, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Paris"
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (5, 2)


def test_embeddings_and_the_callers_mistake(upstream, client):
    told = {"id": "1", "message": "invalid request: messages are too odd"}
    vectors = {"embeddings": {"float": [[0.5, 1.0]]}, "meta": {"billed_units": {"input_tokens": 3}}}
    head = {"content-type": "application/json"}
    scripted = [answers.Answer(200, orjson.dumps(vectors), head), answers.Answer(400, orjson.dumps(told), head)]
    upstream.script("https://api.cohere.com", scripted)
    got = client.embeddings.create(model="cohere.embed-v4.0", input="Hi", encoding_format="float")
    assert got.data[0].embedding == [0.5, 1.0]
    assert json.loads(upstream.requests[0].body)["model"] == "embed-v4.0"
    with pytest.raises(ProviderError, match="messages are too odd"):
        client.chat.completions.create(**ASKED)
