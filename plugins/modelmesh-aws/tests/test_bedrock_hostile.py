"""Whatever comes, in or out, ends in an answer or in a ProviderError."""

import copy
import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from modelmesh_aws.eventstream import EventStreamDecoder
from modelmesh_aws.options import BedrockOptions
from modelmesh_aws.provider import BedrockProvider
from modelmesh_core import Headers, HttpResponse, Operation, ProviderCall, ProviderError, ProviderSettings, Secret

PROVIDER = BedrockProvider(ProviderSettings("b", Secret("key-for-tests"), options=BedrockOptions()))
CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**70) | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
WRONG = [None, True, 5, -1, 1.5, "", "x", [], {}, [1], [{}], [None], {"a": 1}, [[]], {"type": "text"}]


def drive(call, status, body, *, headers=()):
    flow = PROVIDER.execute(call)
    next(flow)
    try:
        flow.send(HttpResponse(status, Headers(headers), body))
    except StopIteration as stop:
        return stop.value
    return None


def mutated(value, dice):
    """``value`` with something in it replaced by what does not belong there."""
    made = copy.deepcopy(value)
    spot = made
    while isinstance(spot, (dict, list)) and spot:
        key = dice.choice(list(spot)) if isinstance(spot, dict) else dice.randrange(len(spot))
        if dice.random() < 0.3 or not isinstance(spot[key], (dict, list)) or not spot[key]:
            spot[key] = copy.deepcopy(dice.choice(WRONG))
            return made
        spot = spot[key]
    return made


@settings(max_examples=150, deadline=None)
@given(st.integers(100, 599), st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
@pytest.mark.parametrize(
    ("operation", "model"),
    [(Operation.CHAT, CLAUDE), (Operation.EMBEDDINGS, "cohere.embed-v4:0"), (Operation.RERANK, "amazon.rerank-v1:0")],
)
def test_any_answer(operation, model, status, body):
    asked = {"messages": [], "input": "a", "query": "q", "documents": ["a"]}
    try:
        drive(ProviderCall(operation, model, asked), status, body, headers=[("x-amzn-errortype", "#:")])
    except ProviderError as error:
        assert str(error)


def test_mutated_answers(replies):
    dice = random.Random(1)
    for one in replies:
        for _ in range(60):
            body = json.dumps(mutated(json.loads(one.body), dice)).encode()
            try:
                drive(ProviderCall(Operation.CHAT, one.model, {"messages": []}), 200, body)
            except ProviderError as error:
                assert str(error)


def test_mutated_streams(streams, message):
    dice = random.Random(2)
    for one in streams:
        found = EventStreamDecoder().feed(one.body)
        names = [part.headers[":event-type"] for part in found]
        bodies = [json.loads(part.payload) for part in found]
        for _ in range(40):
            decoder = drive(ProviderCall(Operation.CHAT, one.model, {"messages": []}, stream=True), 200, b"")
            for name, body in zip(names, bodies, strict=True):
                for copied in [body] * dice.choice([0, 1, 1, 1, 2]):
                    made = mutated(copied, dice) if dice.random() < 0.4 else copied
                    kind = dice.choice(["event"] * 9 + ["exception", "error", "?"])
                    decoder.feed(message(made, message_type=kind, event_type=name, exception_type=name))
            decoder.finish()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=6))
def test_any_bytes_in_a_stream(pieces):
    decoder = drive(ProviderCall(Operation.CHAT, CLAUDE, {"messages": []}, stream=True), 200, b"")
    try:
        for piece in pieces:
            decoder.feed(piece)
        decoder.finish()
    except ProviderError as error:
        assert str(error)


WHOLE = {
    "messages": [
        {"role": "system", "content": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}]},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
        {
            "role": "assistant",
            "content": "a",
            "reasoning_details": [{"type": "reasoning.text", "text": "t", "signature": "s", "format": "anthropic-v1"}],
            "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            "bedrock_content": {"maker": "anthropic", "content": [{"text": "a"}, {"toolUse": {"toolUseId": "1"}}]},
        },
        {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "x"}, {"json": {}}]},
        {"role": "user", "content": [{"type": "file", "file": {"file_data": "AAAA", "filename": "a.pdf"}}]},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
    "reasoning_effort": "low",
    "thinking": {"type": "enabled", "budget_tokens": 2000},
    "stop": ["a"],
    "max_tokens": 5000,
    "temperature": 1,
    "top_p": 1,
    "top_k": 4,
    "additionalModelRequestFields": {"inferenceConfig": {"topK": 1}},
    "inferenceConfig": {},
    "outputConfig": {},
    "service_tier": "flex",
    "web_search_options": {},
}


@pytest.mark.parametrize("model", [CLAUDE, "amazon.nova-2-lite-v1:0", "openai.gpt-oss-20b-1:0", "meta.llama3", "x"])
def test_mutated_requests(model):
    dice = random.Random(3)
    for _ in range(300):
        body = mutated(WHOLE, dice)
        features = frozenset(dice.sample(["structured_output", "prompt_caching", "grounding"], dice.randint(0, 3)))
        before = copy.deepcopy(body)
        try:
            next(PROVIDER.execute(ProviderCall(Operation.CHAT, model, body, features=features)))
        except ProviderError as error:
            assert error.failure.status == 400
        assert body == before, "the caller's body is shared by attempts"


@pytest.mark.parametrize(
    ("operation", "model", "body"),
    [
        (Operation.EMBEDDINGS, "cohere.embed-v4:0", {"input": ["a"], "dimensions": 5, "input_type": "query"}),
        (Operation.EMBEDDINGS, "amazon.titan-embed-image-v1", {"input": "a", "dimensions": 5}),
        (Operation.EMBEDDINGS, "amazon.nova-2-multimodal-embeddings-v1:0", {"input": "a", "input_type": "query"}),
        (Operation.RERANK, "cohere.rerank-v3-5:0", {"query": "q", "documents": ["a", {"text": "b"}], "top_n": 1}),
    ],
)
def test_mutated_requests_of_other_operations(operation, model, body):
    dice = random.Random(5)
    for _ in range(60):
        try:
            next(PROVIDER.execute(ProviderCall(operation, model, mutated(body, dice))))
        except ProviderError as error:
            assert error.failure.status == 400
