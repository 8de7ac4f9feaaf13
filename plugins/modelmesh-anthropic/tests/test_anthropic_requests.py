"""What is sent: the vendor's JSON for every feature of the canonical shape."""

import json

import pytest
from modelmesh_core import FailureKind, Operation, ProviderError

PDF = {"type": "base64", "media_type": "application/pdf", "data": "QUJD"}
PNG = {"type": "base64", "media_type": "image/png", "data": "QUJD"}
FILE = {"type": "file", "file_id": "file_1"}
CITED = {"citations": {"enabled": True}}
USER = {"role": "user", "content": "Hi"}
HI = {"role": "user", "content": [{"type": "text", "text": "Hi"}]}
MARK = {"type": "ephemeral", "ttl": "1h"}
FUNCTION = {
    "name": "f",
    "description": "does f",
    "parameters": {"type": "object", "properties": {"a": {"type": "string"}}},
}
TOOL = {"type": "function", "function": FUNCTION}
SENT_TOOL = {"name": "f", "description": "does f", "input_schema": FUNCTION["parameters"]}
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": "b"}'}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}, "required": ["a"]}


def test_a_plain_call(provider, chat):
    request = next(provider.execute(chat(model="claude-opus-5")))
    assert (request.method, request.url, request.stream) == ("POST", "https://api.anthropic.com/v1/messages", False)
    assert dict(request.headers) == {
        "content-type": "application/json", "x-api-key": "sk-ant-secret", "anthropic-version": "2023-06-01"
    }  # fmt: skip
    assert json.loads(request.body) == {"model": "claude-opus-5", "max_tokens": 64_000, "messages": [HI]}
    assert "secret" not in repr(request)


def test_options_and_headers_reach_the_wire(make_provider, chat):
    provider = make_provider(
        {"anthropic-beta": "c,a", "X-Own": "1"}, "https://proxy.example/v1/", beta=("a", "b"), version="2024-01-01"
    )
    request = next(provider.execute(chat(stream=True)))
    assert request.url == "https://proxy.example/v1/messages"
    assert request.headers["anthropic-beta"] == "a,b,c"
    assert (request.headers["anthropic-version"], request.headers["x-own"]) == ("2024-01-01", "1")
    assert request.stream
    assert json.loads(request.body)["stream"] is True


@pytest.mark.parametrize("url", ["ftp://a", "https://", "nonsense", "https://u:p@a.example", "https://a.example?q=1"])
def test_base_urls_that_cannot_work_are_refused(make_provider, url):
    with pytest.raises(ValueError, match=r"providers\.anthropic\.base_url"):
        make_provider(base_url=url)


def test_other_operations_are_refused(provider, chat):
    call = chat()
    call.operation = Operation.EMBEDDINGS
    with pytest.raises(ProviderError, match="embeddings"):
        next(provider.execute(call))


def test_system_prompts_are_joined_or_keep_their_marks(sent):
    one, two = (
        {"role": "system", "content": "One."},
        {"role": "developer", "content": [{"type": "text", "text": "Two."}]},
    )
    assert sent(messages=[one, USER, two])["system"] == "One.\n\nTwo."
    marked = sent(messages=[{**one, "cache_control": MARK}, two, USER])["system"]
    assert marked == [{"type": "text", "text": "One.", "cache_control": MARK}, {"type": "text", "text": "Two."}]
    alone = sent(messages=[one])
    assert "system" not in alone
    assert alone["messages"] == [{"role": "user", "content": [{"type": "text", "text": "One."}]}]


def test_neighbours_of_one_role_are_one_turn_and_empty_texts_vanish(sent):
    assistant = {"role": "assistant", "content": "Yes?"}
    body = sent(
        messages=[USER, {"role": "user", "content": " "}, USER, assistant, {"role": "assistant", "content": ""}, USER]
    )
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][0]["content"] == HI["content"] * 2


@pytest.mark.parametrize(
    ("part", "block"),
    [
        ({"type": "image_url", "image_url": {"url": "https://a.example/i.png", "detail": "low"}},
         {"type": "image", "source": {"type": "url", "url": "https://a.example/i.png"}}),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}, "cache_control": MARK},
         {"type": "image", "source": PNG, "cache_control": MARK}),
        ({"type": "file", "file": {"file_data": "data:application/pdf;base64,QUJD", "filename": "a.pdf"}},
         {"type": "document", "source": PDF, "title": "a.pdf"}),
        ({"type": "file", "file": {"file_data": "data:text/markdown;base64,w6Q="}},
         {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "ä"}}),
        ({"type": "file", "file": {"file_data": "data:text/plain,a%20b"}, **CITED},
         {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a b"}, **CITED}),
        ({"type": "file", "file": {"file_data": "data:image/gif;base64,QUJD"}},
         {"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": "QUJD"}}),
        ({"type": "file", "file": {"file_url": "https://a.example/a.pdf"}},
         {"type": "document", "source": {"type": "url", "url": "https://a.example/a.pdf"}}),
        ({"type": "file", "file": {"file_id": "file_1"}}, {"type": "document", "source": FILE}),
        ({"type": "search_result", "source": "s", "title": "t", "content": []},
         {"type": "search_result", "source": "s", "title": "t", "content": []}),
        ({"type": "container_upload", "file_id": "file_1"}, {"type": "container_upload", "file_id": "file_1"}),
    ],
)  # fmt: skip
def test_parts_become_blocks(provider, chat, part, block):
    request = next(provider.execute(chat(messages=[{"role": "user", "content": [part]}])))
    assert json.loads(request.body)["messages"] == [{"role": "user", "content": [block]}]
    assert ("files-api" in request.headers.get("anthropic-beta", "")) is ("file_id" in json.dumps(block))


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "wav"}},
        {"type": "file", "file": {"file_data": "data:video/mp4;base64,QUJD"}},
        {"type": "file", "file": {"file_data": "data:text/plain;base64,/w=="}},
        {"type": "file", "file": {}},
        {"type": "image_url"},
    ],
)
def test_parts_that_claude_cannot_take_are_the_callers_mistake(provider, chat, part):
    with pytest.raises(ProviderError) as caught:
        next(provider.execute(chat(messages=[{"role": "user", "content": [part]}])))
    assert caught.value.failure.kind is FailureKind.INVALID_REQUEST


@pytest.mark.parametrize("messages", [[], None, "x", [3], [{"role": "user", "content": ""}]])
def test_a_request_without_content_is_the_callers_mistake(provider, chat, messages):
    with pytest.raises(ProviderError) as caught:
        next(provider.execute(chat(messages=messages)))
    assert caught.value.failure.kind is FailureKind.INVALID_REQUEST


def test_tool_calls_and_results(sent):
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}
    odd = {"id": "call.2|x", "type": "function", "function": {"name": "f", "arguments": ""}}
    body = sent(
        tools=[TOOL],
        messages=[
            USER,
            {"role": "assistant", "content": "Calling.", "tool_calls": [CALL, odd]},
            {"role": "tool", "tool_call_id": "call_1", "content": "done", "cache_control": MARK},
            {"role": "user", "content": "Go on."},
            {"role": "tool", "tool_call_id": "call.2|x", "content": [image], "is_error": True},
        ],
    )
    assert body["tools"] == [SENT_TOOL]
    assert body["messages"][1]["content"] == [
        {"type": "text", "text": "Calling."},
        {"type": "tool_use", "id": "call_1", "name": "f", "input": {"a": "b"}},
        {"type": "tool_use", "id": "call_2_x", "name": "f", "input": {}},
    ]
    source = {"type": "base64", "media_type": "image/png", "data": "QUJD"}
    assert body["messages"][2]["content"] == [
        {"type": "tool_result", "tool_use_id": "call_1", "content": "done", "cache_control": MARK},
        {
            "type": "tool_result",
            "tool_use_id": "call_2_x",
            "content": [{"type": "image", "source": source}],
            "is_error": True,
        },
        {"type": "text", "text": "Go on."},
    ]


def test_reasoning_goes_back_to_its_own_vendor_only(sent):
    details = [
        {"type": "reasoning.text", "text": "Hm", "signature": "s", "format": "anthropic-v1", "index": 0},
        {"type": "reasoning.encrypted", "data": "zz", "format": "anthropic-v1", "index": 1},
        {"type": "reasoning.text", "text": "unsigned", "format": "anthropic-v1", "index": 2},
        {"type": "reasoning.encrypted", "data": "foreign", "format": "openai-responses-v1", "index": 3},
    ]
    turn = {"role": "assistant", "content": "Yes", "reasoning_content": "Hm", "reasoning_details": details}
    assert sent(messages=[USER, turn, USER])["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "Hm", "signature": "s"},
        {"type": "redacted_thinking", "data": "zz"},
        {"type": "text", "text": "Yes"},
    ]


def test_a_prefill_is_continued_without_its_closing_white_space(sent, provider, chat):
    body = sent(prefill="Once upon \n")
    assert body["messages"][-1] == {"role": "assistant", "content": [{"type": "text", "text": "Once upon"}]}
    assert sent(prefill=" ")["messages"] == [HI]
    ending = {"role": "assistant", "content": "Begun: "}
    both = sent(messages=[USER, ending], prefill="once ")["messages"][-1]["content"]
    assert "".join(block["text"] for block in both) == "Begun: once"
    assert sent(messages=[USER, ending])["messages"][-1]["content"] == [{"type": "text", "text": "Begun:"}]
    native = {"max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}
    assert sent(native=native, prefill="Once ")["messages"][-1]["content"] == [{"type": "text", "text": "Once"}]
    call = chat(prefill="Once", reasoning_effort="high")
    assert "thinking" not in json.loads(next(provider.execute(call)).body)
    assert call.dropped == ["reasoning_effort"]
    with pytest.raises(ProviderError, match="cannot be continued"):
        sent(prefill="{", response_format={"type": "json_object"})


def test_marks_on_messages_stand_on_their_last_block(sent):
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    body = sent(messages=[{"role": "user", "content": parts, "cache_control": MARK}])
    assert body["messages"][0]["content"] == [parts[0], {**parts[1], "cache_control": MARK}]


def test_the_callers_body_is_never_changed(provider, chat):
    verbatim = [{"type": "text", "text": "a "}, {"type": "server_tool_use", "id": "s", "name": "n", "input": {}}]
    turn = {"role": "assistant", "content": "a ", "anthropic_content": verbatim, "cache_control": MARK}
    call = chat(messages=[USER, turn, {"role": "tool", "tool_call_id": "s", "content": "x"}], tools=[TOOL],
                tool_choice={"type": "any"}, parallel_tool_calls=False, prefill="x", features=())  # fmt: skip
    before = json.dumps(call.body)
    next(provider.execute(call))
    assert json.dumps(call.body) == before
