"""What a call in the OpenAI shape sends."""

import json

import pytest
from modelmesh_core import Operation, ProviderError
from modelmesh_ollama import provider_connectors

PNG = "data:image/png;base64,iVBORw0KGgo="
TOOL = {"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}
OTHER = {"type": "function", "function": {"name": "later", "parameters": {"type": "object"}}}


def test_a_conversation(sent):
    call = {"id": "c1", "type": "function", "function": {"name": "now", "arguments": '{"zone": "UTC"}'}}
    broken = {"id": "c2", "type": "function", "function": {"name": "now", "arguments": '{"zo'}}
    body, dropped = sent(
        messages=[
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [
                {"type": "text", "text": "See"}, {"type": "image_url", "image_url": {"url": PNG}},
                {"type": "text", "text": "this"},
            ]},
            {"role": "assistant", "content": None, "reasoning_content": "Hm", "tool_calls": [call, broken]},
            {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "12:00"}]},
            {"role": "assistant", "content": "Noon", "reasoning_content": "Hm",
             "reasoning_details": [{"type": "reasoning.text", "format": "anthropic-v1"}]},
            {"role": "user", "content": "Thanks"},
        ],
        tools=[TOOL],
    )  # fmt: skip
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "See\nthis", "images": ["iVBORw0KGgo="]},
        {"role": "assistant", "content": "", "thinking": "Hm", "tool_calls": [
            {"id": "c1", "function": {"name": "now", "arguments": {"zone": "UTC"}}},
            {"id": "c2", "function": {"name": "now", "arguments": {"arguments": '{"zo'}}},
        ]},
        {"role": "tool", "content": "12:00", "tool_name": "now", "tool_call_id": "c1"},
        {"role": "assistant", "content": "Noon"},
        {"role": "user", "content": "Thanks"},
    ]  # fmt: skip
    assert (body["tools"], body["stream"], dropped) == ([TOOL], False, [])


def test_recorded_requests_have_the_same_shape(provider, make_call, recordings):
    found = [one for one in recordings if one.kind == "chat" and one.request]
    assert len(found) == 5
    for recording in found:
        own = recording.request
        messages = json.loads(json.dumps(own["messages"]))
        for message in messages:
            for call in message.get("tool_calls", []):
                call["function"]["arguments"] = json.dumps(call["function"]["arguments"])
        call = make_call(model=own["model"], stream=own["stream"], messages=messages, tools=own.get("tools", []))
        sent = json.loads(next(provider.execute(call)).body)
        assert sent == {key: value for key, value in own.items() if value not in (None, "", {}, [])}


def test_parameters(sent, make_provider, make_call):
    body, dropped = sent(
        temperature=0.1, top_p=0.5, top_k=3, seed=1, stop="END", presence_penalty=0.5, frequency_penalty=0.25,
        max_tokens=7, max_completion_tokens=9, options={"num_ctx": 99, "seed": 2}, keep_alive="1m", logprobs=True,
        top_logprobs=2, n=2, logit_bias={"1": 1}, user="u",
    )  # fmt: skip
    assert body["options"] == {
        "temperature": 0.1, "top_p": 0.5, "top_k": 3, "seed": 2, "stop": ["END"], "presence_penalty": 0.5,
        "frequency_penalty": 0.25, "num_predict": 9, "num_ctx": 99,
    }  # fmt: skip
    assert (body["keep_alive"], body["logprobs"], body["top_logprobs"]) == ("1m", True, 2)
    assert dropped == ["n", "logit_bias"]
    provider = make_provider(num_ctx=8192, keep_alive="30m")
    for call in (make_call(logprobs=False), make_call(Operation.EMBEDDINGS, input="a")):
        body = json.loads(next(provider.execute(call)).body)
        assert (body["options"], body["keep_alive"]) == ({"num_ctx": 8192}, "30m")
        assert "logprobs" not in body


@pytest.mark.parametrize(
    ("asked", "names", "dropped"),
    [
        ("auto", ["now", "later"], []),
        ("none", None, []),
        ("required", ["now", "later"], ["tool_choice"]),
        ({"type": "function", "function": {"name": "now"}}, ["now"], ["tool_choice"]),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [TOOL]}}, ["now"], []),
    ],
)
def test_tool_choice(sent, asked, names, dropped):
    body, lost = sent(tools=[TOOL, OTHER], tool_choice=asked)
    assert ([tool["function"]["name"] for tool in body["tools"]] if "tools" in body else None, lost) == (names, dropped)


@pytest.mark.parametrize(
    ("asked", "model", "think"),
    [
        ({"reasoning_effort": "none"}, "qwen3", False),
        ({"reasoning_effort": "low"}, "qwen3", True),
        ({"reasoning_effort": "minimal"}, "gpt-oss:20b", "low"),
        ({"reasoning_effort": "xhigh"}, "gpt-oss:120b", "high"),
        ({"thinking": {"type": "enabled", "budget_tokens": 9}}, "qwen3", True),
        ({"thinking": {"type": "disabled"}}, "qwen3", False),
        ({"think": False, "reasoning_effort": "high"}, "qwen3", False),
        ({}, "qwen3", None),
    ],
)
def test_thinking(sent, asked, model, think):
    assert sent(model=model, **asked)[0].get("think") == think


def test_a_model_that_does_not_think_is_not_asked_to(sent):
    body, dropped = sent(features=("tool_calling",), reasoning_effort="high")
    assert "think" not in body and dropped == ["reasoning_effort"]


def test_answers_in_json(sent):
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    asked = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    assert sent(response_format=asked)[0]["format"] == schema
    assert sent(response_format={"type": "json_object"})[0]["format"] == "json"
    assert "format" not in sent(response_format={"type": "text"})[0]
    assert sent(format="json")[0]["format"] == "json"
    assert sent(prefill="Once")[0]["messages"][-1] == {"role": "assistant", "content": "Once"}


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        (Operation.CHAT, {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}),
        (
            Operation.CHAT,
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "https://a"}]}]},
        ),
        (Operation.CHAT, {"messages": []}),
        (Operation.CHAT, {"tools": [{"type": "web_search"}]}),
        (Operation.EMBEDDINGS, {"input": [1, 2]}),
        (Operation.EMBEDDINGS, {"input": []}),
        (Operation.RERANK, {"query": "a"}),
    ],
)
def test_what_ollama_cannot_be_asked(provider, make_call, operation, body):
    with pytest.raises(ProviderError) as caught:
        next(provider.execute(make_call(operation, **body)))
    assert caught.value.status_code == 400


@pytest.mark.parametrize(
    ("host", "base"),
    [
        ("localhost", "http://localhost:11434"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        (":8080", "http://localhost:8080"),
        ("10.0.0.1:80/", "http://10.0.0.1:80"),
        ("[::1]", "http://[::1]:11434"),
        ("https://ollama.com", "https://ollama.com"),
        ("http://gpu:1/base/v1", "http://gpu:1/base"),
        ("http://gpu:1/api", "http://gpu:1"),
    ],
)
def test_addresses_as_people_write_them(make_provider, make_call, host, base):
    request = next(make_provider(host).execute(make_call(stream=True)))
    assert request.url == f"{base}/api/chat" and request.stream
    assert request.headers["authorization"] == "Bearer ol-secret" and request.headers["x-team"] == "a"
    assert "authorization" not in next(make_provider(host, key=None).execute(make_call())).headers
    assert next(make_provider(host).execute(make_call(Operation.EMBEDDINGS, input="a"))).url == f"{base}/api/embed"


@pytest.mark.parametrize("host", ["ftp://a", "http://", "a:99999", "u:p@host", "http://a?b=1"])
def test_addresses_that_cannot_be_called(make_provider, host):
    with pytest.raises(ValueError, match="base_url"):
        make_provider(host)


def test_both_connectors():
    native, cloud = provider_connectors()
    assert (native.requires_api_key, native.environment) == (False, None)
    assert (cloud.environment.api_key, cloud.default_base_url) == (("OLLAMA_API_KEY",), "https://ollama.com")
