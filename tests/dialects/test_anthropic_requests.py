"""Messages requests in the mesh's shape."""

import pytest
from modelmesh_anthropic.messages import encode
from modelmesh_core.dialects import DialectError
from modelmesh_core.dialects.anthropic import ANTHROPIC

from .anthropic_cases import CACHE, asked, call_of, turn


def chat(**body):
    return ANTHROPIC.to_chat(asked(**body))


def messages(*turns):
    return chat(messages=list(turns))["messages"]


def again(body, model="claude-sonnet-4-5"):
    """The request that Anthropic's connector makes of the mesh's shape."""
    return encode(call_of(ANTHROPIC.to_chat(body), model)).body


def test_parameters_have_the_names_of_the_mesh():
    body = chat(
        system="Be brief.",
        stop_sequences=["END"],
        temperature=0.5,
        top_p=0.9,
        top_k=3,
        metadata={"user_id": "u1"},
        service_tier="standard_only",
        stream=True,
        container="c1",
        mcp_servers=[{"name": "x"}],
    )

    assert body == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        "max_tokens": 100,
        "stop": ["END"],
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 3,
        "user": "u1",
        "service_tier": "default",
        "stream": True,
        "stream_options": {"include_usage": True},
        "container": "c1",
        "mcp_servers": [{"name": "x"}],
    }


def test_tool_results_come_before_what_else_the_user_says():
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    said = turn(
        {"type": "text", "text": "And?"},
        {"type": "tool_result", "tool_use_id": "a", "content": "1", "is_error": True},
        {"type": "tool_result", "tool_use_id": "b", "content": [picture], "cache_control": CACHE},
        {"type": "tool_result", "tool_use_id": "c"},
    )

    url = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    assert messages(said) == [
        {"role": "tool", "tool_call_id": "a", "content": "1", "is_error": True},
        {"role": "tool", "tool_call_id": "b", "content": [url], "cache_control": CACHE},
        {"role": "tool", "tool_call_id": "c", "content": ""},
        {"role": "user", "content": "And?"},
    ]


def test_documents_are_files_with_their_title():
    def file(**source):
        block = {"type": "document", "source": source, "title": "T", "context": "C", "citations": {"enabled": True}}
        (message,) = messages(turn(block))
        (part,) = message["content"]
        assert {key: part[key] for key in ("type", "context", "citations")} == {
            "type": "file",
            "context": "C",
            "citations": {"enabled": True},
        }
        return part["file"]

    pdf = {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}
    assert file(**pdf) == {"file_data": "data:application/pdf;base64,AAAA", "filename": "T"}
    assert file(type="url", url="https://a.example") == {"file_url": "https://a.example", "filename": "T"}
    assert file(type="file", file_id="f1") == {"file_id": "f1", "filename": "T"}
    text = file(type="text", media_type="text/plain", data="hé")
    assert text == {"file_data": "data:text/plain;base64,aMOp", "filename": "T"}


def test_an_answer_in_the_usual_order_needs_no_copy_of_its_blocks():
    said = turn(
        {"type": "thinking", "thinking": "Hm", "signature": "s"},
        {"type": "redacted_thinking", "data": "d"},
        {"type": "text", "text": "So", "citations": None},
        {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}, "cache_control": CACHE},
        role="assistant",
    )

    assert messages(said) == [
        {
            "role": "assistant",
            "content": "So",
            "reasoning_content": "Hm",
            "reasoning_details": [
                {"type": "reasoning.text", "text": "Hm", "signature": "s", "format": "anthropic-v1", "index": 0},
                {"type": "reasoning.encrypted", "data": "d", "format": "anthropic-v1", "index": 1},
            ],
            "tool_calls": [
                {
                    "id": "t",
                    "type": "function",
                    "function": {"name": "f", "arguments": '{"a":1}'},
                    "cache_control": CACHE,
                }
            ],
        }
    ]


def test_an_answer_with_more_in_it_keeps_its_blocks_too():
    blocks = [
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
        {
            "type": "text",
            "text": "So",
            "citations": [
                {"type": "web_search_result_location", "url": "u", "title": "t", "encrypted_index": "e"},
            ],
        },
    ]

    (message,) = messages(turn(*blocks, role="assistant"))

    assert message["content"] == "So"
    assert message["anthropic_content"] == blocks
    where = {"url": "u", "title": "t", "start_index": 0, "end_index": 2}
    assert message["annotations"] == [{"type": "url_citation", "url_citation": where}]


@pytest.mark.parametrize(
    ("thinking", "config", "effort"),
    [
        ({"type": "enabled", "budget_tokens": 1024}, {}, "low"),
        ({"type": "enabled", "budget_tokens": 4096}, {}, "medium"),
        ({"type": "enabled", "budget_tokens": 16_384}, {}, "high"),
        ({"type": "adaptive"}, {}, "high"),
        ({"type": "adaptive"}, {"effort": "low"}, "low"),
        ({"type": "adaptive"}, {"effort": "max"}, "high"),
        ({"type": "disabled"}, {"effort": "low"}, None),
        (None, {"effort": "medium"}, None),
    ],
)
def test_thinking_is_kept_and_also_said_as_an_effort(thinking, config, effort):
    body = chat(thinking=thinking, output_config=config)

    assert body.get("thinking") == thinking
    assert body.get("output_config", {}) == config
    assert body.get("reasoning_effort") == effort


@pytest.mark.parametrize("where", ["output_config", "output_format"])
def test_a_wanted_form_is_a_response_format(where):
    form = {"type": "json_schema", "schema": {"type": "object", "title": "Weather"}}

    body = chat(**({"output_config": {"format": form}} if where == "output_config" else {where: form}))

    wanted = {"name": "Weather", "schema": form["schema"], "strict": True}
    assert body["response_format"] == {"type": "json_schema", "json_schema": wanted}
    assert where not in body


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"type": "auto"}, {"tool_choice": "auto"}),
        ({"type": "any"}, {"tool_choice": "required"}),
        ({"type": "none"}, {"tool_choice": "none"}),
        (
            {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
            {"tool_choice": {"type": "function", "function": {"name": "f"}}, "parallel_tool_calls": False},
        ),
    ],
)
def test_tool_choices(choice, said):
    tool = {"name": "f", "input_schema": {"type": "object", "properties": {}}}

    body = chat(tools=[tool], tool_choice=choice)

    assert {key: body[key] for key in ("tool_choice", "parallel_tool_calls") if key in body} == said
    assert again(asked(tools=[tool], tool_choice=choice))["tool_choice"] == choice


def test_tools_are_functions_and_anthropics_own_stay():
    own = {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    tool = {"type": "custom", "name": "f", "description": "d", "input_schema": schema, "defer_loading": True}

    body = chat(tools=[own, {**tool, "cache_control": CACHE}])

    function = {"name": "f", "description": "d", "parameters": schema}
    assert body["tools"] == [
        own,
        {"type": "function", "function": function, "defer_loading": True, "cache_control": CACHE},
    ]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": None}, "model"),
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": [5]}, "messages.0"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages.0.role"),
        ({"messages": [turn("x")]}, "messages.0.content.0"),
        ({"messages": [turn({"type": "text", "text": 5})]}, "messages.0.content.0.text"),
        ({"messages": [turn({"type": "tool_result"})]}, "messages.0.content.0.tool_use_id"),
        (
            {"messages": [turn({"type": "tool_use", "id": "a", "name": "f", "input": []}, role="assistant")]},
            "messages.0.content.0.input",
        ),
        (
            {"messages": [turn({"type": "image", "source": {"type": "base64", "media_type": "a;b/c", "data": "A"}})]},
            "messages.0.content.0.source.media_type",
        ),
        ({"tools": [{"name": "f"}]}, "tools.0.input_schema"),
        ({"tool_choice": {"type": "some"}}, "tool_choice.type"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"stop_sequences": "x"}, "stop_sequences"),
        ({"system": 5}, "system"),
    ],
)
def test_a_mistake_is_told_with_its_place(body, param):
    with pytest.raises(DialectError) as caught:
        chat(**body)

    assert caught.value.param == param
    assert str(caught.value).startswith(param)
