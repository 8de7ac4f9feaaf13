"""``/v1/responses``: the OpenAI SDK's newer calls, for any provider behind."""

import json

import openai
import pytest
from meshes import config
from modelmesh_core.testing import FakeUpstream, answers

A = "https://a.test/v1"


@pytest.fixture
def sdk(serve):
    opened = []

    def connect(configuration=None):
        opened.append(openai.OpenAI(base_url=serve(configuration).url + "/v1", api_key="k", max_retries=0))
        return opened[-1]

    yield connect
    for one in opened:
        one.close()


def test_a_response_from_a_provider_that_knows_chat_completions_only(sdk, upstream: FakeUpstream):
    upstream.script(A, [answers.chat("Hello!", tokens=(9, 3))])
    reply = sdk().responses.create(model="chat", input="Hi", instructions="Be brief.", max_output_tokens=20)
    assert (reply.output_text, reply.status) == ("Hello!", "completed")
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (9, 3)
    body = json.loads(upstream.requests[0].body)
    assert upstream.requests[0].url == A + "/chat/completions"
    assert [message["role"] for message in body["messages"]][-1] == "user"
    assert not {"input", "instructions", "max_output_tokens"} & body.keys()


def test_a_stream_adds_up(sdk, upstream: FakeUpstream):
    upstream.script(A, [answers.stream("Hel", "lo ", "☃", usage=(9, 3))])
    kinds, said = [], ""
    for event in sdk().responses.create(model="chat", input="Hi", stream=True):
        kinds.append(event.type)
        said += event.delta if event.type == "response.output_text.delta" else ""
    assert said == "Hello ☃"
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
    assert event.response.output_text == "Hello ☃"
    assert event.response.usage.output_tokens == 3


def test_tools_go_both_ways(sdk, upstream: FakeUpstream):
    function = {"name": "weather", "arguments": '{"city": "Ulm"}'}
    call = {"id": "c1", "type": "function", "function": function}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    body = {"id": "x", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    upstream.script(A, [answers.Answer(200, json.dumps(body).encode()), answers.chat("Sunny.")])
    client = sdk()
    tool = {"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": False}
    reply = client.responses.create(model="chat", input="Hi", tools=[tool])
    (made,) = reply.output
    assert (made.type, made.name, json.loads(made.arguments)) == ("function_call", "weather", {"city": "Ulm"})
    items = [{"role": "user", "content": "Hi"}, made.to_dict()]
    items.append({"type": "function_call_output", "call_id": made.call_id, "output": "sun"})
    assert client.responses.create(model="chat", input=items, tools=[tool]).output_text == "Sunny."
    sent = json.loads(upstream.requests[1].body)["messages"]
    assert [turn["role"] for turn in sent] == ["user", "assistant", "tool"]


def test_what_another_provider_keeps_is_never_passed_over(sdk, upstream: FakeUpstream):
    upstream.script(A, [answers.chat("never")])
    with pytest.raises(openai.BadRequestError, match="previous_response_id"):
        sdk().responses.create(model="chat", input="Hi", previous_response_id="resp_1")
    assert upstream.requests == []


def test_a_stream_that_breaks_never_completes(sdk, upstream: FakeUpstream):
    upstream.script(A, [answers.stream("half", finish=False, done=False)])
    kinds = []
    stream = sdk(config("a.one", pool={"on_stream_failure": "error"})).responses.create(
        model="chat", input="Hi", stream=True
    )
    try:
        kinds.extend(event.type for event in stream)
    except openai.APIError:
        kinds.append("error")
    assert kinds[-1] in ("error", "response.failed")
    assert "response.completed" not in kinds


def own():
    provider = {"connector": "openai.llm.v1", "api_key": "secret-key", "base_url": A}
    return {
        "providers": {"openai": provider},
        "models": {"openai.x": {"provider": "openai", "capabilities": ["chat-completion"]}},
        "pools": {"chat": {"capability": "chat-completion"}},
    }


def test_a_provider_of_the_same_dialect_is_passed_through(sdk, upstream: FakeUpstream):
    text = {"type": "output_text", "text": "Hi", "annotations": []}
    message = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [text]}
    reasoning = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
    reply = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "model": "x",
        "status": "completed",
        "output": [reasoning, message, {"type": "brand_new_item", "id": "b"}],
        "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
        "brand_new": True,
    }
    raw = json.dumps(reply, indent=1).encode()
    upstream.script(A, [answers.Answer(200, raw, {"content-type": "application/json"})])
    got = sdk(own()).responses.with_raw_response.create(
        model="chat", input="Hi", previous_response_id="resp_0", extra_body={"brand_new": 1}
    )
    assert got.http_response.content == raw, "byte for byte"
    (request,) = upstream.requests
    assert request.url == A + "/responses"
    sent = {"model": "x", "input": "Hi", "previous_response_id": "resp_0", "brand_new": 1}
    assert json.loads(request.body) == sent
