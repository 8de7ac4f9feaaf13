"""What a caller of the Responses API asks for, in the mesh's words, and back."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from modelmesh_core import Operation, ProviderCall
from modelmesh_core.dialects import DialectError
from modelmesh_core.dialects.responses import VERBATIM, OpenAIResponses
from modelmesh_core.dialects.responses.upstream import encode
from modelmesh_core.wire.messages import Dialect

from .responses_cases import judge, recordings

RESPONSES = OpenAIResponses()


def back(chat: dict[str, Any]) -> dict[str, Any]:
    """The request that a body in the mesh's shape came from."""
    call = ProviderCall(Operation.CHAT, chat.get("model", ""), chat, dialect=Dialect.OPENAI_RESPONSES)
    made = encode(call)
    assert call.dropped == []
    return made


EVERYTHING: dict[str, Any] = {
    "model": "m",
    "instructions": "Be brief",
    "input": [
        {"role": "developer", "content": [{"type": "input_text", "text": "a"}]},
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "b", "prompt_cache_breakpoint": {"mode": "explicit"}},
                {"type": "input_image", "image_url": "https://x.example/a.png", "detail": "low"},
                {"type": "input_image", "file_id": "file_1", "detail": "auto"},
                {"type": "input_file", "file_data": "data:application/pdf;base64,AA==", "filename": "a.pdf"},
                {"type": "input_file", "file_url": "https://x.example/a.pdf"},
                {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
            ],
        },
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "s1"}, {"type": "summary_text", "text": "s2"}],
            "encrypted_content": "sealed",
        },
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}},
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": "{}", "status": "completed"},
        {"type": "custom_tool_call", "call_id": "c2", "name": "g", "input": "text"},
        {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "r"}]},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": "done"},
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "phase": "final_answer",
            "content": [
                {
                    "type": "output_text",
                    "text": "answer",
                    "annotations": [
                        {"type": "url_citation", "url": "u", "title": "t", "start_index": 1, "end_index": 2},
                        {"type": "file_citation", "file_id": "f", "filename": "n", "index": 3},
                    ],
                },
                {"type": "refusal", "refusal": "no"},
            ],
        },
        {"role": "user", "content": "and?"},
    ],
    "tools": [
        {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True},
        {"type": "custom", "name": "g", "format": {"type": "grammar", "definition": "x", "syntax": "lark"}},
        {"type": "web_search", "filters": {"allowed_domains": ["x.example"]}},
    ],
    "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
    "parallel_tool_calls": False,
    "max_output_tokens": 100,
    "max_tool_calls": 3,
    "reasoning": {"effort": "low", "summary": "auto"},
    "text": {
        "format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True},
        "verbosity": "low",
    },
    "temperature": 0.5,
    "top_p": 0.9,
    "top_logprobs": 2,
    "include": ["reasoning.encrypted_content", "message.output_text.logprobs"],
    "store": False,
    "metadata": {"a": "b"},
    "user": "u",
    "truncation": "auto",
    "service_tier": "flex",
    "prompt_cache_key": "k",
    "safety_identifier": "s",
    "previous_response_id": "resp_0",
    "unheard_of": {"x": 1},
}


def test_a_request_with_everything_comes_back_whole() -> None:
    known = {key: value for key, value in EVERYTHING.items() if key != "unheard_of"}
    heard = [item for item in known["input"] if item.get("role") != "user"]  # OpenAI's document has no audio
    judge("CreateResponse", {**known, "input": heard})
    assert back(RESPONSES.to_chat(EVERYTHING)) == EVERYTHING


def test_a_request_in_the_meshs_words() -> None:
    chat = RESPONSES.to_chat(EVERYTHING)
    system, developer, user, called, result, custom, answer, last = chat["messages"]
    assert system == {"role": "system", "content": "Be brief"}
    assert developer["role"] == "developer" and last == {"role": "user", "content": "and?"}
    assert [part["type"] for part in user["content"]] == [
        "text",
        "image_url",
        "input_image",
        "file",
        "file",
        "input_audio",
    ]
    assert user["content"][1]["image_url"] == {"url": "https://x.example/a.png", "detail": "low"}
    assert called["reasoning_content"] == "s1\n\ns2" and called["content"] is None
    assert [one["type"] for one in called["reasoning_details"]] == [
        "reasoning.summary",
        "reasoning.summary",
        "reasoning.encrypted",
    ]
    assert {one["id"] for one in called["reasoning_details"]} == {"rs_1"}
    assert called["tool_calls"][0] == {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert called["tool_calls"][1] == {"id": "c2", "type": "custom", "custom": {"name": "g", "input": "text"}}
    assert called[VERBATIM] == EVERYTHING["input"][2:6]
    assert result == {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "r"}]}
    assert custom == {"role": "tool", "tool_call_id": "c2", "content": "done"}
    assert answer["content"] == "answer" and answer["refusal"] == "no"
    assert answer["annotations"][0]["url_citation"]["url"] == "u"
    assert chat["tools"][0]["function"]["strict"] is True
    assert chat["tool_choice"]["allowed_tools"]["tools"] == [{"type": "function", "function": {"name": "f"}}]
    assert chat["response_format"]["json_schema"] == {"name": "n", "schema": {"type": "object"}, "strict": True}
    assert (chat["max_completion_tokens"], chat["reasoning_effort"], chat["verbosity"]) == (100, "low", "low")
    assert chat["logprobs"] is True and chat["reasoning"] == {"summary": "auto"}
    assert chat["previous_response_id"] == "resp_0"


def test_plain_history_needs_nothing_verbatim() -> None:
    items = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": "c"}]},
        {"type": "function_call", "id": "fc", "call_id": "1", "name": "f", "arguments": "{", "status": "completed"},
        {"type": "function_call", "call_id": "2", "name": "f", "arguments": ""},
        {"type": "function_call_output", "call_id": "1", "output": "x"},
        {"type": "function_call_output", "call_id": "2", "output": "y"},
    ]
    messages = RESPONSES.to_chat({"input": items})["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "assistant", "tool", "tool"]
    assert not any(VERBATIM in message for message in messages)
    assert [call["id"] for call in messages[2]["tool_calls"]] == ["1", "2"]


def test_an_edited_message_wins_over_the_items_it_came_as() -> None:
    chat = RESPONSES.to_chat(EVERYTHING)
    chat["messages"][6]["content"] = "edited"
    sent = back(chat)["input"][8]
    assert sent["content"][0]["text"] == "edited"


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"input": None}, "input"),
        ({"input": 3}, "input"),
        ({"input": ["x"]}, "input[0]"),
        ({"input": [{"type": "item_reference", "id": "msg_7"}]}, "input[0]"),
        ({"input": [{"id": "msg_7"}]}, "input[0]"),
        ({"input": [{"role": "robot", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].content[0].text"),
        ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, "input[0].content[0]"),
        ({"input": [{"role": "assistant", "content": [{"type": "input_image"}]}]}, "input[0].content[0].type"),
        ({"input": [{"type": "function_call", "call_id": "1", "name": "f", "arguments": {}}]}, "input[0].arguments"),
        ({"input": [{"type": "reasoning", "summary": [1]}]}, "input[0].summary[0]"),
        ({"instructions": ["x"]}, "instructions"),
        ({"background": True}, "background"),
        ({"messages": []}, "messages"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"max_output_tokens": "many"}, "max_output_tokens"),
        ({"reasoning": "high"}, "reasoning"),
        ({"text": {"format": {"type": "json_schema", "name": "n"}}}, "text.format.schema"),
        ({"stream": "yes"}, "stream"),
    ],
)
def test_what_cannot_be_understood_is_named(change: dict[str, Any], place: str) -> None:
    with pytest.raises(DialectError) as raised:
        RESPONSES.to_chat({"model": "m", "input": "hi", **change})
    assert raised.value.param == place
    assert "msg_7" in str(raised.value) or "msg_7" not in str(change)


def test_nulls_ask_for_defaults_and_state_elsewhere_stands_in_for_input() -> None:
    body = {
        "model": "m",
        "input": None,
        "previous_response_id": "resp_1",
        "tools": None,
        "text": None,
        "background": False,
    }
    assert RESPONSES.to_chat(body) == {"model": "m", "previous_response_id": "resp_1", "messages": []}


def test_recorded_requests_are_understood_and_come_back() -> None:
    seen = 0
    for recording in recordings():
        body = recording.request
        if not body or "input" not in body or "output" in body or "background" in body or recording.status != 200:
            continue
        chat = RESPONSES.to_chat(body)
        again = RESPONSES.to_chat(back(chat) | ({"stream": body["stream"]} if "stream" in body else {}))
        assert plain(again) == plain(chat), recording.id
        seen += 1
    assert seen > 80


def plain(chat: dict[str, Any]) -> Any:
    """``chat`` without a detail of pictures that is the default."""
    return json.loads(json.dumps(chat, sort_keys=True).replace('"detail": "auto", ', ""))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        found += places(item, (*path, key))
    return found


PLACES = places(EVERYTHING)[1:]


def mutated(path: tuple[Any, ...], new: Any) -> dict[str, Any]:
    def change(value: Any, rest: tuple[Any, ...]) -> Any:
        if not rest:
            return new
        if isinstance(value, dict):
            return {**value, rest[0]: change(value[rest[0]], rest[1:])}
        return [change(item, rest[1:]) if index == rest[0] else item for index, item in enumerate(value)]

    return change(EVERYTHING, path)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(PLACES), JSON)
def test_a_mutated_body_is_understood_or_refused_and_never_changed(path: tuple[Any, ...], new: Any) -> None:
    body = mutated(path, new)
    before = repr(body)
    try:
        chat = RESPONSES.to_chat(body)
    except DialectError as error:
        assert error.param is not None
    else:
        encode(ProviderCall(Operation.CHAT, "m", chat))
        RESPONSES.from_chat({"choices": [{"message": {"content": "x"}}]}, body)
        RESPONSES.writer(body).end()
    assert repr(body) == before


TEXT = st.text(max_size=8)
SOME = st.text(min_size=1, max_size=8)
SAID = st.one_of(
    st.builds(lambda t: {"role": "user", "content": t}, TEXT),
    st.builds(lambda t: {"role": "user", "content": [{"type": "input_text", "text": t}]}, TEXT),
    st.builds(
        lambda t: {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": t, "annotations": []}],
        },
        SOME,
    ),
    st.builds(lambda i, t: {"type": "function_call", "call_id": i, "name": "f", "arguments": t}, SOME, TEXT),
    st.builds(lambda i, t: {"type": "function_call_output", "call_id": i, "output": t}, SOME, TEXT),
    st.builds(
        lambda i, t, e: {
            "type": "reasoning",
            "id": i,
            "summary": [{"type": "summary_text", "text": x} for x in t],
            "encrypted_content": e,
        },
        SOME,
        st.lists(TEXT, max_size=3),
        SOME,
    ),
    st.builds(lambda i: {"type": "computer_call", "id": i, "action": {"type": "wait"}}, SOME),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(SAID, min_size=1, max_size=8))
def test_any_conversation_comes_back_item_by_item(items: list[dict[str, Any]]) -> None:
    assert back(RESPONSES.to_chat({"model": "m", "input": items})) == {"model": "m", "input": items}
