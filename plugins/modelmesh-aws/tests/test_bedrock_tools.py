"""Tools and forms of answers, as Converse wants them."""

import base64
import json

import pytest

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


def part(url):
    return {"type": "image_url", "image_url": {"url": url}}


def call(name="get_weather", arguments='{"place":"Oslo"}', identity="tooluse_1"):
    return {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}


def test_tool_conversation(sent):
    messages = [
        {"role": "user", "content": "Weather in Oslo and Rome?"},
        {"role": "assistant", "content": None, "tool_calls": [call(), call(arguments="", identity="call|2")]},
        {"role": "tool", "tool_call_id": "tooluse_1", "content": "cold"},
        {"role": "tool", "tool_call_id": "call|2", "content": [part(f"data:image/png;base64,{PNG}")], "is_error": True},
        {"role": "user", "content": "So?"},
    ]
    body = sent(messages=messages, tools=[WEATHER], tool_choice="auto")
    use = {"toolUseId": "tooluse_1", "name": "get_weather", "input": {"place": "Oslo"}}
    assert body["toolConfig"] == {"tools": [SPEC], "toolChoice": {"auto": {}}}
    assert body["messages"][1:] == [
        {
            "role": "assistant",
            "content": [{"toolUse": use}, {"toolUse": {"toolUseId": "call_2", "name": "get_weather", "input": {}}}],
        },
        {
            "role": "user",
            "content": [
                {"toolResult": {"toolUseId": "tooluse_1", "content": [{"text": "cold"}]}},
                {
                    "toolResult": {
                        "toolUseId": "call_2",
                        "content": [{"image": {"format": "png", "source": {"bytes": PNG}}}],
                        "status": "error",
                    }
                },
                {"text": "So?"},
            ],
        },
    ]


def test_tools_that_were_called_are_listed_even_if_the_request_has_none(sent):
    messages = [
        {"role": "user", "content": "?"},
        {"role": "assistant", "tool_calls": [call()]},
        {"role": "tool", "tool_call_id": "tooluse_1", "content": '{"t":1}'},
    ]
    listed = sent(messages=messages)["toolConfig"]["tools"]
    assert [tool["toolSpec"]["name"] for tool in listed] == ["get_weather"]
    assert sent(messages=messages, model=MISTRAL)["messages"][2]["content"][0]["toolResult"]["content"] == [
        {"json": {"t": 1}}
    ]


@pytest.mark.parametrize(
    ("asked", "choice"),
    [
        ("auto", {"auto": {}}),
        ("required", {"any": {}}),
        ({"type": "function", "function": {"name": "get_weather"}}, {"tool": {"name": "get_weather"}}),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [WEATHER]}}, {"any": {}}),
        ({"tool": {"name": "get_weather"}}, {"tool": {"name": "get_weather"}}),
    ],
)
def test_tool_choice(sent, asked, choice):
    assert sent(tools=[WEATHER], tool_choice=asked)["toolConfig"] == {"tools": [SPEC], "toolChoice": choice}


def test_tool_choice_none_sends_no_tools(sent):
    assert "toolConfig" not in sent(tools=[WEATHER], tool_choice="none")


def test_tool_choice_that_the_model_lacks(dropped):
    assert dropped(model=LLAMA, tools=[WEATHER], tool_choice="required") == (
        ["tool_choice"],
        {"messages": [{"role": "user", "content": [{"text": "Hi"}]}], "toolConfig": {"tools": [SPEC]}},
    )
    other = {**WEATHER, "function": {**WEATHER["function"], "name": "other"}}
    named = {"type": "function", "function": {"name": "get_weather"}}
    lost, body = dropped(model=MISTRAL, tools=[WEATHER, other], tool_choice=named)
    assert (lost, body["toolConfig"]) == ([], {"tools": [SPEC], "toolChoice": {"any": {}}})


def test_tools_of_vendors(sent):
    computer = {"type": "computer_20250124", "name": "computer"}
    assert sent(tools=[WEATHER, computer])["additionalModelRequestFields"] == {"tools": [computer]}
    own = {"type": "nova_code_interpreter"}
    tools = sent(model=NOVA, tools=[own, {"systemTool": {"name": "x"}}])["toolConfig"]["tools"]
    assert tools == [{"systemTool": {"name": "nova_code_interpreter"}}, {"systemTool": {"name": "x"}}]


def test_one_call_at_a_time(sent, dropped):
    body = sent(tools=[WEATHER], tool_choice="required", parallel_tool_calls=False)
    assert body["additionalModelRequestFields"] == {"tool_choice": {"type": "any", "disable_parallel_tool_use": True}}
    assert "toolChoice" not in body["toolConfig"]
    assert dropped(model=NOVA, tools=[WEATHER], parallel_tool_calls=False)[0] == ["parallel_tool_calls"]


def test_schema_for_models_with_structured_output(sent):
    described = {"name": "City", "description": "A city", "schema": CITY, "strict": True}
    body = sent(features=("structured_output",), response_format={"type": "json_schema", "json_schema": described})
    text = body["outputConfig"]["textFormat"]
    assert "toolConfig" not in body and text["type"] == "json_schema"
    own = text["structure"]["jsonSchema"]
    assert (own["name"], own["description"]) == ("City", "A city")
    assert json.loads(own["schema"]) == {
        "type": "object",
        "properties": {"city": {"type": "string", "description": "{minLength: 2}"}},
        "required": ["city"],
        "additionalProperties": False,
    }


def test_schema_for_other_models_is_a_tool_that_has_to_be_called(sent):
    wanted = {"type": "json_schema", "json_schema": {"name": "City", "schema": CITY}}
    config = sent(response_format=wanted)["toolConfig"]
    assert config["toolChoice"] == {"tool": {"name": "give_answer"}}
    assert config["tools"][0]["toolSpec"]["inputSchema"] == {"json": CITY}
    config = sent(response_format=wanted, tools=[WEATHER])["toolConfig"]
    assert config["toolChoice"] == {"any": {}} and len(config["tools"]) == 2
    listed = {"type": "json_schema", "json_schema": {"schema": {"type": "array", "items": CITY}}}
    own = sent(response_format=listed)["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"]["json"]
    assert own["properties"] == {"value": {"type": "array", "items": CITY}}


def test_json_for_models_that_cannot_be_made_to_call_is_an_instruction(dropped):
    lost, body = dropped(model=LLAMA, response_format={"type": "json_object"})
    assert (lost, "toolConfig" in body) == ([], False)
    assert "JSON" in body["system"][-1]["text"]
    schema = {"type": "json_schema", "json_schema": {"schema": CITY}}
    lost, body = dropped(model=LLAMA, response_format=schema)
    assert lost == ["response_format"] and '"city"' in body["system"][-1]["text"]


def test_answer_in_json_after_tools_that_are_gone(sent):
    messages = [
        {"role": "user", "content": "?"},
        {"role": "assistant", "tool_calls": [call()]},
        {"role": "tool", "tool_call_id": "tooluse_1", "content": "cold"},
    ]
    config = sent(messages=messages, response_format={"type": "json_object"})["toolConfig"]
    assert [tool["toolSpec"]["name"] for tool in config["tools"]] == ["get_weather", "give_answer"]
    assert config["toolChoice"] == {"tool": {"name": "give_answer"}}
