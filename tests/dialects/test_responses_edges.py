"""Streams of the Responses dialect where servers are untidy, or change."""

from typing import Any

import orjson
from modelmesh_core import StreamEvent, fold_chunks
from modelmesh_core.dialects.responses.upstream_stream import ResponsesStreamDecoder
from modelmesh_core.wire.messages import Dialect, EventKind

from .responses_cases import RESPONSES, check_grammar, events_of, plain, written


def chunk(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    return {"id": "1", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


def test_a_call_whose_name_comes_late_keeps_its_arguments() -> None:
    calls = [
        {"index": 0, "id": "c", "function": {"arguments": "{"}},
        {"index": 0, "function": {"name": "f", "arguments": "}"}},
    ]
    response = check_grammar(events_of(written([chunk({"tool_calls": [one]}) for one in calls])))
    assert [(item["call_id"], item["name"], item["arguments"]) for item in response["output"]] == [("c", "f", "{}")]


def test_calls_that_arrive_interleaved_stay_apart() -> None:
    names = [{"index": n, "id": f"c{n}", "function": {"name": f"f{n}", "arguments": ""}} for n in (0, 1)]
    pieces = [{"index": n, "function": {"arguments": text}} for n, text in ((1, "["), (0, "{"), (1, "]"), (0, "}"))]
    response = check_grammar(events_of(written([chunk({"tool_calls": [one]}) for one in names + pieces])))
    assert [item["arguments"] for item in response["output"]] == ["{}", "[]"]


def test_text_after_a_call_is_another_message() -> None:
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}
    chunks = [chunk({"content": "a"}), chunk({"tool_calls": [call]}), chunk({"content": "b"})]
    response = check_grammar(events_of(written(chunks)))
    assert [item["type"] for item in response["output"]] == ["message", "function_call", "message"]


def test_what_was_cut_short_is_incomplete() -> None:
    response = check_grammar(events_of(written([chunk({"content": "Hal"}), chunk({}, "length")])))
    assert response["status"] == response["output"][0]["status"] == "incomplete"


def test_only_the_first_choice_is_told() -> None:
    other = {"choices": [{"index": 1, "delta": {"content": "no"}}, {"index": 0, "delta": {"content": "yes"}}]}
    assert check_grammar(events_of(written([other])))["output"][0]["content"][0]["text"] == "yes"


def test_an_answer_of_nothing_is_complete() -> None:
    assert check_grammar(events_of(written([])))["output"] == []


def test_a_second_native_answer_goes_on_in_the_first() -> None:
    """The model changed between two of a vendor that speaks the dialect: its beginning is not told again."""
    first, second = (events_of(written([{**chunk({"content": text}), "id": text}])) for text in ("a", "b"))
    writer, decoder, data = RESPONSES.writer({"input": "x"}), ResponsesStreamDecoder(native=True), b""
    for event in (*first[:5], *second):
        data += writer.write(decoder.feed(b"data: " + _json(event) + b"\n\n"))
        assert decoder.skipped == 0
    response = check_grammar(events_of(data + writer.end()))
    assert response["id"] == "resp_a"
    assert response["output"][0]["content"][0]["text"] == "ab"


def _json(event: dict[str, Any]) -> bytes:

    return orjson.dumps(event)


def test_parts_of_a_summary_are_paragraphs() -> None:
    told = [
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {"type": "reasoning", "id": "rs", "summary": []},
        },
        *(
            {"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": n, "delta": text}
            for n, text in ((0, "a"), (0, "b"), (1, "c"))
        ),
    ]
    decoder = ResponsesStreamDecoder()
    message = fold_chunks(plain(decoder.feed(b"".join(b"data: " + _json(one) + b"\n\n" for one in told))))["choices"][0]
    assert message["message"]["reasoning_content"] == "ab\n\nc"
    assert [one["summary"] for one in message["message"]["reasoning_details"]] == ["ab", "c"]


def test_events_that_the_vendor_left_out_are_made_up_for_by_the_last() -> None:
    items = [
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hi"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    ]
    last = {"type": "response.completed", "response": {"status": "completed", "output": items}}
    [event] = ResponsesStreamDecoder().feed(b"data: " + _json(last) + b"\n\n")
    assert event.kind is EventKind.FINISH and event.finish_reason == "tool_calls"
    message = fold_chunks(plain([event]))["choices"][0]["message"]
    assert message["content"] == "hi" and message["tool_calls"][0]["function"] == {"name": "f", "arguments": "{}"}


def test_native_events_of_one_line_each() -> None:
    decoder = ResponsesStreamDecoder(native=True)
    [event] = decoder.feed(b'data: {"type":"response.in_progress",\ndata: "response":{}}\n\n')
    assert event.kind is EventKind.OTHER and event.dialect is Dialect.OPENAI_RESPONSES
    assert event.raw == b'{"type":"response.in_progress", "response":{}}'
    assert RESPONSES.writer({}).write([event, StreamEvent(EventKind.DONE)]).count(b"data:") == 1
