"""Messages and settings, as Converse wants them."""

import base64
import json

import pytest
from modelmesh_core import InvalidRequestError

NOVA, LLAMA, MISTRAL = (
    "us.amazon.nova-2-lite-v1:0",
    "us.meta.llama3-3-70b-instruct-v1:0",
    "mistral.mistral-large-2402-v1:0",
)
PNG = base64.b64encode(b"\x89PNG").decode()
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
    },
}
SPEC = {
    "toolSpec": {
        "name": "get_weather",
        "description": "The weather",
        "inputSchema": {"json": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]}},
    }
}
CITY = {"type": "object", "properties": {"city": {"type": "string", "minLength": 2}}, "required": ["city"]}


def user(*parts):
    return {"role": "user", "content": list(parts)}


def part(url):
    return {"type": "image_url", "image_url": {"url": url}}


def call(name="get_weather", arguments='{"place":"Oslo"}', identity="tooluse_1"):
    return {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}


def test_plain_conversation(sent):
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello."},
        {"role": "developer", "content": [{"type": "text", "text": "In English."}]},
        {"role": "user", "content": "Who?"},
        {"role": "user", "content": "  "},
        {"role": "user", "content": "You."},
    ]
    assert sent(messages=messages) == {
        "system": [{"text": "Be brief."}, {"text": "In English."}],
        "messages": [
            {"role": "user", "content": [{"text": "Hi"}]},
            {"role": "assistant", "content": [{"text": "Hello."}]},
            {"role": "user", "content": [{"text": "Who?"}, {"text": "You."}]},
        ],
    }


def test_sampling_and_length(sent):
    body = sent(model=NOVA, max_tokens=10, temperature=0.8, top_p=1, stop=["|"], top_k=5)
    assert body["inferenceConfig"] == {"maxTokens": 10, "temperature": 0.8, "topP": 1, "stopSequences": ["|"]}
    assert body["additionalModelRequestFields"] == {"inferenceConfig": {"topK": 5}}


@pytest.mark.parametrize(
    ("given", "block"),
    [
        (part(f"data:image/png;base64,{PNG}"), {"image": {"format": "png", "source": {"bytes": PNG}}}),
        (part(f"data:image/jpg;base64,{PNG}"), {"image": {"format": "jpeg", "source": {"bytes": PNG}}}),
        (part("s3://b/a.webp"), {"image": {"format": "webp", "source": {"s3Location": {"uri": "s3://b/a.webp"}}}}),
        (
            {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PNG}", "filename": "a_b  (1).pdf"}},
            {"document": {"format": "pdf", "name": "a-b (1)", "source": {"bytes": PNG}}},
        ),
        (
            {"type": "file", "file": {"file_data": f"data:text/plain;base64,{PNG}"}, "citations": {"enabled": True}},
            {
                "document": {
                    "format": "txt",
                    "name": "Document",
                    "source": {"bytes": PNG},
                    "citations": {"enabled": True},
                }
            },
        ),
        (
            {"type": "video_url", "video_url": {"url": f"data:video/mp4;base64,{PNG}"}},
            {"video": {"format": "mp4", "source": {"bytes": PNG}}},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": PNG, "format": "mp3"}},
            {"audio": {"format": "mp3", "source": {"bytes": PNG}}},
        ),
        (
            {"type": "guardContent", "guardContent": {"text": {"text": "q", "qualifiers": ["query"]}}},
            {"guardContent": {"text": {"text": "q", "qualifiers": ["query"]}}},
        ),
        ({"cachePoint": {"type": "default"}}, {"cachePoint": {"type": "default"}}),
    ],
)
def test_parts_become_blocks(sent, given, block):
    assert sent(messages=[user({"type": "text", "text": "See"}, given)])["messages"][0]["content"] == [
        {"text": "See"},
        block,
    ]


def test_documents_of_one_name_are_told_apart(sent):
    file = {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PNG}", "filename": "a.pdf"}}
    names = [block["document"]["name"] for block in sent(messages=[user(file, file)])["messages"][0]["content"]]
    assert names == ["a", "a 2"]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (part("https://example.com/a.png"), "cannot fetch"),
        (part("data:image/png;base64,%%%"), "not base64"),
        (part("data:image/tiff;base64,AAAA"), "png, jpeg, gif, webp"),
        ({"type": "file", "file": {"file_id": "file-1"}}, "cannot fetch"),
        ({"type": "file", "file": {}}, "without file_data"),
        ({"type": "hologram", "hologram": 1}, "no block"),
        ({"type": "image_url"}, "without a url"),
    ],
)
def test_what_bedrock_cannot_take_is_refused_with_a_reason(sent, given, reason):
    with pytest.raises(InvalidRequestError, match=reason):
        sent(messages=[user(given)])


def test_cache_marks_become_cache_points(sent):
    mark, point = {"type": "ephemeral"}, {"cachePoint": {"type": "default"}}
    messages = [
        {"role": "system", "content": [{"type": "text", "text": "Long", "cache_control": mark}]},
        {"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {**mark, "ttl": "1h"}}]},
        {"role": "assistant", "tool_calls": [call()]},
        {"role": "tool", "tool_call_id": "tooluse_1", "content": "x", "cache_control": mark},
    ]
    body = sent(messages=messages, tools=[{**WEATHER, "cache_control": mark}])
    assert body["system"] == [{"text": "Long"}, point]
    assert body["messages"][0]["content"] == [{"text": "a"}, {"cachePoint": {"type": "default", "ttl": "1h"}}]
    assert body["messages"][2]["content"][1:] == [point]
    assert body["toolConfig"]["tools"] == [SPEC, point]
    assert sent(model=LLAMA, messages=messages)["system"] == [{"text": "Long"}]
    assert sent(cache_control=mark)["messages"][0]["content"][-1] == point


def test_answer_that_was_begun_is_continued(sent):
    assert sent(prefill="Once upon ")["messages"][-1] == {"role": "assistant", "content": [{"text": "Once upon"}]}


def test_bedrocks_own_settings_go_as_they_are(sent, make_provider, make_call):
    own = {
        "guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1"},
        "performanceConfig": {"latency": "optimized"},
        "requestMetadata": {"team": "a"},
        "additionalModelResponseFieldPaths": ["/stop_sequence"],
    }
    body = sent(**own, additionalModelRequestFields={"x": 1}, service_tier="flex", top_k=3)
    assert {key: body[key] for key in own} == own
    assert body["additionalModelRequestFields"] == {"top_k": 3, "x": 1}
    assert body["serviceTier"] == {"type": "flex"}
    provider = make_provider(guardrail_identifier="abc", guardrail_version="2", guardrail_trace="enabled")
    config = json.loads(next(provider.execute(make_call())).body)["guardrailConfig"]
    assert config == {"guardrailIdentifier": "abc", "guardrailVersion": "2", "trace": "enabled"}


@pytest.mark.parametrize(
    ("name", "value", "default"),
    [("seed", 1, None), ("n", 2, 1), ("logprobs", True, False), ("presence_penalty", 1, 0), ("prediction", {}, None)],
)
def test_parameter_that_bedrock_lacks_is_dropped_aloud(dropped, sent, name, value, default):
    assert dropped(**{name: value})[0] == [name]
    assert dropped(**{name: default})[0] == []
    with pytest.raises(InvalidRequestError, match=name):
        sent(unsupported="error", **{name: value})


def test_cohere_takes_its_own_settings(dropped):
    lost, body = dropped(model="cohere.command-r-plus-v1:0", top_k=3, seed=1, presence_penalty=0.5)
    assert (lost, body["additionalModelRequestFields"]) == ([], {"k": 3, "seed": 1, "presence_penalty": 0.5})


def test_requests_have_the_fields_of_recorded_ones(chats, sent):
    known = set(sent(max_tokens=1, tools=[WEATHER], top_k=1, messages=[{"role": "system", "content": "s"}, user("a")]))
    known |= {"outputConfig", "guardrailConfig"}
    assert {key for one in chats for key in one.request} <= known


def test_recorded_answers_go_back_as_they_came(replies, provider, play, make_call, sent):
    """What a model said is said again in the next request: recorded conversations show the blocks that are taken."""
    for one in replies:
        said = play(provider.execute(make_call(model=one.model)), one.response)[1].body["choices"][0]["message"]
        blocks = json.loads(one.body)["output"]["message"]["content"]
        expected = []
        for block in blocks:
            if "toolUse" in block and block["toolUse"].get("type") != "server_tool_use":
                block = {"toolUse": {key: value for key, value in block["toolUse"].items() if key != "type"}}
            if "reasoningContent" not in block:  # unsigned, in these recordings: nothing vouches for it
                expected.append(block)
        turns = sent(model=one.model, messages=[{"role": "user", "content": "?"}, said])["messages"]
        assert turns[1]["content"] == expected, one.id


@pytest.mark.parametrize("features", [(), ("structured_output", "prompt_caching", "grounding")])
@pytest.mark.parametrize(
    "form", [None, {"type": "json_object"}, {"type": "json_schema", "json_schema": {"schema": CITY}}]
)
@pytest.mark.parametrize("model", [NOVA, LLAMA, MISTRAL, "anthropic.claude-opus-5", "anthropic.claude-sonnet-4-5"])
def test_requests_fit_the_model_of_the_api_that_aws_publishes(sent, model, form, features):
    botocore = pytest.importorskip("botocore.session", reason="compares with botocore, which is not installed")
    from botocore.validate import ParamValidator

    mark = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    file = {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PNG}", "filename": "a.pdf"}}
    audio = {"type": "input_audio", "input_audio": {"data": PNG, "format": "wav"}}
    thought = {"type": "reasoning.text", "text": "t", "signature": "s", "format": "anthropic-v1"}
    hidden = {"type": "reasoning.encrypted", "data": PNG, "format": "bedrock-anthropic-v1"}
    messages = [
        {"role": "system", "content": [{"type": "text", "text": "s", **mark}]},
        user({"type": "text", "text": "a", **mark}, part(f"data:image/png;base64,{PNG}"), file, audio),
        {"role": "assistant", "content": "b", "reasoning_details": [thought, hidden], "tool_calls": [call()]},
        {"role": "tool", "tool_call_id": "tooluse_1", "content": '{"a":1}', "is_error": True, **mark},
    ]
    body = sent(
        model=model,
        features=features,
        messages=messages,
        tools=[{**WEATHER, **mark}],
        tool_choice="required",
        parallel_tool_calls=False,
        reasoning_effort="medium",
        max_tokens=9000,
        temperature=1,
        stop=["x"],
        service_tier="flex",
        web_search_options={},
        **({"response_format": form} if form else {}),
    )
    shape = botocore.get_session().get_service_model("bedrock-runtime").operation_model("Converse").input_shape
    assert not ParamValidator().validate({"modelId": model, **body}, shape).generate_report()
