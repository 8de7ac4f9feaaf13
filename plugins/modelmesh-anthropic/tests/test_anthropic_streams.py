"""Streamed answers: cut anywhere, folded, in both dialects."""

import json
import random

import orjson
import pytest
from modelmesh_core import Dialect, EventKind, FailureKind, Headers, HttpResponse, Usage, fold_chunks

HEAD = HttpResponse(200, Headers([("content-type", "text/event-stream; charset=utf-8")]))
START = {
    "type": "message_start",
    "message": {"id": "msg_1", "model": "claude-x", "usage": {"input_tokens": 3, "output_tokens": 1}},
}


def delta_event(index, **delta):
    return {"type": "content_block_delta", "index": index, "delta": delta}


def begin(index, **block):
    return {"type": "content_block_start", "index": index, "content_block": block}


def stop(index):
    return {"type": "content_block_stop", "index": index}


def end(reason, **delta):
    return {"type": "message_delta", "delta": {"stop_reason": reason, **delta}, "usage": {"output_tokens": 9}}


def as_sse(*events):
    body = b"".join(b"event: %b\ndata: %b\n\n" % (event["type"].encode(), orjson.dumps(event)) for event in events)
    return body + b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


@pytest.fixture
def decode(provider, play, chat):
    def decode(*pieces, **call):
        decoder = play(provider.execute(chat(stream=True, **call)), HEAD)[1]
        events = [event for piece in pieces for event in decoder.feed(piece)]
        return [*events, *decoder.finish()], decoder

    return decode


def plain(events):
    """What a streamed answer says, read plainly: text, thinking, calls, signatures."""
    text, thinking, calls, signatures = "", "", {}, ""
    for event in events:
        if event["type"] == "content_block_start":
            block = event["content_block"]
            text += block.get("text", "")
            if block["type"] == "tool_use":
                calls[event["index"]] = [block["id"], block["name"], ""]
        if event["type"] == "content_block_delta":
            delta = event["delta"]
            text += delta.get("text", "")
            thinking += delta.get("thinking", "")
            signatures += delta.get("signature", "")
            if event["index"] in calls:
                calls[event["index"]][2] += delta.get("partial_json", "")
    return text, thinking, [(i, n, json.loads(a or "{}")) for i, n, a in calls.values()], signatures


def as_values(message):
    """``message`` with its calls' arguments decoded: their white space is the vendor's."""
    calls = [json.loads(call["function"]["arguments"]) for call in message.get("tool_calls", [])]
    return {key: value for key, value in message.items() if key != "tool_calls"}, calls


def shown(events):
    return [(event.kind, event.chunk, event.finish_reason, event.usage, event.raw) for event in events]


def test_recorded_streams_fold_to_what_they_say(decode, streams):
    assert len(streams) >= 24
    for recording in streams:
        events, decoder = decode(recording.sse)
        assert decoder.skipped == recording.is_damaged
        folded = fold_chunks(event.chunk for event in events if event.chunk)
        choice = folded["choices"][0]
        said = choice["message"]
        text, thinking, calls, signatures = plain(recording.events)
        got = [
            (c["id"], c["function"]["name"], json.loads(c["function"]["arguments"])) for c in said.get("tool_calls", [])
        ]
        assert (said["content"] or "", said.get("reasoning_content", ""), got) == (text, thinking, calls), recording.id
        details = said.get("reasoning_details", [])
        assert "".join(d.get("signature", "") for d in details) == signatures
        reasons = [e["delta"]["stop_reason"] for e in recording.events if e["type"] == "message_delta"]
        if reasons:
            assert choice["native_finish_reason"] == reasons[-1]
            kinds = [event.kind for event in events]
            assert kinds[-3:] == [EventKind.FINISH, EventKind.USAGE, EventKind.DONE]
        assert all({"id", "object", "created", "model"} <= event.chunk.keys() for event in events if event.chunk)


def test_recorded_streams_count_what_was_used(decode, streams):
    for recording in streams:
        stated = {}
        for event in recording.events:
            stated |= {
                k: v
                for k, v in (event.get("usage") or event.get("message", {}).get("usage") or {}).items()
                if v is not None
            }
        beside = [step for step in stated.get("iterations", []) if step["type"] in ("compaction", "advisor_message")]

        def total(name, stated=stated, beside=beside):
            return stated.get(name, 0) + sum(step[name] for step in beside)

        used = [event.usage for event in decode(recording.sse)[0] if event.usage]
        if any(event["type"] == "message_delta" for event in recording.events):
            assert len(used) == 1
            assert used[0].total_output == total("output_tokens")
            assert used[0].input == total("input_tokens")
            assert used[0].cached_input == total("cache_read_input_tokens")
            assert used[0].cache_write == total("cache_creation_input_tokens")


def test_cuts_anywhere_change_nothing(decode, streams):
    for recording in streams:
        for native in (None, {"messages": []}):
            whole = shown(decode(recording.sse, native=native)[0])
            chance = random.Random(recording.id)
            for _ in range(15):
                cuts = sorted(chance.sample(range(len(recording.sse)), min(12, len(recording.sse))))
                pieces = [recording.sse[a:b] for a, b in zip([0, *cuts], [*cuts, None], strict=True)]
                assert shown(decode(*pieces, native=native)[0]) == whole
            if len(recording.sse) < 8000:
                assert shown(decode(*(bytes([byte]) for byte in recording.sse), native=native)[0]) == whole


def test_a_caller_of_the_dialect_gets_every_event_once(decode, streams):
    for recording in streams:
        events = decode(recording.sse, native={"messages": []})[0]
        assert [json.loads(event.raw) for event in events] == recording.events
        assert {event.dialect for event in events} == {Dialect.ANTHROPIC_MESSAGES}
        assert not any(b"\n" in event.raw for event in events)
        text = plain(recording.events)[0]
        assert (fold_chunks(e.chunk for e in events if e.chunk)["choices"][0]["message"]["content"] or "") == text
        if recording.events[-1]["type"] == "message_stop":
            assert events[-1].kind is EventKind.DONE
            assert next(event.usage for event in events if event.kind is EventKind.FINISH).input > 0


def test_streams_and_whole_answers_agree_on_blocks_without_a_counterpart(decode, provider, play, chat, answer, streams):
    kept = 0
    for recording in streams:
        folded = fold_chunks(event.chunk for event in decode(recording.sse)[0] if event.chunk)
        said = folded["choices"][0]["message"]
        if "anthropic_content" not in said:
            continue
        kept += 1
        body = {"type": "message", "content": said["anthropic_content"], "stop_reason": "end_turn", "usage": {}}
        whole = play(provider.execute(chat()), answer(body))[1].body["choices"][0]["message"]
        assert as_values(whole) == as_values(said)
    assert kept >= 6


def test_an_empty_tool_input_is_an_empty_object(decode):
    tool = begin(0, type="tool_use", id="t1", name="now", input={})
    for stops in ([stop(0)], []):  # some servers leave the block's end out
        body = as_sse(START, tool, delta_event(0, type="input_json_delta", partial_json=""), *stops, end("tool_use"))
        events = decode(body)[0]
        (call,) = fold_chunks(e.chunk for e in events if e.chunk)["choices"][0]["message"]["tool_calls"]
        assert call == {"id": "t1", "type": "function", "function": {"name": "now", "arguments": "{}"}}


def test_parallel_calls_have_an_index_each(decode):
    parts = []
    for index in (1, 2):
        parts += [
            begin(index, type="tool_use", id=f"t{index}", name="f", input={}),
            delta_event(index, type="input_json_delta", partial_json='{"a":'),
            delta_event(index, type="input_json_delta", partial_json=f"{index}}}"),
            stop(index),
        ]
    events = decode(as_sse(START, begin(0, type="text", text=""), stop(0), *parts, end("tool_use")))[0]
    calls = fold_chunks(e.chunk for e in events if e.chunk)["choices"][0]["message"]["tool_calls"]
    assert [(call["id"], call["function"]["arguments"]) for call in calls] == [("t1", '{"a":1}'), ("t2", '{"a":2}')]
    assert [e.finish_reason for e in events if e.kind is EventKind.FINISH] == ["tool_calls"]


def test_thinking_redacted_thinking_and_citations_stream(decode):
    page = {"type": "page_location", "cited_text": "p", "document_index": 0}
    events = decode(
        as_sse(
            START,
            begin(0, type="thinking", thinking="", signature=""),
            delta_event(0, type="thinking_delta", thinking="Hm"),
            delta_event(0, type="signature_delta", signature="s1"),
            stop(0),
            begin(1, type="redacted_thinking", data="zz"),
            stop(1),
            begin(2, type="text", text="", citations=[]),
            delta_event(2, type="citations_delta", citation=page),
            delta_event(2, type="text_delta", text="Yes"),
            stop(2),
            end("end_turn"),
        )
    )[0]
    said = fold_chunks(e.chunk for e in events if e.chunk)["choices"][0]["message"]
    assert said["reasoning_content"] == "Hm"
    assert said["reasoning_details"] == [
        {"type": "reasoning.text", "text": "Hm", "signature": "s1", "format": "anthropic-v1", "index": 0},
        {"type": "reasoning.encrypted", "data": "zz", "format": "anthropic-v1", "index": 1},
    ]
    assert said["annotations"] == [{"type": "citation", "citation": page, "start_index": 0, "end_index": 3}]
    assert said["anthropic_content"][2] == {"type": "text", "text": "Yes", "citations": [page]}


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_json_answer_by_tool_streams_as_text(decode, wrapped):
    schema = {"type": "array"} if wrapped else {"type": "object"}
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    pieces = ['{"value":', "[1]}"]
    deltas = [delta_event(0, type="input_json_delta", partial_json=piece) for piece in pieces]
    tool = begin(0, type="tool_use", id="t", name="answer_in_json", input={})
    events = decode(as_sse(START, tool, *deltas, stop(0), end("tool_use")), features=(), response_format=wanted)[0]
    choice = fold_chunks(e.chunk for e in events if e.chunk)["choices"][0]
    assert choice["message"] == {"role": "assistant", "content": "[1]" if wrapped else '{"value":[1]}'}
    assert choice["finish_reason"] == "stop"


def test_a_refusal_in_a_stream_says_why(decode):
    details = {"type": "refusal", "category": "bio", "explanation": "No."}
    events = decode(as_sse(START, end("refusal", stop_details=details)))[0]
    choice = fold_chunks(e.chunk for e in events if e.chunk)["choices"][0]
    assert (choice["finish_reason"], choice["message"]["refusal"]) == ("content_filter", "No.")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("overloaded_error", FailureKind.SERVER), ("api_error", FailureKind.SERVER),
        ("rate_limit_error", FailureKind.RATE_LIMIT), ("authentication_error", FailureKind.AUTHENTICATION),
        ("invalid_request_error", FailureKind.INVALID_REQUEST), ("something_new", FailureKind.SERVER),
    ],
)  # fmt: skip
@pytest.mark.parametrize("native", [None, {"messages": []}])
def test_errors_in_the_stream(decode, error, kind, native):
    told = {"type": "error", "error": {"type": error, "message": "Overloaded"}, "request_id": "r"}
    events = decode(as_sse(START, told), native=native)[0]
    (failed,) = [event for event in events if event.kind is EventKind.ERROR]
    assert failed.error.failure.kind is kind
    assert failed.error.failure.message == "Overloaded"
    assert failed.raw is None if native is None else json.loads(failed.raw) == told


def test_broken_events_are_skipped_and_counted_and_unknown_ones_ignored(decode):
    good = as_sse(
        START, begin(0, type="text", text=""), {"type": "brand_new"}, delta_event(0, type="text_delta", text="a")
    )
    broken = b"data: {half\n\ndata: 3\n\ndata: \xff\xfe\n\n"
    events, decoder = decode(broken + good)
    assert decoder.skipped == 3
    assert [event.kind for event in events] == [EventKind.OPENING, EventKind.CONTENT, EventKind.DONE]


def test_a_whole_message_in_place_of_a_stream(provider, play, chat, answer):
    body = {
        "id": "m",
        "model": "x",
        "content": [{"type": "text", "text": "a"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1},
    }
    decoder = play(provider.execute(chat(stream=True)), answer(b""))[1]
    assert not list(decoder.feed(orjson.dumps(body)))
    (event,) = decoder.finish()
    assert (event.kind, event.finish_reason, event.usage) == (EventKind.CONTENT, "stop", Usage(input=1))
    assert event.chunk["choices"][0]["delta"]["content"] == "a"


def test_a_cut_stream_has_no_end(decode):
    body = as_sse(START, begin(0, type="text", text=""), delta_event(0, type="text_delta", text="half"))
    events = decode(body[: body.index(b"event: message_stop")])[0]
    assert [event.kind for event in events] == [EventKind.OPENING, EventKind.CONTENT]
