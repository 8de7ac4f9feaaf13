"""Whatever comes, nothing but a ProviderError leaves, and every answer ends."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from modelmesh_anthropic import AnthropicOptions
from modelmesh_anthropic.provider import AnthropicProvider
from modelmesh_core import (
    Dialect,
    Headers,
    HttpResponse,
    Operation,
    ProviderCall,
    ProviderError,
    ProviderSettings,
    Secret,
)

values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
TYPES = ["text", "thinking", "redacted_thinking", "tool_use", "server_tool_use", "compaction", "odd"]
blocks = st.fixed_dictionaries(
    {"type": st.sampled_from(TYPES) | values},
    optional=dict.fromkeys(
        ("text", "thinking", "signature", "data", "id", "name", "input", "citations", "caller"), values
    ),
)
COUNTS = [
    "input_tokens",
    "output_tokens",
    "cache_creation",
    "output_tokens_details",
    "iterations",
    "cache_read_input_tokens",
]
usages = st.dictionaries(st.sampled_from(COUNTS), values)
DEEP = b"[" * 800 + b"]" * 800
EVENTS = [
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "error",
    "ping",
]
DELTAS = ["text_delta", "thinking_delta", "signature_delta", "input_json_delta", "citations_delta", "compaction_delta"]
deltas = st.fixed_dictionaries(
    {"type": st.sampled_from(DELTAS) | values},
    optional=dict.fromkeys(
        ("text", "thinking", "signature", "partial_json", "citation", "stop_reason", "stop_details"), values
    ),
)
events = st.fixed_dictionaries(
    {"type": st.sampled_from(EVENTS) | values},
    optional={
        "index": st.integers(0, 2) | values, "delta": deltas | values, "content_block": blocks | values,
        "message": values, "usage": usages | values, "error": values,
    },
)  # fmt: skip
messages = st.fixed_dictionaries(
    {"content": st.lists(blocks | values, max_size=4)},
    optional=dict.fromkeys(("id", "model", "usage", "stop_reason", "stop_details", "type", "error"), values),
)
bodies = st.dictionaries(
    st.sampled_from(
        ["messages", "tools", "tool_choice", "response_format", "reasoning_effort", "thinking", "stop", "temperature",
         "top_p", "max_tokens", "web_search_options", "user", "metadata", "service_tier", "n", "output_config"]
    ),
    values,
)  # fmt: skip
turns = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "tool", "system"]) | values},
    optional={
        "content": values | st.lists(blocks | values, max_size=3), "tool_calls": values, "tool_call_id": values,
        "reasoning_details": values, "anthropic_content": st.lists(blocks | values, max_size=3) | values,
        "cache_control": values, "refusal": values,
    },
)  # fmt: skip

HEAD = HttpResponse(200, Headers([("content-type", "text/event-stream")]))


def started(stream, native=False):
    provider = AnthropicProvider(ProviderSettings("a", Secret("k"), options=AnthropicOptions()))
    body = {"messages": [{"role": "user", "content": "Hi"}], "response_format": {"type": "json_object"}}
    call = ProviderCall(Operation.CHAT, "claude-sonnet-4-5", body, stream=stream)
    if native:
        call.dialect, call.native = Dialect.ANTHROPIC_MESSAGES, {"messages": []}
    flow = provider.execute(call)
    next(flow)
    return flow


def whole(body, status=200):
    with pytest.raises((StopIteration, ProviderError)):
        started(False).send(HttpResponse(status, Headers(), body))


def streamed(data):
    for native in (False, True):
        with pytest.raises(StopIteration) as stop:
            started(True, native).send(HEAD)
        decoder = stop.value.value
        try:
            found = [*decoder.feed(data), *decoder.finish()]
        except ProviderError:
            continue
        assert all(event.raw is not None for event in found) or not native


@given(st.binary(max_size=200), st.sampled_from([200, 400, 429, 529]))
def test_any_bytes(body, status):
    whole(body, status)
    streamed(body)
    streamed(b"data: " + body + b"\n\n")


@given(messages | values, st.sampled_from([200, 400, 429]))
@settings(max_examples=300)
def test_any_json_as_an_answer(body, status):
    whole(json.dumps(body).encode(), status)


@given(st.lists(events, max_size=8))
@settings(max_examples=300)
def test_any_json_as_events(said):
    streamed(b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in said))


@given(bodies, st.lists(turns, max_size=4), st.sampled_from(["claude-sonnet-4-5", "claude-opus-5-5", "x"]))
@settings(max_examples=300)
def test_any_body_of_the_callers(body, said, model):
    provider = AnthropicProvider(ProviderSettings("a", Secret("k"), options=AnthropicOptions()))
    call = ProviderCall(Operation.CHAT, model, {"messages": said, **body}, features=frozenset({"structured_output"}))
    try:
        request = next(provider.execute(call))
    except ProviderError:
        return
    assert json.loads(request.body or b"")["model"] == model


def test_values_nested_beyond_measure():
    call = b'{"type": "tool_use", "id": "a", "name": "b", "input": {"a": %b}}' % DEEP
    whole(b'{"content": [%b], "stop_reason": "tool_use"}' % call)
    streamed(b'data: {"type": "content_block_start", "index": 0, "content_block": %b}\n\n' % call)
    streamed(b'data: {"type": "content_block_start", "index": 0, "content_block": %b}\n\ndata: ' % call
             + b'{"type": "content_block_stop", "index": 0}\n\n')  # fmt: skip
    schema = {}
    for _ in range(900):
        schema = {"type": "object", "properties": {"a": schema}}
    provider = AnthropicProvider(ProviderSettings("a", Secret("k"), options=AnthropicOptions()))
    body = {
        "messages": [{"role": "user", "content": "Hi"}],
        "response_format": {"type": "json_schema", "json_schema": {"schema": schema}},
    }
    for features in ((), ("structured_output",)):
        call = ProviderCall(Operation.CHAT, "claude-sonnet-4-5", body, features=frozenset(features))
        with pytest.raises(ProviderError):
            next(provider.execute(call))


def test_damaged_recordings(recordings):
    chance = random.Random(7)
    for recording in recordings:
        for _ in range(8):
            body = bytearray(recording.body)
            for _ in range(chance.randint(1, 6)):
                body[chance.randrange(len(body))] = chance.randrange(256)
            cut = bytes(body[: chance.randint(1, len(body))])
            streamed(cut) if recording.stream else whole(cut, recording.status)
