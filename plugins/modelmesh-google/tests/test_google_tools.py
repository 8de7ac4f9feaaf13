"""Tools, their choice, their calls and results, as Google is told of them."""

import base64

import pytest
from modelmesh_core import InvalidRequestError

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Gets current weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CITY = {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]}


def user(*parts):
    return {"role": "user", "content": parts[0] if isinstance(parts[0], str) else list(parts)}


def called(identity, name="weather", arguments='{"city":"Berlin"}', **more):
    return {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}, **more}


def test_functions(sent):
    plain = {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}
    body, _ = sent(tools=[WEATHER, plain])

    declared = {"name": "weather", "description": "Gets current weather", "parameters": CITY}
    assert body["tools"] == [{"functionDeclarations": [declared, {"name": "now"}]}]
    assert "toolConfig" not in body


def test_functions_that_only_json_schema_can_describe(sent):
    schema = {"type": "object", "properties": {"tags": {"type": "object", "additionalProperties": {"type": "string"}}}}
    body, _ = sent(tools=[{"type": "function", "function": {"name": "tag", "parameters": schema}}])
    assert body["tools"] == [{"functionDeclarations": [{"name": "tag", "parametersJsonSchema": schema}]}]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        ({"type": "function", "function": {"name": "weather"}}, {"mode": "ANY", "allowedFunctionNames": ["weather"]}),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [WEATHER]}},
         {"mode": "ANY", "allowedFunctionNames": ["weather"]}),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [WEATHER]}},
         {"mode": "VALIDATED", "allowedFunctionNames": ["weather"]}),
    ],
)  # fmt: skip
def test_tool_choice(sent, choice, expected):
    body, _ = sent(tools=[WEATHER], tool_choice=choice)
    assert body["toolConfig"] == {"functionCallingConfig": expected}


def test_what_gemini_cannot_be_told_of_tools(sent):
    _, call = sent(tools=[WEATHER], parallel_tool_calls=False)
    assert call.dropped == ["parallel_tool_calls"]
    for wrong in ("maybe", {"type": "function"}, 5):
        with pytest.raises(InvalidRequestError, match="tool_choice"):
            sent(tools=[WEATHER], tool_choice=wrong)


def test_tools_that_google_runs(sent):
    own = [{"type": "google_search"}, {"type": "code_execution"}, {"googleMaps": {}}, {"type": "url_context"},
           {"type": "file_search", "file_search": {"fileSearchStoreNames": ["a"]}}]  # fmt: skip
    body, _ = sent("gemini-3.5-flash", tools=[WEATHER, *own])

    assert body["tools"][1:] == [
        {"googleSearch": {}}, {"codeExecution": {}}, {"googleMaps": {}}, {"urlContext": {}},
        {"fileSearch": {"fileSearchStoreNames": ["a"]}},
    ]  # fmt: skip
    assert body["toolConfig"] == {"includeServerSideToolInvocations": True}
    with pytest.raises(InvalidRequestError, match="bash_20250124"):
        sent(tools=[{"type": "bash_20250124", "name": "bash"}])


def test_web_search_options(sent):
    body, call = sent(web_search_options={"search_context_size": "low"})
    assert body["tools"] == [{"googleSearch": {}}] and "toolConfig" not in body
    assert call.dropped == ["web_search_options.search_context_size"]


def test_calls_and_their_results_go_back(sent):
    signed = {"extra_content": {"google": {"thought_signature": "c2ln"}}}
    body, _ = sent(
        "gemini-3.5-flash",
        messages=[
            user("Weather?"),
            {"role": "assistant", "content": None, "tool_calls": [called("c1", **signed), called("c2")]},
            {"role": "tool", "tool_call_id": "c2", "content": '{"celsius": 9}'},
            {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "warm"}]},
            user("And now?"),
        ],
    )

    arguments = {"name": "weather", "args": {"city": "Berlin"}}
    assert body["contents"][1:] == [
        {"role": "model", "parts": [
            {"functionCall": {**arguments, "id": "c1"}, "thoughtSignature": "c2ln"},
            {"functionCall": {**arguments, "id": "c2"}},
        ]},
        {"role": "user", "parts": [
            {"functionResponse": {"name": "weather", "id": "c2", "response": {"celsius": 9}}},
            {"functionResponse": {"name": "weather", "id": "c1", "response": {"output": "warm"}}},
        ]},
        {"role": "user", "parts": [{"text": "And now?"}]},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("model", "marked"), [("gemini-3-flash-preview", True), ("gemini-2.5-flash", False), ("gemini-flash-latest", True)]
)
def test_a_call_that_another_model_made_is_marked_for_models_that_check_signatures(sent, model, marked):
    calls = [called("toolu_1"), called("toolu_2")]
    messages = [
        user("x"),
        {"role": "assistant", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "toolu_1", "content": "a"},
    ]
    body, _ = sent(model, messages=messages)

    signatures = [part.get("thoughtSignature") for part in body["contents"][1]["parts"]]
    assert signatures == (["skip_thought_signature_validator", None] if marked else [None, None])


def test_media_in_a_tool_result(sent):
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    messages = [
        user("x"),
        {"role": "assistant", "tool_calls": [called("c1", "draw", "{}")]},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "done"}, image]},
    ]
    blob = {"inlineData": {"mimeType": "image/png", "data": PNG}}
    result = {"name": "draw", "id": "c1", "response": {"output": "done"}}

    newer, _ = sent("gemini-3-flash-preview", messages=messages)
    older, _ = sent("gemini-2.5-flash", messages=messages)

    assert newer["contents"][2:] == [{"role": "user", "parts": [{"functionResponse": {**result, "parts": [blob]}}]}]
    assert older["contents"][2:] == [
        {"role": "user", "parts": [{"functionResponse": result}]},
        {"role": "user", "parts": [blob]},
    ]


@pytest.mark.parametrize(("text", "expected"), [("", {}), ("{", {"arguments": "{"}), ("[1]", {"arguments": [1]})])
def test_arguments_that_are_no_object(sent, text, expected):
    body, _ = sent(messages=[user("x"), {"role": "assistant", "tool_calls": [called("c", arguments=text)]}])
    assert body["contents"][1]["parts"][0]["functionCall"]["args"] == expected
