"""openai-node and the Vercel AI SDK, in Node, before three vendors' dialects."""

import json

import pytest
from scripted_vendor import ANSWER, ARGUMENTS, CITY


def test_openai_node(node):
    found = node("openai.mjs")
    assert (found["text"], found["tokens"]) == (ANSWER, 7)
    assert ("".join(found["texts"]), found["streamed_tokens"]) == (ANSWER, 7)
    assert len(found["texts"]) > 1
    assert found["finish"] == "tool_calls"
    for call in (found["call"], found["streamed_call"]):
        assert (call["name"], json.loads(call["arguments"])) == ("weather", ARGUMENTS)
    assert found["after"] == found["response"] == ANSWER
    assert found["parsed"] == CITY
    assert found["refused"] == {"kind": "NotFoundError", "code": "model_not_found"}


@pytest.mark.parametrize("way", ["compatible", "responses", "anthropic"])
def test_vercel_ai_sdk(vercel, way):
    found = vercel[way]
    assert (found["text"], found["tokens"], found["finish"]) == (ANSWER, 7, "stop")
    assert ("".join(found["texts"]), found["streamed_tokens"]) == (ANSWER, 7)
    assert len(found["texts"]) > 1
    assert (found["steps"], found["call"], found["after"]) == (2, [["weather", ARGUMENTS]], ANSWER)
    assert found["structured"] == CITY


@pytest.fixture
def vercel(node):
    return node("vercel.mjs")
