"""Bodies and answers of any shape at all: an error that names the place, or a sound result."""

import contextlib
import copy

from hypothesis import given, settings
from hypothesis import strategies as st
from modelmesh_anthropic.messages import encode
from modelmesh_core import ProviderError
from modelmesh_core.dialects import DialectError
from modelmesh_core.dialects.anthropic import ANTHROPIC
from modelmesh_core.openai_dialect.folding import unfold_reply
from modelmesh_core.wire.messages import EventKind, StreamEvent

from .anthropic_cases import CACHE, as_event, asked, call_of, check_grammar, chunk, events_of, turn, values

BODY = asked(
    system=[{"type": "text", "text": "s", "cache_control": CACHE}],
    messages=[
        turn(
            {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "x"}], "is_error": True},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
            {"type": "document", "source": {"type": "text", "data": "x"}, "title": "t"},
        ),
        turn(
            {"type": "thinking", "thinking": "Hm", "signature": "s"},
            {"type": "redacted_thinking", "data": "modelmesh-v1.e30="},
            {"type": "text", "text": "x", "citations": [{"type": "char_location", "cited_text": "y"}]},
            {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
            {"type": "server_tool_use", "id": "s", "name": "w", "input": {}},
            role="assistant",
        ),
    ],
    tools=[{"name": "f", "input_schema": {"type": "object"}}, {"type": "bash_20250124", "name": "bash"}],
    tool_choice={"type": "tool", "name": "f", "disable_parallel_tool_use": True},
    thinking={"type": "enabled", "budget_tokens": 1024},
    output_config={"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}},
    stop_sequences=["a"],
    metadata={"user_id": "u"},
    temperature=1,
    stream=True,
)
REPLY = {
    "id": "c",
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "x",
                "reasoning_content": "r",
                "reasoning_details": [
                    {"type": "reasoning.text", "text": "r", "signature": "s", "format": "anthropic-v1", "index": 0},
                    {"type": "reasoning.encrypted", "data": "d", "format": "x", "index": 1},
                ],
                "annotations": [{"type": "url_citation", "url_citation": {"url": "u"}}],
                "tool_calls": [{"index": 0, "id": "t", "function": {"name": "f", "arguments": "{}"}}],
                "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}],
                "anthropic_content": [{"type": "text", "text": "x"}, {"type": "tool_use", "id": "t"}],
            },
            "finish_reason": "tool_calls",
            "native_finish_reason": "tool_use",
        }
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "iterations": [{"type": "compaction", "input_tokens": 1}]},
}


def places(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def mutated(value, path, new):
    made = copy.deepcopy(value)
    inner = made
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = new
    return made


def mutations(value):
    return st.builds(lambda path, new: mutated(value, path, new), st.sampled_from([*places(value)][1:]), values)


@settings(max_examples=400)
@given(mutations(BODY) | st.dictionaries(st.sampled_from([*BODY]), values))
def test_any_request_is_understood_or_refused(body):
    before = copy.deepcopy(body)
    ANTHROPIC.native(body)
    try:
        made = ANTHROPIC.to_chat(body)
    except DialectError as error:
        assert error.param
    else:
        assert isinstance(made["messages"], list)
        with contextlib.suppress(ProviderError):
            encode(call_of(made))
    assert body == before


@settings(max_examples=400)
@given(mutations(REPLY) | st.dictionaries(st.sampled_from([*REPLY]), values))
def test_any_answer_is_a_message(reply):
    message = ANTHROPIC.from_chat(reply, BODY)
    assert {"id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage"} <= message.keys()

    writer = ANTHROPIC.writer(BODY)
    data = writer.write([StreamEvent(EventKind.CONTENT, unfold_reply(reply))])
    check_grammar(events_of(data + writer.end()))


EVENTS = [
    {"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "model": "c"}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "t", "name": "f"}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": "{"}},
    {"type": "content_block_stop", "index": 1},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {}},
    {"type": "message_stop"},
]


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, len(EVENTS) - 1), st.booleans()), max_size=12))
def test_events_of_a_vendor_in_any_order_are_told_in_theirs(picked):
    writer = ANTHROPIC.writer({})
    data = b"".join(
        writer.write([as_event(EventKind.CONTENT, EVENTS[place] if raw else None, chunk({"content": "x"}))])
        for place, raw in picked
    )

    events = events_of(data + writer.end())

    kinds = [event["type"] for event in events]
    assert kinds[0] == "message_start"
    assert kinds[-1] == "message_stop"
    assert (kinds.count("message_start"), kinds.count("message_stop")) == (1, 1)
    opened = [event["index"] for event in events if event["type"] == "content_block_start"]
    assert opened == sorted(set(opened))
    assert [event["index"] for event in events if event["type"] == "content_block_stop"] == opened


@given(mutations(EVENTS[2]) | mutations(EVENTS[4]))
def test_a_strange_event_of_a_vendor_breaks_nothing(event):
    writer = ANTHROPIC.writer({})
    writer.write([as_event(EventKind.OPENING, EVENTS[0]), as_event(EventKind.OTHER, EVENTS[1])])

    writer.write([as_event(EventKind.CONTENT, event, chunk({"content": "x"}))])

    assert writer.end().endswith(b'data: {"type":"message_stop"}\n\n')
