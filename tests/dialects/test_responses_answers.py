"""What a caller of the Responses API gets: judged by OpenAI's own document."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from modelmesh_core import StreamEvent, Usage, fold_chunks
from modelmesh_core.dialects.responses import VERBATIM
from modelmesh_core.openai_dialect import OpenAIStreamDecoder
from modelmesh_core.wire.messages import Dialect, EventKind

from .responses_cases import RESPONSES, check_grammar, events_of, judge, written

BODY: dict[str, Any] = {
    "model": "pool",
    "input": "hi",
    "instructions": "Be brief",
    "temperature": 0.5,
    "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}],
    "tool_choice": "required",
    "metadata": {"a": "b"},
}
TOKEN = {"token": "Hi", "logprob": -0.5, "bytes": None, "top_logprobs": []}
MESSAGE: dict[str, Any] = {
    "role": "assistant",
    "content": "Hi there",
    "reasoning_content": "hm",
    "annotations": [
        {"type": "url_citation", "url_citation": {"url": "u", "title": "t", "start_index": 0, "end_index": 2}}
    ],
    "tool_calls": [
        {
            "id": "c1",
            "type": "function",
            "function": {"name": "f", "arguments": '{"a":1}'},
            "extra_content": {"google": {"thought_signature": "s"}},
        },
        {"id": "c2", "type": "custom", "custom": {"name": "g", "input": "raw"}},
    ],
    "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}],
}
USAGE = {
    "prompt_tokens": 10,
    "completion_tokens": 7,
    "total_tokens": 17,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 2},
}


def reply(message: dict[str, Any], reason: str = "stop", **choice: Any) -> dict[str, Any]:
    choices = [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason, **choice}]
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 5,
        "model": "m-1",
        "choices": choices,
        "usage": USAGE,
    }


def message_again(response: dict[str, Any]) -> dict[str, Any]:
    """What the caller's next request says that the assistant had said."""
    return RESPONSES.to_chat({"input": response["output"] or "nothing"})["messages"][0]


def test_a_whole_answer_is_what_openais_document_demands() -> None:
    response = RESPONSES.from_chat(reply(MESSAGE, "tool_calls", logprobs={"content": [TOKEN]}), BODY)
    plain = [
        {k: v for k, v in item.items() if k not in ("extra_content", "output_format")} for item in response["output"]
    ]
    judge("Response", {**response, "output": plain})
    assert [item["type"] for item in response["output"]] == [
        "reasoning",
        "message",
        "function_call",
        "custom_tool_call",
        "image_generation_call",
    ]
    thought, said, call, custom, _ = response["output"]
    assert thought["content"] == [{"type": "reasoning_text", "text": "hm"}]
    [part] = said["content"]
    assert part["text"] == "Hi there" and part["annotations"][0]["url"] == "u" and part["logprobs"][0]["bytes"] == []
    assert (call["call_id"], call["name"], call["arguments"]) == ("c1", "f", '{"a":1}')
    assert (custom["call_id"], custom["input"]) == ("c2", "raw")
    assert response["id"] == "resp_chatcmpl-1" and response["created_at"] == 5 and response["model"] == "m-1"
    assert response["status"] == "completed" and response["incomplete_details"] is None
    assert response["instructions"] == "Be brief" and response["temperature"] == 0.5
    assert response["tools"][0]["strict"] is True and response["tool_choice"] == "required"
    usage = response["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (10, 7, 17)
    assert usage["input_tokens_details"]["cached_tokens"] == 4
    assert usage["output_tokens_details"]["reasoning_tokens"] == 2


def test_an_answer_comes_back_in_the_next_request_as_it_was() -> None:
    again = message_again(RESPONSES.from_chat(reply(MESSAGE), BODY))
    assert {key: again[key] for key in MESSAGE} == MESSAGE


def test_another_vendors_signed_thoughts_and_own_fields_survive_a_callers_turn() -> None:
    details = [
        {"type": "reasoning.text", "text": "a", "signature": "sig", "format": "anthropic-v1", "index": 0},
        {"type": "reasoning.encrypted", "data": "zz", "format": "anthropic-v1", "index": 1},
    ]
    own = [
        {"type": "thinking", "thinking": "a"},
        {"type": "text", "text": "x", "citations": [{"type": "char_location"}]},
    ]
    cited = [{"type": "citation", "citation": {"type": "char_location"}, "start_index": 0, "end_index": 1}]
    message = {"content": "x", "reasoning_content": "a", "reasoning_details": details, "anthropic_content": own}
    again = message_again(RESPONSES.from_chat(reply({**message, "annotations": cited}), {}))
    assert again == {"role": "assistant", **message, "annotations": cited}


@pytest.mark.parametrize(
    ("reason", "status", "why"),
    [("length", "incomplete", "max_output_tokens"), ("content_filter", "incomplete", "content_filter")],
)
def test_an_answer_that_was_cut_says_why(reason: str, status: str, why: str) -> None:
    response = RESPONSES.from_chat(reply({"content": "Hal"}, reason), BODY)
    judge("Response", response)
    assert (response["status"], response["incomplete_details"]) == (status, {"reason": why})


def test_a_refusal_is_a_part_of_a_message() -> None:
    response = RESPONSES.from_chat(reply({"content": None, "refusal": "I will not"}), BODY)
    judge("Response", response)
    assert response["output"][0]["content"] == [{"type": "refusal", "refusal": "I will not"}]


def chunks_of(message: dict[str, Any], sizes: list[int]) -> list[dict[str, Any]]:
    """A message as a vendor streams it: texts in pieces, the rest whole."""

    def chunk(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 5,
            "model": "m-1",
            "choices": [choice],
        }

    def pieces(text: str) -> list[str]:
        found, turn = [], 0
        while text:
            size = sizes[turn % len(sizes)]
            found.append(text[:size])
            text, turn = text[size:], turn + 1
        return found

    made = [chunk({"role": "assistant", "content": ""})]
    for index, detail in enumerate(message.get("reasoning_details", ())):
        made.append(chunk({"reasoning_details": [{**detail, "index": index}]}))
    for key in ("reasoning_content", "content", "refusal"):
        made += [chunk({key: piece}) for piece in pieces(message.get(key) or "")]
    for index, call in enumerate(message.get("tool_calls", ())):
        kind, field = call["type"], "input" if call["type"] == "custom" else "arguments"
        first = {**call, "index": index, kind: {**call[kind], field: ""}}
        made.append(chunk({"tool_calls": [first]}))
        made += [chunk({"tool_calls": [{"index": index, kind: {field: p}}]}) for p in pieces(call[kind][field])]
    rest = {key: message[key] for key in ("annotations", "images") if key in message}
    return [*made, chunk(rest, "stop"), {"id": "chatcmpl-1", "choices": [], "usage": USAGE}]


TEXT = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12)
CALL = st.builds(
    lambda i, n, a: {"id": i, "type": "function", "function": {"name": n, "arguments": a}}, TEXT, TEXT, TEXT
)
DETAIL = st.builds(
    lambda s, f: {"type": "reasoning.encrypted", "data": s, "format": f, "id": "rs_" + s},
    TEXT,
    st.sampled_from(("anthropic-v1", "openai-responses-v1")),
)
ANSWERS = st.fixed_dictionaries(
    {},
    optional={
        "content": TEXT,
        "reasoning_content": TEXT,
        "reasoning_details": st.lists(DETAIL, min_size=1, max_size=3),
        "refusal": TEXT,
        "tool_calls": st.lists(CALL, min_size=1, max_size=3),
        "images": st.just(MESSAGE["images"]),
        "annotations": st.just(MESSAGE["annotations"]),
    },
)


@settings(max_examples=150, deadline=None)
@given(ANSWERS, st.lists(st.integers(1, 5), min_size=1, max_size=3))
def test_a_stream_adds_up_to_the_whole_answer(message: dict[str, Any], sizes: list[int]) -> None:
    chunks = chunks_of(message, sizes)
    streamed = check_grammar(events_of(written(chunks, BODY)))
    whole = RESPONSES.from_chat(fold_chunks(chunks), BODY)
    assert {**message_again(streamed), VERBATIM: 0} == {**message_again(whole), VERBATIM: 0}
    assert {**streamed, "output": 0} == {**whole, "output": 0}
    again = message_again(whole)
    kept = [key for key in message if key not in ("reasoning_details",)]
    assert {key: again[key] for key in kept} == {key: message[key] for key in kept}


def test_every_event_is_what_openais_document_demands() -> None:
    details = [
        {"type": "reasoning.summary", "summary": "s", "format": "openai-responses-v1", "id": "rs_1"},
        {"type": "reasoning.encrypted", "data": "e", "format": "openai-responses-v1", "id": "rs_1"},
    ]
    for message in ({**MESSAGE, "refusal": "no"}, {"reasoning_details": details, "content": "x"}):
        message = {key: value for key, value in message.items() if key != "images"}
        events = events_of(written(chunks_of(message, [3]), BODY))
        check_grammar(events)
        for event in events:
            judge(NAMES[event["type"]], event)
    assert [event["type"] for event in events if "summary" in event["type"]] == [
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.done",
        "response.reasoning_summary_part.done",
    ]


NAMES = {
    "response.created": "ResponseCreatedEvent",
    "response.in_progress": "ResponseInProgressEvent",
    "response.completed": "ResponseCompletedEvent",
    "response.incomplete": "ResponseIncompleteEvent",
    "response.failed": "ResponseFailedEvent",
    "error": "ResponseErrorEvent",
    "response.output_item.added": "ResponseOutputItemAddedEvent",
    "response.output_item.done": "ResponseOutputItemDoneEvent",
    "response.content_part.added": "ResponseContentPartAddedEvent",
    "response.content_part.done": "ResponseContentPartDoneEvent",
    "response.output_text.delta": "ResponseTextDeltaEvent",
    "response.output_text.done": "ResponseTextDoneEvent",
    "response.output_text.annotation.added": "ResponseOutputTextAnnotationAddedEvent",
    "response.refusal.delta": "ResponseRefusalDeltaEvent",
    "response.refusal.done": "ResponseRefusalDoneEvent",
    "response.function_call_arguments.delta": "ResponseFunctionCallArgumentsDeltaEvent",
    "response.function_call_arguments.done": "ResponseFunctionCallArgumentsDoneEvent",
    "response.custom_tool_call_input.delta": "ResponseCustomToolCallInputDeltaEvent",
    "response.custom_tool_call_input.done": "ResponseCustomToolCallInputDoneEvent",
    "response.reasoning_text.delta": "ResponseReasoningTextDeltaEvent",
    "response.reasoning_text.done": "ResponseReasoningTextDoneEvent",
    "response.reasoning_summary_part.added": "ResponseReasoningSummaryPartAddedEvent",
    "response.reasoning_summary_part.done": "ResponseReasoningSummaryPartDoneEvent",
    "response.reasoning_summary_text.delta": "ResponseReasoningSummaryTextDeltaEvent",
    "response.reasoning_summary_text.done": "ResponseReasoningSummaryTextDoneEvent",
}


def test_usage_beside_the_chunks_is_reported_too() -> None:
    writer = RESPONSES.writer(BODY)
    chunk = chunks_of({"content": "x"}, [5])[1]
    data = (
        writer.write([StreamEvent(EventKind.CONTENT, chunk, usage=Usage(input=3, output=2, reasoning=1))])
        + writer.end()
    )
    usage = events_of(data)[-1]["response"]["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (3, 3)


def test_an_answer_that_breaks_off_ends_in_error_and_failed() -> None:
    decoder, writer = OpenAIStreamDecoder(), RESPONSES.writer(BODY)
    data = b"".join(writer.write([decoder.event(chunk)]) for chunk in chunks_of(MESSAGE, [4])[:5])
    data += writer.fail({"message": "it broke", "type": "server_error", "code": None, "param": None})
    *_, error, failed = events_of(data)
    judge("ResponseErrorEvent", error)
    judge("ResponseFailedEvent", failed)
    assert error["message"] == "it broke" and failed["response"]["error"]["code"] == "server_error"
    assert failed["sequence_number"] == error["sequence_number"] + 1


def test_a_failure_before_the_first_event_is_an_error_alone() -> None:
    [event] = events_of(RESPONSES.writer(BODY).fail({"message": "no", "code": "invalid_prompt"}))
    assert (event["type"], event["sequence_number"], event["code"]) == ("error", 0, "invalid_prompt")


def test_an_error_body_keeps_its_envelope() -> None:
    assert RESPONSES.error(429, {"message": "x"}, "r") == {"error": {"message": "x"}}


def test_another_model_goes_on_where_native_events_stopped() -> None:
    """The caller sees one response: the same ids, numbers that go on, the text in the message that was open."""
    whole = written(
        chunks_of({"reasoning_content": "hm", "content": "Hello", "tool_calls": MESSAGE["tool_calls"][:1]}, [3])
    )
    lines = [line[6:] for line in whole.splitlines() if line.startswith(b"data: ")]
    for stop in range(1, len(lines)):
        writer, decoder = RESPONSES.writer({"model": "m", "input": "hi"}), OpenAIStreamDecoder()
        native = [StreamEvent(EventKind.CONTENT, raw=line, dialect=Dialect.OPENAI_RESPONSES) for line in lines[:stop]]
        data = writer.write(native)
        if b"response.completed" in lines[stop - 1]:
            continue
        for chunk in chunks_of({"content": " world"}, [4]):
            data += writer.write([decoder.event(chunk)])
        events = events_of(data + writer.end())
        response = check_grammar(events)
        assert response["id"] == events[0]["response"]["id"]
        said = [p["text"] for i in response["output"] if i["type"] == "message" for p in i["content"]]
        assert "".join(said).endswith(" world")
        assert "".join(said) in ("Hel world", "Hello world", " world")


def test_a_native_stream_that_ended_is_not_ended_twice() -> None:
    writer = RESPONSES.writer(BODY)
    raw = b'{"type":"response.completed","response":{}}'
    data = writer.write([StreamEvent(EventKind.FINISH, {}, raw=raw, dialect=Dialect.OPENAI_RESPONSES)])
    assert data == b"event: response.completed\ndata: " + raw + b"\n\n"
    assert writer.end() == b"" and writer.fail({"message": "x"}) == b""
