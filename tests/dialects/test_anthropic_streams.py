"""Streamed chat completions as streamed messages."""

import pytest
from modelmesh_core import Usage
from modelmesh_core.dialects.anthropic import ANTHROPIC
from modelmesh_core.wire.messages import EventKind, StreamEvent

from .anthropic_cases import USAGE, as_event, begun, check_grammar, chunk, events_of, folded, piece, written


def told(*deltas, finish="stop", **more):
    events = events_of(written([*map(chunk, deltas), chunk({}, finish, **more)]))
    check_grammar(events)
    return events


def content(*deltas, **more):
    return folded(told(*deltas, **more))["content"]


def test_a_stream_event_by_event():
    events = events_of(
        written(
            [
                chunk({"role": "assistant", "content": ""}),
                chunk({"reasoning_content": "Hm"}),
                chunk({"content": "Hel"}),
                chunk({"content": "lo"}),
                chunk(begun(0, "f", '{"a"')),
                chunk(piece(0, ": 1}")),
                chunk({}, "tool_calls"),
                {**chunk(), "choices": [], "usage": USAGE},
            ]
        )
    )

    none = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    start = {"id": "c1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None}
    start |= {"stop_sequence": None, "usage": {"input_tokens": 0, **none, "output_tokens": 0}}
    thinking = {"type": "thinking", "thinking": "", "signature": ""}
    tool = {"type": "tool_use", "id": "call_f", "name": "f", "input": {}}
    usage = {"input_tokens": 7, **none, "cache_read_input_tokens": 2, "output_tokens": 4}

    def delta(index, kind, **said):
        return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **said}}

    assert events == [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": thinking},
        delta(0, "thinking_delta", thinking="Hm"),
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        delta(1, "text_delta", text="Hel"),
        delta(1, "text_delta", text="lo"),
        {"type": "content_block_stop", "index": 1},
        {"type": "content_block_start", "index": 2, "content_block": tool},
        delta(2, "input_json_delta", partial_json='{"a"'),
        delta(2, "input_json_delta", partial_json=": 1}"),
        {"type": "content_block_stop", "index": 2},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": None}, "usage": usage},
        {"type": "message_stop"},
    ]


def test_calls_that_come_interleaved_are_told_one_after_the_other():
    found = content(begun(0, "f", "{"), begun(1, "g", '{"b":'), piece(0, '"a": 1}'), {"content": "x"}, piece(1, "2}"))

    assert found == [
        {"type": "tool_use", "id": "call_f", "name": "f", "input": {"a": 1}},
        {"type": "tool_use", "id": "call_g", "name": "g", "input": {"b": 2}},
        {"type": "text", "text": "x"},
    ]


def test_a_call_goes_out_as_soon_as_the_one_before_is_whole():
    writer = ANTHROPIC.writer({})
    for delta in (begun(0, "f", "{}"), begun(1, "g", "{")):
        data = writer.write([StreamEvent(EventKind.CONTENT, chunk(delta))])

    assert [event["type"] for event in events_of(data)] == [
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
    ]


def test_a_call_that_breaks_off_is_told_as_far_as_it_came():
    events = told(begun(0, "f", '{"a": "b'), begun(1, "g"), finish="length")

    message = folded(events)
    assert [block["input"] for block in message["content"]] == [{"arguments": '{"a": "b'}, {}]
    assert message["stop_reason"] == "max_tokens"


def test_a_name_may_come_late():
    late = {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f"}}]}

    assert content(piece(0, '{"a":'), late, piece(0, "1}")) == [
        {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}}
    ]


def test_only_the_first_choice_counts():
    other = {**chunk({"content": "no"}), "choices": [{"index": 1, "delta": {"content": "no"}, "finish_reason": "stop"}]}

    assert folded(events_of(written([chunk({"content": "yes"}), other, chunk({}, "length")])))["content"] == [
        {"type": "text", "text": "yes"}
    ]


def test_citations_wait_for_the_text_they_belong_to():
    cite = {"annotations": [{"type": "url_citation", "url_citation": {"url": "u", "title": "t"}}]}

    (block,) = content(cite, {"content": "So"})

    assert block["text"] == "So"
    assert [one["url"] for one in block["citations"]] == ["u"]


def test_usage_that_only_the_event_knows():
    writer = ANTHROPIC.writer({})
    data = writer.write([StreamEvent(EventKind.FINISH, chunk({"content": "x"}, "stop"), usage=Usage(5, 6, 7))])

    last = events_of(data + writer.end())[-2]
    counts = {"input_tokens": 5, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 7, "output_tokens": 6}
    assert last["usage"] == counts


def test_an_empty_answer_is_a_whole_message():
    events = events_of(ANTHROPIC.writer({}).end())

    check_grammar(events)
    assert events[0]["message"]["id"].startswith("msg_")
    assert events[-2]["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("provider_error", "api_error"),
        ("overloaded_error", "overloaded_error"),
        ("insufficient_quota", "rate_limit_error"),
        (None, "api_error"),
    ],
)
def test_an_answer_that_breaks_off_ends_in_an_error_event(kind, said):
    writer = ANTHROPIC.writer({})
    writer.write([StreamEvent(EventKind.CONTENT, chunk({"content": "x"}))])

    data = writer.fail({"message": "It broke.", "type": kind, "param": None, "code": None})

    assert events_of(data) == [{"type": "error", "error": {"type": said, "message": "It broke."}}]
    assert writer.end() == b""


# --- Anthropic's own events -------------------------------------------------------------------------------------------

START = {"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "c"}}
START["message"] |= {"content": [], "stop_reason": None, "usage": {"input_tokens": 3, "output_tokens": 1}}


def block(index, **begins):
    return {"type": "content_block_start", "index": index, "content_block": begins}


def grow(index, kind, **said):
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **said}}


OWN = [
    (EventKind.OPENING, START, chunk({"role": "assistant"})),
    (EventKind.OTHER, {"type": "ping"}, None),
    (EventKind.OTHER, block(0, type="text", text=""), None),
    (EventKind.CONTENT, grow(0, "text_delta", text="Hel"), chunk({"content": "Hel"})),
    (EventKind.CONTENT, grow(0, "text_delta", text="lo"), chunk({"content": "lo"})),
    (EventKind.OTHER, {"type": "content_block_stop", "index": 0}, None),
    (
        EventKind.FINISH,
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}},
        chunk({}, "stop"),
    ),
    (EventKind.DONE, {"type": "message_stop"}, None),
]


def events_with(*own):
    return [as_event(kind, raw, said) for kind, raw, said in own]


def test_anthropics_own_events_go_on_as_they_came():
    writer = ANTHROPIC.writer({})
    data = b"".join(writer.write([event]) for event in events_with(*OWN))

    assert events_of(data) == [raw for _, raw, _ in OWN]
    assert writer.end() == b""
    usage = StreamEvent(EventKind.USAGE, {**chunk(), "choices": []}, usage=Usage(1))
    assert writer.write([usage]) == b""


@pytest.mark.parametrize("kept", range(1, 6))
def test_another_model_goes_on_where_anthropics_events_end(kept):
    writer = ANTHROPIC.writer({})
    data = writer.write(events_with(*OWN[:kept]))
    data += writer.write([StreamEvent(EventKind.CONTENT, chunk({"content": " you"}, "stop"), usage=Usage(1, 2))])

    events = events_of(data + writer.end())

    check_grammar(events)
    message = folded(events)
    assert message["id"] == "msg_1"
    assert "".join(block["text"] for block in message["content"]) == ["", "", "", "Hel", "Hello"][kept - 1] + " you"
    assert len(message["content"]) == 1


def test_another_claude_goes_on_where_the_first_ends():
    """Its own events have the numbers of its own message: they cannot go on unread."""
    writer = ANTHROPIC.writer({})
    second = [
        as_event(EventKind.OTHER, block(0, type="thinking", thinking="", signature="")),
        StreamEvent(EventKind.CONTENT, chunk({"content": "lo"})),
        as_event(EventKind.OTHER, {"type": "content_block_stop", "index": 0}),
        StreamEvent(EventKind.FINISH, chunk({}, "stop")),
        as_event(EventKind.DONE, {"type": "message_stop"}),
    ]
    data = writer.write(events_with(*OWN[:4])) + writer.write(second) + writer.end()

    events = events_of(data)
    check_grammar(events)
    assert folded(events)["content"] == [{"type": "text", "text": "Hello"}]


def test_a_second_beginning_within_a_message_is_not_handed_on():
    events = events_with(*OWN[:2], OWN[0], *OWN[2:])
    writer = ANTHROPIC.writer({})

    found = events_of(writer.write(events) + writer.end())

    check_grammar(found)
    assert folded(found)["content"] == [{"type": "text", "text": "Hello"}]
