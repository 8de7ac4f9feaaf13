"""Through the mesh: a caller in the OpenAI shape, Ollama upstream."""

import json

import orjson
from modelmesh_core import ModelMesh
from modelmesh_core.testing import FakeUpstream, answers

CONFIG = {
    "providers": {"box": {"connector": "ollama.native.v1", "base_url": "gpu-box"}},
    "models": {"ollama.qwen3": {"provider": "box", "upstream_model": "qwen3:14b", "capabilities": ["chat-completion"]}},
}
LINES = [
    {"model": "qwen3:14b", "message": {"role": "assistant", "content": "Par"}, "done": False},
    {"model": "qwen3:14b", "message": {"role": "assistant", "content": "is"}, "done": False},
    {"message": {"content": ""}, "done": True, "done_reason": "stop", "prompt_eval_count": 5, "eval_count": 2},
]


def test_a_stream_and_a_whole_answer():
    upstream = FakeUpstream()
    whole = {**LINES[2], "message": {"role": "assistant", "content": "Paris"}}
    pieces = [orjson.dumps(line) + b"\n" for line in LINES]
    upstream.script(
        "http://gpu-box:11434",
        [
            answers.Answer(200, b"", {"content-type": "application/x-ndjson"}, chunks=pieces),
            answers.Answer(200, orjson.dumps(whole), {"content-type": "application/json"}),
        ],
    )
    asked = {"model": "ollama.qwen3", "messages": [{"role": "user", "content": "Capital of France?"}]}
    with ModelMesh(CONFIG, clock=upstream.clock, make_transport=upstream.make_transport) as mesh:
        client = mesh.get_client()
        stream = client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True})
        chunks = list(stream)
        got = client.chat.completions.create(**asked)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Paris"
    assert chunks[-1].usage.completion_tokens == 2
    assert (got.choices[0].message.content, got.choices[0].finish_reason) == ("Paris", "stop")
    assert json.loads(upstream.requests[0].body)["model"] == "qwen3:14b"
