"""Whole answers."""

import json

import pytest
from modelmesh_core import FailureKind, Headers, HttpResponse, ProviderError

FINISH = {"end_turn": "stop", "tool_use": "tool_calls", "max_tokens": "length", "stop_sequence": "stop"}


def extracted(body):
    """What a recorded answer says, by plain means."""
    blocks = body["output"]["message"]["content"]
    text = "".join(block.get("text", "") for block in blocks)
    uses = [block["toolUse"] for block in blocks if "toolUse" in block]
    thoughts = [block["reasoningContent"]["reasoningText"]["text"] for block in blocks if "reasoningContent" in block]
    calls = [(use["toolUseId"], use["name"], use["input"]) for use in uses if use.get("type") != "server_tool_use"]
    return text, "".join(thoughts), calls


def test_recorded_replies_say_what_they_said(replies, provider, play, make_call):
    assert len(replies) >= 20
    for one in replies:
        reply, raw = play(provider.execute(make_call(model=one.model)), one.response)[1], json.loads(one.body)
        text, thoughts, calls = extracted(raw)
        choice = reply.body["choices"][0]
        said = choice["message"]
        assert (said["content"] or "") == text, one.id
        assert said.get("reasoning_content", "") == thoughts
        assert [
            (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))
            for call in said.get("tool_calls", [])
        ] == calls
        assert reply.finish_reason == choice["finish_reason"] == FINISH[raw["stopReason"]]
        usage = raw["usage"]
        assert reply.usage.input == usage["inputTokens"]
        assert reply.usage.output == usage["outputTokens"]
        assert reply.usage.cached_input == usage.get("cacheReadInputTokens", 0)
        assert reply.usage.cache_write == usage.get("cacheWriteInputTokens", 0)
        assert reply.usage.total == usage["totalTokens"] == reply.body["usage"]["total_tokens"]
        assert reply.body["id"] and reply.body["model"] == one.model


def whole(content, reason="end_turn", **more):
    return {"output": {"message": {"role": "assistant", "content": content}}, "stopReason": reason, **more}


@pytest.fixture
def said(provider, play, make_call, answer):
    def said(content, reason="end_turn", call=None, **more):
        return play(provider.execute(make_call(**(call or {}))), answer(whole(content, reason, **more)))[1]

    return said


@pytest.mark.parametrize(
    ("native", "reason"),
    [
        *FINISH.items(),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("model_context_window_exceeded", "length"),
        ("malformed_tool_use", "stop"),
        ("something_new", "stop"),
    ],
)
def test_stop_reasons(said, native, reason):
    choice = said([{"text": "a"}], native).body["choices"][0]
    assert (choice["finish_reason"], choice["native_finish_reason"]) == (reason, native)


@pytest.mark.parametrize("native", ["malformed_model_output", "malformed_tool_use"])
def test_breakdown_without_an_answer_is_a_failure(said, native):
    with pytest.raises(ProviderError) as caught:
        said([], native)
    assert (caught.value.failure.kind, caught.value.failure.code) == (FailureKind.SERVER, native)


def test_blocked_prompt_is_an_answer(said):
    trace = {"guardrail": {"actionReason": "Guardrail blocked."}}
    reply = said([{"text": "Sorry, no."}], "guardrail_intervened", trace=trace)
    assert reply.finish_reason == "content_filter"
    assert reply.body["choices"][0]["message"]["content"] == "Sorry, no."
    assert reply.body["trace"] == trace


def test_usage_that_counts_cached_tokens_twice_is_told_apart(said):
    usage = {"inputTokens": 100, "outputTokens": 5, "totalTokens": 105, "cacheReadInputTokens": 80}
    assert said([{"text": "a"}], usage=usage).usage.input == 20
    usage["totalTokens"] = 185
    assert said([{"text": "a"}], usage=usage).usage.input == 100


def test_citations_become_annotations_and_go_back(said, sent):
    web = {"title": "T", "location": {"web": {"url": "https://a.example", "domain": "a.example"}}}
    page = {"title": "facts", "location": {"documentPage": {"documentIndex": 0, "start": 1, "end": 2}}}
    cited = {"citationsContent": {"content": [{"text": "in 1993."}], "citations": [web, page]}}
    message = said([{"text": "Ruby: "}, cited]).body["choices"][0]["message"]
    assert message["content"] == "Ruby: in 1993."
    own = {"url": "https://a.example", "title": "T", "start_index": 6, "end_index": 14}
    assert message["annotations"] == [
        {"type": "url_citation", "url_citation": own},
        {"type": "citation", "citation": page, "start_index": 6, "end_index": 14},
    ]
    messages = [{"role": "user", "content": "?"}, message]
    assert sent(messages=messages)["messages"][1]["content"] == [{"text": "Ruby: "}, cited]
    edited = [{"role": "user", "content": "?"}, {**message, "content": "Python"}]
    assert sent(messages=edited)["messages"][1]["content"] == [{"text": "Python"}]


def test_tools_that_bedrock_runs_are_kept_for_the_next_turn(said, sent):
    use = {"toolUse": {"toolUseId": "t1", "name": "nova_grounding", "input": {}, "type": "server_tool_use"}}
    result = {"toolResult": {"toolUseId": "t1", "content": [{"text": "x"}], "type": "nova_grounding_result"}}
    content = [use, result, {"text": "Found."}]
    message = said(content, call={"model": "us.amazon.nova-2-lite-v1:0"}).body["choices"][0]["message"]
    assert "tool_calls" not in message
    messages = [{"role": "user", "content": "?"}, message]
    assert sent(model="amazon.nova-2-lite-v1:0", messages=messages)["messages"][1]["content"] == content
    assert sent(messages=messages)["messages"][1]["content"] == [{"text": "Found."}]


def test_answer_in_json_is_unwrapped(said):
    form = {"response_format": {"type": "json_object"}}
    use = {"toolUse": {"toolUseId": "t", "name": "give_answer", "input": {"a": 1}}}
    choice = said([use], "tool_use", call=form).body["choices"][0]
    assert (choice["message"], choice["finish_reason"]) == ({"role": "assistant", "content": '{"a":1}'}, "stop")
    schema = {"type": "json_schema", "json_schema": {"schema": {"type": "array"}}}
    use["toolUse"]["input"] = {"value": [1, 2]}
    made = said([use], "tool_use", call={"response_format": schema}).body["choices"][0]["message"]
    assert made["content"] == "[1,2]"


def test_images_are_given(said):
    image = {"image": {"format": "png", "source": {"bytes": "AAAA"}}}
    found = said([image]).body["choices"][0]["message"]["images"]
    assert found == [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}, "index": 0}]


def test_answer_without_an_id_bears_the_requests(provider, play, make_call):
    response = HttpResponse(200, Headers(), json.dumps(whole([{"text": "a"}])).encode())
    assert play(provider.execute(make_call()), response)[1].body["id"] == "own-id"


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"output":{}}', b'{"output":{"message":{"content":1}}}', b"1"]
)
def test_what_is_no_answer_is_undecodable(provider, play, make_call, answer, body):
    with pytest.raises(ProviderError) as caught:
        play(provider.execute(make_call()), answer(body))
    assert caught.value.failure.kind is FailureKind.UNDECODABLE
