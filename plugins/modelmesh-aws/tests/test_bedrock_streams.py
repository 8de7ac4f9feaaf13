"""Streamed answers."""

import json
import random

import pytest
from modelmesh_core import EventKind, FailureKind, Headers, HttpResponse, ProviderError, fold_chunks


def told(events):
    return [(event.kind, event.chunk, event.usage, event.finish_reason) for event in events]


def folded(events):
    return fold_chunks(event.chunk for event in events if event.chunk)


def test_recorded_streams_say_what_they_said(streams, open_stream):
    from modelmesh_aws.eventstream import EventStreamDecoder

    assert len(streams) >= 10
    for one in streams:
        plain = EventStreamDecoder().feed(one.body)
        named = [(found.headers[":event-type"], json.loads(found.payload)) for found in plain]
        text, names, inputs, usage, reason = "", {}, {}, {}, ""
        for _, body in named:
            index, delta = body.get("contentBlockIndex"), body.get("delta", {})
            text += delta.get("text", "")
            use = body.get("start", {}).get("toolUse")
            if use and use.get("type") != "server_tool_use":
                names[index] = (use["toolUseId"], use["name"])
            if index in names and "toolUse" in delta:
                inputs[index] = inputs.get(index, "") + delta["toolUse"]["input"]
            usage, reason = body.get("usage", usage), body.get("stopReason", reason)

        events = open_stream(model=one.model).feed(one.body)
        completion = folded(events)
        said = completion["choices"][0]["message"]
        assert (said["content"] or "") == text, one.id
        calls = [(call["id"], call["function"]["name"]) for call in said.get("tool_calls", [])]
        assert calls == list(names.values())
        arguments = [json.loads(call["function"]["arguments"]) for call in said.get("tool_calls", [])]
        assert arguments == [json.loads(inputs[index]) for index in names]
        assert completion["choices"][0]["native_finish_reason"] == reason
        (found,) = [event.usage for event in events if event.usage]
        assert (found.input, found.output, found.total) == (
            usage["inputTokens"],
            usage["outputTokens"],
            usage["totalTokens"],
        )
        assert events[0].kind is EventKind.OPENING
        for event in events:
            assert event.chunk["object"] == "chat.completion.chunk"
            assert event.chunk["id"] and event.chunk["model"] == one.model


def test_cuts_change_nothing(streams, open_stream):
    dice = random.Random(7)
    for one in streams:
        whole = told(open_stream(model=one.model).feed(one.body))
        ways = [[1] * len(one.body)] if len(one.body) < 3000 else []
        ways += [[dice.randint(1, 400) for _ in range(len(one.body))] for _ in range(30)]
        for way in ways:
            decoder, events, at = open_stream(model=one.model), [], 0
            for step in way:
                events += decoder.feed(one.body[at : at + step])
                at += step
                if at >= len(one.body):
                    break
            assert told(events + decoder.finish()) == whole, one.id
            assert decoder.skipped == 0


def test_recorded_citations_and_server_tools(streams, open_stream):
    by_name = {one.id.rpartition("/")[2]: one for one in streams}
    cited = next(one for name, one in by_name.items() if "streams_citations" in name)
    message = folded(open_stream(model=cited.model).feed(cited.body))["choices"][0]["message"]
    (annotation,) = message["annotations"]
    assert annotation["citation"]["title"] == "facts"
    assert annotation["end_index"] == len(message["content"])
    assert message["bedrock_content"]["content"][0]["citationsContent"]["citations"] == [annotation["citation"]]
    ran = next(one for name, one in by_name.items() if "code_execution" in name)
    message = folded(open_stream(model=ran.model).feed(ran.body))["choices"][0]["message"]
    kept = message["bedrock_content"]["content"]
    assert kept[0]["toolUse"]["input"] == {"snippet": "1234 * 5678"}
    assert kept[1]["toolResult"]["content"][0]["json"]["stdOut"] == "7006652"


def test_thoughts_with_signatures(open_stream, event):
    pieces = [
        {"reasoningContent": {"text": "Hm"}},
        {"reasoningContent": {"text": "m"}},
        {"reasoningContent": {"signature": "sig=="}},
    ]
    data = event("messageStart", {"role": "assistant"})
    data += b"".join(event("contentBlockDelta", {"contentBlockIndex": 0, "delta": piece}) for piece in pieces)
    data += event("contentBlockStop", {"contentBlockIndex": 0})
    for piece in ("aGVs", "bG8="):
        delta = {"reasoningContent": {"redactedContent": piece}}
        data += event("contentBlockDelta", {"contentBlockIndex": 1, "delta": delta})
    data += event("contentBlockStop", {"contentBlockIndex": 1})
    data += event("contentBlockDelta", {"contentBlockIndex": 2, "delta": {"text": "Yes"}})
    data += event("messageStop", {"stopReason": "end_turn", "additionalModelResponseFields": {"x": 1}})
    completion = folded(open_stream().feed(data))
    assert completion["additionalModelResponseFields"] == {"x": 1}
    assert completion["choices"][0]["message"] == {
        "role": "assistant",
        "content": "Yes",
        "reasoning_content": "Hmm",
        "reasoning_details": [
            {"type": "reasoning.text", "text": "Hmm", "format": "anthropic-v1", "index": 0, "signature": "sig=="},
            {"type": "reasoning.encrypted", "data": "aGVsbG8=", "format": "bedrock-anthropic-v1", "index": 1},
        ],
    }


@pytest.mark.parametrize("wrapped", [False, True])
def test_answer_in_json_streams_as_text(open_stream, event, wrapped):
    schema = {"type": "array"} if wrapped else {"type": "object"}
    decoder = open_stream(response_format={"type": "json_schema", "json_schema": {"schema": schema}})
    start = {"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "t", "name": "give_answer"}}}
    data = event("contentBlockStart", start)
    for piece in ('{"val', 'ue":[1', "]}"):
        data += event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"toolUse": {"input": piece}}})
    data += event("contentBlockStop", {"contentBlockIndex": 0}) + event("messageStop", {"stopReason": "tool_use"})
    events = decoder.feed(data)
    choice = folded(events)["choices"][0]
    assert choice["message"]["content"] == ("[1]" if wrapped else '{"value":[1]}')
    assert "tool_calls" not in choice["message"]
    assert choice["finish_reason"] == events[-1].finish_reason == "stop"


def test_call_without_arguments_has_an_empty_object(open_stream, event):
    data = event("contentBlockStart", {"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "t", "name": "f"}}})
    data += event("contentBlockStop", {"contentBlockIndex": 0}) + event("messageStop", {"stopReason": "tool_use"})
    (call,) = folded(open_stream().feed(data))["choices"][0]["message"]["tool_calls"]
    assert call == {"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("name", "body", "kind", "status"),
    [
        ("throttlingException", {"message": "Too many tokens"}, FailureKind.RATE_LIMIT, 429),
        ("internalServerException", {"message": "Oops"}, FailureKind.SERVER, 500),
        ("serviceUnavailableException", {"message": "Later"}, FailureKind.SERVER, 503),
        ("modelStreamErrorException", {"message": "x", "originalStatusCode": 500}, FailureKind.SERVER, 424),
        ("modelStreamErrorException", {"message": "x", "originalStatusCode": 429}, FailureKind.RATE_LIMIT, 424),
        ("modelTimeoutException", {"message": "x"}, FailureKind.SERVER, 408),
        ("validationException", {"message": "Input is too long for requested model."}, FailureKind.CONTEXT_LENGTH, 400),
        ("validationException", {"message": "Bad"}, FailureKind.INVALID_REQUEST, 400),
        ("brandNewException", {"message": "?"}, FailureKind.SERVER, None),
    ],
)
def test_exception_within_a_stream(open_stream, event, message, name, body, kind, status):
    decoder = open_stream()
    decoder.feed(event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "a"}}))
    (found,) = decoder.feed(message(body, message_type="exception", exception_type=name))
    failure = found.error.failure
    assert (found.kind, failure.kind, failure.status) == (EventKind.ERROR, kind, status)
    assert failure.message == body["message"] and failure.body == body
    assert failure.code == name[0].upper() + name[1:]


def test_error_message_within_a_stream(open_stream, message):
    (found,) = open_stream().feed(message(message_type="error", error_code="InternalError", error_message="Broke"))
    assert (found.kind, found.error.failure.message) == (EventKind.ERROR, "Broke")


def test_unknown_events_say_nothing_and_broken_ones_are_counted(open_stream, event):
    decoder = open_stream()
    assert decoder.feed(event("novelty", {"a": 1})) == []
    assert decoder.skipped == 0
    assert decoder.feed(event("contentBlockDelta", b"{")) == decoder.feed(event("contentBlockDelta", [])) == []
    assert decoder.skipped == 2


def test_breakdown_without_an_answer_is_a_failure(open_stream, event):
    (found,) = open_stream().feed(event("messageStop", {"stopReason": "malformed_model_output"}))
    assert (found.kind, found.error.failure.kind) == (EventKind.ERROR, FailureKind.SERVER)


def test_damaged_stream_is_undecodable(streams, open_stream):
    body = bytearray(streams[0].body)
    body[-3] ^= 1
    with pytest.raises(ProviderError) as caught:
        open_stream().feed(bytes(body))
    assert caught.value.failure.kind is FailureKind.UNDECODABLE


def test_whole_answer_where_a_stream_was_asked_for(provider, play, make_call):
    head = Headers([("content-type", "application/json")])
    decoder = play(provider.execute(make_call(stream=True)), HttpResponse(200, head))[1]
    body = {"output": {"message": {"content": [{"text": "Hi"}]}}, "stopReason": "end_turn"}
    data = json.dumps(body).encode()
    assert decoder.feed(data[:9]) == decoder.feed(data[9:]) == []
    (event,) = decoder.finish()
    assert (event.chunk["choices"][0]["delta"]["content"], event.finish_reason) == ("Hi", "stop")


def test_stream_is_asked_for_at_its_own_address(provider, make_call):
    request = next(provider.execute(make_call(stream=True)))
    assert request.stream and request.url.endswith("/converse-stream")
    assert request.headers["accept"] == "application/vnd.amazon.eventstream"
    assert b"stream" not in request.body
