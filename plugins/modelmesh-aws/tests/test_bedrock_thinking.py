"""How much a model is to think, and its thoughts that go back."""

import pytest

OLD, NEW, NEWEST = (
    "anthropic.claude-sonnet-4-5-20250929-v1:0",
    "anthropic.claude-opus-4-6-v1",
    "anthropic.claude-opus-5",
)
NOVA, OSS = "us.amazon.nova-2-lite-v1:0", "openai.gpt-oss-120b-1:0"


def extra(body):
    return body.get("additionalModelRequestFields", {})


def test_effort_is_a_budget_for_older_claudes(sent, dropped):
    body = sent(model=OLD, reasoning_effort="low", max_tokens=3000)
    assert extra(body) == {"thinking": {"type": "enabled", "budget_tokens": 1500}}
    body = sent(model=OLD, reasoning_effort="high", max_output_tokens=64_000)
    assert (extra(body)["thinking"]["budget_tokens"], body["inferenceConfig"]) == (16_384, {"maxTokens": 64_000})
    assert dropped(model=OLD, reasoning_effort="low", max_tokens=100)[0] == ["reasoning_effort"]
    assert dropped(model=OLD, reasoning_effort="low", max_tokens=9000, temperature=0)[0] == ["temperature"]
    assert dropped(model=OLD, reasoning_effort="none") == ([], sent(model=OLD))


def test_effort_is_an_effort_for_newer_claudes(sent, dropped):
    body = sent(model=NEW, reasoning_effort="xhigh")
    assert (extra(body), body["outputConfig"]) == ({"thinking": {"type": "adaptive"}}, {"effort": "max"})
    lost, body = dropped(model=NEWEST, reasoning_effort="minimal", temperature=0.5)
    assert lost == ["temperature"]
    assert extra(body) == {"thinking": {"type": "adaptive", "display": "summarized"}}
    assert body["outputConfig"] == {"effort": "low"}
    assert extra(sent(model=NEWEST, reasoning_effort="none")) == {"thinking": {"type": "disabled"}}


def test_thinking_object_goes_as_it_is(sent):
    own = {"type": "enabled", "budget_tokens": 4000}
    body = sent(model=OLD, thinking=own, max_output_tokens=64_000)
    assert (extra(body), body["inferenceConfig"]) == ({"thinking": own}, {"maxTokens": 64_000})


def test_nova_has_three_levels(sent, dropped):
    config = {"type": "enabled", "maxReasoningEffort": "medium"}
    assert extra(sent(model=NOVA, reasoning_effort="medium")) == {"reasoningConfig": config}
    lost, body = dropped(model=NOVA, reasoning_effort="xhigh", temperature=0.1, max_tokens=5)
    assert (sorted(lost), "inferenceConfig" in body) == (["max_tokens", "temperature"], False)
    assert extra(sent(model=NOVA, thinking={"type": "disabled"})) == {"reasoningConfig": {"type": "disabled"}}


def test_gpt_oss_takes_the_word(sent, dropped):
    assert extra(sent(model=OSS, reasoning_effort="medium")) == {"reasoning_effort": "medium"}
    assert dropped(model=OSS, reasoning_effort="none")[0] == ["reasoning_effort"]


@pytest.mark.parametrize("model", ["us.meta.llama3-3-70b-instruct-v1:0", "amazon.nova-pro-v1:0"])
def test_models_without_a_setting_say_so(dropped, model):
    assert dropped(model=model, reasoning_effort="low")[0] == ["reasoning_effort"]
    assert dropped(model=model, reasoning_effort="none")[0] == []


def test_forced_tool_comes_before_a_budget(dropped):
    lost, body = dropped(model=OLD, reasoning_effort="low", response_format={"type": "json_object"})
    assert lost == ["reasoning_effort"] and extra(body) == {}


def test_continued_answer_is_not_thought_about(dropped):
    assert dropped(model=OLD, reasoning_effort="low", prefill="a")[0] == ["reasoning_effort"]


def test_temperature_ends_at_one(dropped):
    assert dropped(model=NOVA, temperature=1.5)[0] == ["temperature"]
    assert dropped(model=OLD, temperature=0.5, top_p=0.5)[0] == ["top_p"]


def test_thoughts_go_back_to_models_of_their_maker_only(provider, play, make_call, answer, sent):
    content = [
        {"reasoningContent": {"reasoningText": {"text": "Hm", "signature": "sig=="}}},
        {"reasoningContent": {"redactedContent": "c2VjcmV0"}},
        {"text": "Yes"},
    ]
    whole = {"output": {"message": {"role": "assistant", "content": content}}, "stopReason": "end_turn"}
    said = play(provider.execute(make_call(model=OLD)), answer(whole))[1].body["choices"][0]["message"]
    assert said == {
        "role": "assistant",
        "content": "Yes",
        "reasoning_content": "Hm",
        "reasoning_details": [
            {"type": "reasoning.text", "text": "Hm", "format": "anthropic-v1", "index": 0, "signature": "sig=="},
            {"type": "reasoning.encrypted", "data": "c2VjcmV0", "format": "bedrock-anthropic-v1", "index": 1},
        ],
    }
    messages = [{"role": "user", "content": "?"}, said, {"role": "user", "content": "!"}]
    assert sent(model=NEW, messages=messages)["messages"][1]["content"] == content
    assert sent(model=NOVA, messages=messages)["messages"][1]["content"] == [{"text": "Yes"}]
