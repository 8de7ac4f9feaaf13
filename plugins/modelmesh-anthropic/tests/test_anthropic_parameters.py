"""Parameters, tools, forms of the answer: in the words that each generation of models takes."""

import base64

import pytest
from modelmesh_anthropic.traits import traits_of
from modelmesh_core import FailureKind, ProviderError

NAMED = {"type": "function", "function": {"name": "f"}}
HI = {"role": "user", "content": [{"type": "text", "text": "Hi"}]}
MARK = {"type": "ephemeral", "ttl": "1h"}
FUNCTION = {
    "name": "f",
    "description": "does f",
    "parameters": {"type": "object", "properties": {"a": {"type": "string"}}},
}
TOOL = {"type": "function", "function": FUNCTION}
SENT_TOOL = {"name": "f", "description": "does f", "input_schema": FUNCTION["parameters"]}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}, "required": ["a"]}
JSON_SCHEMA = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA, "strict": True}}


@pytest.mark.parametrize(
    ("asked", "parallel", "expected"),
    [
        (None, None, None),
        ("auto", None, {"type": "auto"}),
        ("required", None, {"type": "any"}),
        ("none", False, {"type": "none"}),
        (NAMED, None, {"type": "tool", "name": "f"}),
        (NAMED, False, {"type": "tool", "name": "f", "disable_parallel_tool_use": True}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        ("required", False, {"type": "any", "disable_parallel_tool_use": True}),
        ("auto", True, {"type": "auto"}),
        ({"type": "any"}, None, {"type": "any"}),
    ],
)  # fmt: skip
def test_tool_choice(sent, asked, parallel, expected):
    body = sent(tools=[TOOL], tool_choice=asked, parallel_tool_calls=parallel)
    assert body.get("tool_choice") == expected


def test_tools_of_every_sort(sent, dropped):
    closed = {**FUNCTION["parameters"], "additionalProperties": False}
    strict = {
        "type": "function",
        "function": {**FUNCTION, "strict": True},
        "cache_control": MARK,
        "defer_loading": True,
    }
    own = {"type": "web_fetch_20250910", "name": "web_fetch"}
    bare = {"type": "function", "function": {"name": "now"}}
    body = sent(tools=[strict, own, bare])
    assert body["tools"] == [
        {**SENT_TOOL, "input_schema": closed, "strict": True, "cache_control": MARK, "defer_loading": True},
        own,
        {"name": "now", "input_schema": {"type": "object", "properties": {}}},
    ]
    assert "strict" not in sent(tools=[strict], features=())["tools"][0]
    other = {"type": "function", "function": {**FUNCTION, "name": "g"}}
    allowed = {
        "type": "allowed_tools",
        "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "g"}}]},
    }
    body = sent(tools=[TOOL, other], tool_choice=allowed)
    assert ([tool["name"] for tool in body["tools"]], body["tool_choice"]) == (["g"], {"type": "any"})
    search = sent(web_search_options={"user_location": {"type": "approximate", "approximate": {"city": "Bern"}}})
    place = {"type": "approximate", "city": "Bern"}
    assert search["tools"] == [{"type": "web_search_20250305", "name": "web_search", "user_location": place}]
    for model, expected in (("claude-opus-5-5", ["tool_choice"]), ("claude-haiku-5-5", [])):
        lost, body = dropped(model=model, tools=[TOOL], tool_choice="required")
        assert (lost, body["tool_choice"]["type"]) == (expected, "auto" if expected else "any")


def test_answers_in_json(sent):
    closed = {
        "type": "object", "properties": {"a": {"type": "integer", "description": "{minimum: 1}"}}, "required": ["a"],
        "additionalProperties": False,
    }  # fmt: skip
    body = sent(response_format=JSON_SCHEMA, reasoning_effort="low", model="claude-sonnet-4-6")
    assert body["output_config"] == {"format": {"type": "json_schema", "schema": closed}, "effort": "low"}
    assert "tools" not in body
    body = sent(response_format=JSON_SCHEMA, features=())
    (tool,) = body["tools"]
    assert (tool["name"], tool["input_schema"]) == ("answer_in_json", SCHEMA)
    assert body["tool_choice"] == {"type": "tool", "name": "answer_in_json"}
    body = sent(response_format=JSON_SCHEMA, features=(), tools=[TOOL])
    assert ([tool["name"] for tool in body["tools"]], body["tool_choice"]) == (["f", "answer_in_json"], {"type": "any"})
    body = sent(response_format={"type": "json_object"})
    assert body["tools"][0]["input_schema"] == {"type": "object"}
    body = sent(response_format={"type": "json_object"}, model="claude-sonnet-5-5")
    assert "tools" not in body
    assert "JSON object" in body["system"]
    assert sent(response_format={"type": "text"}).keys() == {"model", "max_tokens", "messages"}


@pytest.mark.parametrize(
    ("model", "effort", "fields"),
    [
        ("claude-sonnet-4-5", "high", {"thinking": {"type": "enabled", "budget_tokens": 16_384}}),
        ("claude-haiku-4-5-20251001", "minimal", {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
        ("us.anthropic.claude-3-7-sonnet-v1:0", "low", {"thinking": {"type": "enabled", "budget_tokens": 2048}}),
        ("claude-sonnet-4-5", "none", {}),
        ("claude-opus-4-6", "xhigh", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}),
        ("claude-opus-4-8", "xhigh",
         {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "xhigh"}}),
        ("claude-opus-4-8", "none", {}),
        ("claude-sonnet-5", "none", {"thinking": {"type": "disabled"}}),
        ("claude-sonnet-5-5", "none", {"thinking": {"type": "between_tools"}}),
        ("claude-fable-5", "none", {"output_config": {"effort": "low"}}),
        ("a-deployment", "medium", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "medium"}}),
    ],
)  # fmt: skip
def test_reasoning_effort_in_each_generations_words(sent, model, effort, fields):
    body = sent(model=model, reasoning_effort=effort)
    assert {key: body[key] for key in ("thinking", "output_config") if key in body} == fields


def test_thinking_minds_max_tokens_and_the_callers_own_object(dropped):
    lost, body = dropped(reasoning_effort="high", max_completion_tokens=4000)
    assert (lost, body["thinking"]["budget_tokens"], body["max_tokens"]) == ([], 2000, 4000)
    lost, body = dropped(reasoning_effort="high", max_tokens=1500)
    assert (lost, "thinking" in body) == (["reasoning_effort"], False)
    own = {"type": "enabled", "budget_tokens": 3000}
    lost, body = dropped(thinking=own, temperature=0.2, top_k=5, top_p=0.97)
    assert (lost, body["thinking"]) == (["temperature", "top_k"], own)
    assert body["top_p"] == 0.97
    lost, body = dropped(thinking=own, response_format=JSON_SCHEMA, features=())
    assert (lost, "thinking" in body) == (["thinking"], False)


def test_sampling_follows_the_generation(dropped):
    asked = {"temperature": 0.5, "top_p": 0.9, "top_k": 3}
    lost, body = dropped(model="claude-3-5-haiku-20241022", **asked)
    assert (lost, {key: body[key] for key in asked}) == ([], asked)
    lost, body = dropped(model="claude-sonnet-4-5", **asked)
    assert (lost, body["temperature"], "top_p" in body) == (["top_p"], 0.5, False)
    lost, body = dropped(model="claude-opus-5", **asked)
    assert (lost, asked.keys() & body.keys()) == (["temperature", "top_p", "top_k"], set())
    assert dropped(model="claude-opus-5", temperature=1)[0] == []
    lost, body = dropped(temperature=1.4)
    assert (lost, "temperature" in body) == (["temperature"], False)


def test_other_parameters(dropped):
    lost, body = dropped(
        stop=["END", "\n"], user="u1", metadata={"a": "b"}, service_tier="default", store=True, n=1, logprobs=False,
        container="c1", cache_control=MARK, output_config={"effort": "low"}, seed=3, frequency_penalty=0.1, made_up=1,
        presence_penalty=0, max_tokens=7, modalities=["text"], prediction=None,
    )  # fmt: skip
    assert sorted(lost) == ["frequency_penalty", "made_up", "seed", "stop"]
    assert body == {
        "model": "claude-sonnet-4-5", "messages": [HI], "max_tokens": 7, "stop_sequences": ["END"],
        "metadata": {"user_id": "u1"}, "service_tier": "standard_only", "container": "c1", "cache_control": MARK,
        "output_config": {"effort": "low"},
    }  # fmt: skip
    assert dropped(stop="x")[1]["stop_sequences"] == ["x"]
    assert dropped(max_output_tokens=None)[1]["max_tokens"] == 64_000
    with pytest.raises(ProviderError, match="seed"):
        dropped(seed=3, unsupported="error")


def test_what_json_cannot_hold_is_the_callers_mistake(provider, chat):
    with pytest.raises(ProviderError) as caught:
        next(provider.execute(chat(container=object())))
    assert caught.value.failure.kind is FailureKind.INVALID_REQUEST


def test_recorded_requests_hold_nothing_but_what_canonical_requests_make(sent, recordings):
    """The fields of everything that others sent to the vendor are fields that this connector sends."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + base64.b64encode(b"x").decode()}}
    made = sent(
        messages=[{"role": "system", "content": "S"}, {"role": "user", "content": [image]}], tools=[TOOL], stream=True,
        tool_choice="auto", reasoning_effort="high", model="claude-sonnet-4-6", temperature=1, stop="x", user="u",
        response_format=JSON_SCHEMA, cache_control=MARK, context_management={}, mcp_servers=[],
    )  # fmt: skip
    deprecated = {"output_format", "anthropic_version", "top_p", "top_k"}
    for recording in recordings:
        assert recording.request.keys() - deprecated <= made.keys(), recording.id


@pytest.mark.parametrize(
    ("name", "adaptive", "sampling", "forced"),
    [
        ("claude-2.1", False, True, True), ("anthropic.claude-v2", False, True, True),
        ("claude-3-haiku-20240307", False, True, True), ("claude-sonnet-4-20250514", False, True, True),
        ("eu.anthropic.claude-haiku-4-5-20251001-v1:0", False, True, True), ("claude-opus-4-5@2025", False, True, True),
        ("claude-opus-4-6", True, True, True), ("claude-opus-4-7", True, False, True),
        ("claude-sonnet-5", True, False, True), ("claude-sonnet-5-5", True, False, False),
        ("claude-fable-5", True, False, True), ("claude-fable-5-1", True, False, False),
        ("claude-haiku-5-5-20261007", True, False, True), ("claude-opus-6", True, False, False),
        ("claude-5.5-opus", True, False, False), ("gpt-5", True, True, True),
    ],
)  # fmt: skip
def test_generations_are_read_from_names(name, adaptive, sampling, forced):
    traits = traits_of(name)
    assert (traits.adaptive, traits.sampling, traits.forced_tools) == (adaptive, sampling, forced)
