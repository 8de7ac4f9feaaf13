"""Chat completions as messages: of Anthropic's own making, and of other vendors'."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modelmesh_anthropic.messages import decode, encode
from modelmesh_core.dialects.anthropic import ANTHROPIC

from .anthropic_cases import answer_blocks, asked, call_of, names, response_of, turn, words


def answer(message, finish="stop", body=None, **more):
    reply = {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": None, **message},
                "finish_reason": finish,
                **more.pop("choice", {}),
            }
        ],
        **more,
    }
    return ANTHROPIC.from_chat(reply, body or {})


def function(name, arguments, **more):
    return {"id": f"call_{name}", "type": "function", "function": {"name": name, "arguments": arguments}, **more}


def sent_back(message):
    """The mesh's shape of an answer that its caller sends back."""
    return ANTHROPIC.to_chat(asked(messages=[{"role": "assistant", "content": message["content"]}]))["messages"][0]


def test_an_ordinary_answer():
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "total_tokens": 120,
        "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30},
        "completion_tokens_details": {"reasoning_tokens": 5},
    }

    assert answer({"content": "Hi"}, usage=usage, system_fingerprint="fp") == {
        "id": "c1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": "Hi"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 10,
            "cache_creation_input_tokens": 30,
            "cache_read_input_tokens": 60,
            "output_tokens": 20,
            "output_tokens_details": {"thinking_tokens": 5},
        },
        "system_fingerprint": "fp",
    }


@pytest.mark.parametrize(
    ("arguments", "taken"),
    [
        ('{"a": 1}', {"a": 1}),
        ("", {}),
        (" ", {}),
        ('{"a": ', {"arguments": '{"a": '}),
        ("[1]", {"arguments": "[1]"}),
    ],
)
def test_what_is_no_input_is_kept_as_it_was_said(arguments, taken):
    message = answer({"tool_calls": [function("f", arguments)]}, "tool_calls")

    assert message["content"] == [{"type": "tool_use", "id": "call_f", "name": "f", "input": taken}]
    assert message["stop_reason"] == "tool_use"


@pytest.mark.parametrize(
    ("finish", "choice", "told"),
    [
        ("stop", {}, "end_turn"),
        ("length", {}, "max_tokens"),
        ("content_filter", {}, "refusal"),
        ("tool_calls", {}, "end_turn"),
        (None, {}, "end_turn"),
        ("stop", {"native_finish_reason": "pause_turn"}, "pause_turn"),
        ("length", {"native_finish_reason": "model_context_window_exceeded"}, "model_context_window_exceeded"),
        ("stop", {"native_finish_reason": "tool_use"}, "end_turn"),
        ("stop", {"native_finish_reason": "STOP"}, "end_turn"),
        ("stop", {"stop_reason": "END"}, "stop_sequence"),
        ("stop", {"stop_reason": "other"}, "end_turn"),
    ],
)
def test_why_it_ended(finish, choice, told):
    message = answer({"content": "x"}, finish, {"stop_sequences": ["END"]}, choice=choice)

    assert message["stop_reason"] == told
    assert message["stop_sequence"] == ("END" if told == "stop_sequence" else None)


def test_a_call_is_the_reason_even_where_the_vendor_says_it_just_stopped():
    assert answer({"tool_calls": [function("f", "{}")]}, "stop")["stop_reason"] == "tool_use"


def test_a_refusal_is_told_as_text_and_as_the_reason():
    message = answer({"refusal": "I will not."})

    assert message["content"] == [{"type": "text", "text": "I will not."}]
    assert message["stop_reason"] == "refusal"


@pytest.mark.parametrize(
    "message",
    [
        {"content": "So", "reasoning_content": "Hm"},
        {
            "content": "So",
            "reasoning_content": "Hm",
            "reasoning_details": [
                {"type": "reasoning.summary", "summary": "Hm", "format": "openai-responses-v1", "index": 0, "id": "rs"},
                {"type": "reasoning.encrypted", "data": "x", "format": "openai-responses-v1", "index": 1, "id": "rs"},
            ],
        },
        {
            "content": "So",
            "reasoning_content": "Hm",
            "reasoning_details": [
                {"type": "reasoning.encrypted", "data": "x", "format": "google-gemini-v1", "index": 0, "at": 0},
                {
                    "type": "reasoning.text",
                    "text": "Hm",
                    "signature": "s",
                    "format": "google-gemini-v1",
                    "index": 1,
                    "at": 1,
                },
            ],
        },
        {
            "content": None,
            "tool_calls": [
                function("f", "{}", extra_content={"google": {"thought_signature": "s"}}),
                function("g", "{}"),
            ],
        },
        {
            "content": "So",
            "annotations": [
                {
                    "type": "url_citation",
                    "url_citation": {"url": "u", "title": "t", "start_index": 0, "end_index": 1},
                },
                {"type": "citation", "citation": {"type": "file", "file_id": "f"}},
            ],
        },
        {"content": "So", "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
    ],
    ids=["plain", "openai", "google", "marks", "citations", "pictures"],
)
def test_what_only_other_vendors_understand_comes_back_and_never_goes_to_anthropic(message):
    given_back = answer(message)

    returned = sent_back(given_back)
    assert {**message, "role": "assistant"} == returned
    native = ANTHROPIC.native(asked(messages=[{"role": "assistant", "content": given_back["content"]}]))
    kept = [{"type": "text", "text": "So"}] if message["content"] else []
    kept += [block for block in given_back["content"] if block["type"] == "tool_use"]
    assert native["messages"][0]["content"] == kept


def test_anthropics_own_blocks_stay_in_a_body_for_anthropic():
    body = asked(
        messages=[
            turn(
                {"type": "thinking", "thinking": "", "signature": "s"},
                {"type": "redacted_thinking", "data": "d"},
                {"type": "text", "text": "x", "citations": [{"type": "char_location"}]},
                role="assistant",
            )
        ]
    )

    assert ANTHROPIC.native(body) is body


def normal(message):
    """``message`` as far as a chat completion can say it: neighbouring plain texts are one, nothing stays unsaid."""
    content = []
    for block in message["content"]:
        block = {key: value for key, value in block.items() if value is not None and key != "cache_control"}
        last = content[-1] if content else {}
        if block.keys() == last.keys() == {"type", "text"}:
            content[-1] = {**last, "text": last["text"] + block["text"]}
        else:
            content.append(block)
    return {**{key: value for key, value in message.items() if value is not None}, "content": content}


counts = st.integers(0, 10**6)


@given(
    answer_blocks,
    st.sampled_from(["end_turn", "max_tokens", "stop_sequence", "pause_turn", "refusal"]),
    st.fixed_dictionaries(
        {
            "input_tokens": counts,
            "output_tokens": counts,
            "cache_creation_input_tokens": counts,
            "cache_read_input_tokens": counts,
        },
        optional={
            "cache_creation": st.just({"ephemeral_5m_input_tokens": 0}),
            "server_tool_use": st.just({"web_search_requests": 1}),
            "service_tier": names,
            "iterations": st.lists(
                st.fixed_dictionaries(
                    {
                        "type": st.sampled_from(["message", "compaction"]),
                        "input_tokens": counts,
                        "output_tokens": counts,
                    }
                ),
                max_size=2,
            ),
        },
    ),
    st.fixed_dictionaries(
        {},
        optional={
            "container": st.just({"id": "c"}),
            "context_management": st.just({"applied_edits": []}),
            "stop_details": st.builds(lambda text: {"type": "refusal", "category": "x", "explanation": text}, words),
        },
    ),
)
def test_every_answer_of_anthropics_comes_back_as_it_was(content, reason, usage, more):
    if any(block["type"] == "tool_use" for block in content) and reason == "end_turn":
        reason = "tool_use"
    content = [{key: value for key, value in block.items() if key != "cache_control"} for block in content]
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": content,
        "stop_reason": reason,
        "stop_sequence": "END" if reason == "stop_sequence" else None,
        "usage": usage,
        **more,
    }
    body = asked(stop_sequences=["END"])
    reply = decode(response_of(message), encode(call_of(ANTHROPIC.to_chat(body))))

    assert normal(ANTHROPIC.from_chat(reply.body, body)) == normal(message)


def test_a_broken_seal_is_forgotten():
    blocks = [
        {"type": "thinking", "thinking": "Hm", "signature": "modelmesh-v1.%%%"},
        {"type": "redacted_thinking", "data": "modelmesh-v1.WzFd"},
    ]

    message = sent_back({"content": blocks})

    assert message == {"role": "assistant", "content": "", "reasoning_content": "Hm"}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (402, "billing_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (422, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (502, "api_error"),
        (503, "overloaded_error"),
        (504, "timeout_error"),
        (529, "overloaded_error"),
    ],
)
def test_errors_have_the_type_of_their_status(status, kind):
    told = ANTHROPIC.error(status, {"message": "No.", "type": "provider_error", "param": None, "code": "c"}, "req_1")

    assert told == {"type": "error", "error": {"type": kind, "message": "No.", "code": "c"}, "request_id": "req_1"}
