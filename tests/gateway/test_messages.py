"""``/v1/messages``: Anthropic's own SDK, for any provider behind."""

import json

import anthropic
import pytest
from meshes import config
from modelmesh_core.testing import FakeUpstream, answers

A = "https://a.test/v1"
CLAUDE = "https://claude.test"
ASKED = {"model": "chat", "max_tokens": 50, "messages": [{"role": "user", "content": "Hi"}]}
TOOL = {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}


@pytest.fixture
def sdk(serve):
    opened = []

    def connect(configuration=None):
        opened.append(anthropic.Anthropic(base_url=serve(configuration).url, api_key="k", max_retries=0))
        return opened[-1]

    yield connect
    for one in opened:
        one.close()


def test_a_message_from_a_provider_of_another_dialect(sdk, upstream: FakeUpstream):
    upstream.script(A, [answers.chat("Hello!", tokens=(9, 3))])
    reply = sdk().messages.create(**ASKED, system="Be brief.", stop_sequences=["END"])
    assert (reply.content[0].text, reply.stop_reason) == ("Hello!", "end_turn")
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (9, 3)
    body = json.loads(upstream.requests[0].body)
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert body["stop"] == ["END"]
    assert not {"system", "stop_sequences"} & body.keys()


def test_what_the_other_dialect_does_not_know_is_not_sent_and_told_where_it_matters(sdk, upstream: FakeUpstream):
    upstream.script(A, [answers.chat("Hello!")])
    cached = [{"type": "text", "text": "Long.", "cache_control": {"type": "ephemeral"}}]
    raw = sdk().messages.with_raw_response.create(
        **ASKED, system=cached, tools=[{**TOOL, "cache_control": {"type": "ephemeral"}}], extra_body={"top_k": 5}
    )
    assert raw.headers["x-modelmesh-dropped"] == "top_k"
    assert b"cache_control" not in upstream.requests[0].body
    assert b"top_k" not in upstream.requests[0].body


def test_a_stream_of_another_dialect_adds_up(sdk, upstream: FakeUpstream):
    upstream.script(A, [answers.stream("Hel", "lo ", "☃", usage=(9, 3))])
    with sdk().messages.stream(**ASKED) as stream:
        assert "".join(stream.text_stream) == "Hello ☃"
        final = stream.get_final_message()
    assert (final.stop_reason, final.usage.output_tokens) == ("end_turn", 3)


def test_tools_go_both_ways(sdk, upstream: FakeUpstream):
    function = {"name": "weather", "arguments": '{"city": "Ulm"}'}
    message = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c1", "type": "function", "function": function}],
    }
    body = {"id": "x", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    upstream.script(A, [answers.Answer(200, json.dumps(body).encode()), answers.chat("Sunny.")])
    client = sdk()
    reply = client.messages.create(**ASKED, tools=[TOOL], tool_choice={"type": "any"})
    (call,) = reply.content
    assert (call.name, call.input, reply.stop_reason) == ("weather", {"city": "Ulm"}, "tool_use")
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "sun"}
    turns = [*ASKED["messages"], {"role": "assistant", "content": reply.content}, {"role": "user", "content": [result]}]
    answer = client.messages.create(**{**ASKED, "messages": turns}, tools=[TOOL])
    assert answer.content[0].text == "Sunny."
    sent = json.loads(upstream.requests[1].body)["messages"]
    assert [turn["role"] for turn in sent] == ["user", "assistant", "tool"]
    assert sent[2]["tool_call_id"] == "c1"


def test_errors_have_the_shape_of_the_dialect(sdk, upstream: FakeUpstream):
    upstream.script(A, [answers.error(400, "too hot", type="invalid_request_error")])
    client = sdk()
    with pytest.raises(anthropic.BadRequestError) as caught:
        client.messages.create(**ASKED)
    assert caught.value.body["type"] == "error"
    assert caught.value.body["error"] == {"type": "invalid_request_error", "message": "too hot"}
    with pytest.raises(anthropic.BadRequestError, match="max_tokens"):
        client.messages.create(**ASKED, extra_body={"max_tokens": "many"})
    with pytest.raises(anthropic.NotFoundError):
        client.messages.create(**{**ASKED, "model": "nope"})


def test_a_stream_that_breaks_ends_in_the_error_event_of_the_dialect(sdk, upstream: FakeUpstream):
    upstream.script(A, [answers.stream("half", finish=False, done=False)])
    configuration = config("a.one", pool={"on_stream_failure": "error"})
    with pytest.raises(anthropic.APIStatusError), sdk(configuration).messages.stream(**ASKED) as stream:
        list(stream)


def claude():
    provider = {"connector": "anthropic.claude.v1", "api_key": "secret-key", "base_url": CLAUDE}
    return {
        "providers": {"claude": provider},
        "models": {"claude.opus": {"provider": "claude", "capabilities": ["chat-completion"]}},
        "pools": {"chat": {"capability": "chat-completion"}},
    }


def test_the_same_dialect_on_both_sides_passes_through(sdk, upstream: FakeUpstream):
    own = {"type": "brand_new_block", "whatever": [1, 2]}
    reply = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "opus",
        "content": [{"type": "thinking", "thinking": "Hm", "signature": "s=="}, {"type": "text", "text": "Hi"}, own],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 2, "service_tier": "standard"},
    }
    raw = json.dumps(reply, indent=1).encode()
    upstream.script(CLAUDE, [answers.Answer(200, raw, {"content-type": "application/json"})])
    got = sdk(claude()).messages.with_raw_response.create(**ASKED, extra_body={"brand_new": {"a": 1}})
    assert got.http_response.content == raw, "byte for byte"
    sent = json.loads(upstream.requests[0].body)
    assert sent == {**ASKED, "model": "opus", "brand_new": {"a": 1}}


def test_a_stream_of_the_same_dialect_passes_through(sdk, upstream: FakeUpstream):
    usage = {"input_tokens": 3, "output_tokens": 1}
    message = {"id": "m", "type": "message", "role": "assistant", "model": "opus", "content": [], "usage": usage}
    events = [
        {"type": "message_start", "message": {**message, "stop_reason": None, "stop_sequence": None}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hé"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": usage},
        {"type": "message_stop"},
    ]
    data = b"".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in events)
    pieces = [data[at : at + 11] for at in range(0, len(data), 11)]
    upstream.script(CLAUDE, [answers.Answer(200, headers={"content-type": "text/event-stream"}, chunks=pieces)])
    with sdk(claude()).messages.with_streaming_response.create(**ASKED, stream=True) as response:
        assert response.read() == data


def test_cache_marks_reach_a_vendor_of_another_dialect_that_knows_them(sdk, upstream: FakeUpstream):
    provider = {"connector": "openrouter.gateway.v1", "api_key": "secret-key", "base_url": A}
    configuration = {
        "providers": {"openrouter": provider},
        "models": {"openrouter.x": {"provider": "openrouter", "capabilities": ["chat-completion"]}},
        "pools": {"chat": {"capability": "chat-completion"}},
    }
    upstream.script(A, [answers.chat("Hello!")])
    mark = {"type": "ephemeral"}
    sdk(configuration).messages.create(**ASKED, system=[{"type": "text", "text": "Long.", "cache_control": mark}])
    (system, _) = json.loads(upstream.requests[0].body)["messages"]
    assert system["content"][0]["cache_control"] == mark
