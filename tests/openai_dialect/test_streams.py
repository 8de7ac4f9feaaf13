"""Streams: what each chunk means, cuts anywhere, broken lines, errors inside a success."""

import random

import orjson
import pytest
from modelmesh_core import EventKind, FailureKind, Headers, HttpResponse, LimitReport, Usage
from modelmesh_core.openai_dialect import OpenAIStreamDecoder, fold_chunks
from modelmesh_core.openai_dialect.folding import unfold_reply


def chunk(delta=None, finish_reason=None, index=0, **more):
    choice = {"index": index, "delta": delta or {}, "finish_reason": finish_reason}
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **more}


def events_of(*payloads, decoder=None):
    decoder = decoder or OpenAIStreamDecoder()
    data = b"".join(b"data: " + (p if isinstance(p, bytes) else orjson.dumps(p)) + b"\n\n" for p in payloads)
    return [*decoder.feed(data), *decoder.finish()]


USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def test_each_part_of_an_ordinary_stream_has_its_kind():
    events = events_of(
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "Hel"}),
        chunk({"content": "lo"}),
        chunk({}, "stop"),
        {**chunk(), "choices": [], "usage": USAGE},
        b"[DONE]",
    )

    assert [event.kind.value for event in events] == ["opening", "content", "content", "finish", "usage", "done"]
    assert events[3].finish_reason == "stop"
    assert events[4].usage == Usage(3, 2)
    assert events[1].raw == orjson.dumps(events[1].chunk)
    assert events[5].chunk is None


@pytest.mark.parametrize(
    "delta",
    [
        {"content": "x"},
        {"role": "assistant", "content": "x"},
        {"reasoning": "x"},
        {"reasoning_content": "x"},
        {"refusal": "x"},
        {"tool_calls": [{"index": 0, "function": {"arguments": ""}}]},
        {"function_call": {"name": "f"}},
        {"audio": {"data": "aa"}},
        {"something_new": {"x": 1}},
    ],
)
def test_whatever_the_model_says_is_content(delta):
    assert [event.kind for event in events_of(chunk(delta))] == [EventKind.CONTENT]


@pytest.mark.parametrize("delta", [{}, {"role": "assistant"}, {"role": "assistant", "content": None, "tool_calls": []}])
def test_a_chunk_that_says_nothing_is_opening(delta):
    assert [event.kind for event in events_of(chunk(delta))] == [EventKind.OPENING]


def test_filter_results_before_the_first_choice_are_opening():
    assert events_of({**chunk(), "choices": [], "prompt_filter_results": []})[0].kind is EventKind.OPENING


def test_the_last_words_and_the_finish_reason_may_share_a_chunk():
    (event,) = events_of(chunk({"content": "bye"}, "length", usage=USAGE))

    assert (event.kind, event.finish_reason, event.usage) == (EventKind.CONTENT, "length", Usage(3, 2))


def test_usage_in_a_chunk_that_still_has_a_choice_is_usage_once_the_answer_has_ended():
    first, last, usage = events_of(
        chunk({"role": "assistant"}, usage=USAGE), chunk({}, "stop"), chunk({"content": ""}, usage=USAGE)
    )

    assert (first.kind, first.usage) == (EventKind.OPENING, Usage(3, 2))
    assert last.kind is EventKind.FINISH
    assert (usage.kind, usage.usage) == (EventKind.USAGE, Usage(3, 2))


def test_a_stream_of_several_choices_ends_with_the_last_of_them():
    events = events_of(
        chunk({"content": "a"}),
        chunk({"content": "b"}, index=1),
        chunk({}, "stop"),
        chunk({}, "length", index=1),
    )

    assert [event.finish_reason for event in events] == [None, None, None, "length"]
    assert [event.kind.value for event in events] == ["content", "content", "content", "finish"]


def test_a_broken_line_is_skipped_and_counted():
    decoder = OpenAIStreamDecoder()
    events = events_of(chunk({"content": "a"}), b'{"cut', b"42", chunk({"content": "b"}), decoder=decoder)

    assert [event.chunk["choices"][0]["delta"]["content"] for event in events] == ["a", "b"]
    assert decoder.skipped == 2


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        ({"error": {"message": "slow", "type": "tokens", "code": "rate_limit_exceeded"}}, FailureKind.RATE_LIMIT),
        ({"error": {"message": "gone", "code": 502}}, FailureKind.SERVER),
        ({"error": {"message": "gone", "code": "503"}}, FailureKind.SERVER),
        ({"error": "boom"}, FailureKind.SERVER),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, FailureKind.SERVER),
        ({"object": "error", "message": "maximum context length is 9", "code": 400}, FailureKind.CONTEXT_LENGTH),
        ({**chunk({"content": ""}, "error"), "error": {"code": 429, "message": "m"}}, FailureKind.RATE_LIMIT),
        (chunk({"content": ""}, "error"), FailureKind.SERVER),
    ],
)
def test_an_error_inside_a_success_is_an_error_event(payload, kind):
    (event,) = events_of(payload)

    assert event.kind is EventKind.ERROR
    assert event.error.failure.kind is kind
    assert event.error.failure.body == payload


def test_an_event_named_error_is_an_error_whatever_its_shape():
    decoder = OpenAIStreamDecoder()
    (event,) = decoder.feed(b'event: error\ndata: {"message": "no capacity", "code": 503}\n\n')

    assert event.error.failure.kind is FailureKind.SERVER
    assert (event.error.failure.message, event.error.failure.status) == ("no capacity", 503)


def test_a_wait_named_inside_a_stream_is_kept():
    (event,) = events_of({"error": {"code": 429, "message": "Please try again in 18.642s."}})
    assert event.error.retry_after == pytest.approx(18.642)


def test_a_payload_of_several_lines_is_decoded_but_not_offered_for_forwarding():
    decoder = OpenAIStreamDecoder()
    (event,) = decoder.feed(b'data: {"choices": [{"index": 0,\ndata: "delta": {"content": "x"}}]}\n\n')

    assert event.kind is EventKind.CONTENT
    assert event.raw is None


def test_keepalives_and_comments_are_silent():
    decoder = OpenAIStreamDecoder()
    assert decoder.feed(b": OPENROUTER PROCESSING\n\ndata: \n\n") == []
    assert decoder.skipped == 0


def test_cuts_anywhere_change_nothing():
    payloads = [
        chunk({"content": "häß€🙂"}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"city": "Zürich"}'}}]}),
        chunk({}, "tool_calls"),
        {**chunk(), "choices": [], "usage": USAGE},
    ]
    data = b"".join(b"event: x\r\ndata: " + orjson.dumps(p) + b"\r\n\r\n" for p in payloads) + b"data: [DONE]\r\n\r\n"
    whole = OpenAIStreamDecoder()
    expected = [(e.kind, e.chunk, e.raw) for e in [*whole.feed(data), *whole.finish()]]
    assert len(expected) == 5

    for seed in range(50):
        chance, decoder, events, rest = random.Random(seed), OpenAIStreamDecoder(), [], data
        while rest:
            size = chance.randint(1, 12)
            events += decoder.feed(rest[:size])
            rest = rest[size:]
        events += decoder.finish()
        assert [(e.kind, e.chunk, e.raw) for e in events] == expected


def test_a_server_that_answers_a_stream_with_one_body_still_answers(provider, play, chat):
    message = {"role": "assistant", "content": None, "tool_calls": [{"id": "t", "function": {"name": "f"}}]}
    body = {"id": "c", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}], "usage": USAGE}
    head = HttpResponse(200, Headers([("content-type", "application/json; charset=utf-8")]))

    _, decoder = play(provider.execute(chat(stream=True)), head)
    data = orjson.dumps(body)
    assert [*decoder.feed(data[:20]), *decoder.feed(data[20:])] == []
    (event,) = decoder.finish()

    assert (event.kind, event.finish_reason, event.usage) == (EventKind.CONTENT, "tool_calls", Usage(3, 2))
    assert fold_chunks([event.chunk])["choices"] == body["choices"]


def test_a_server_that_answers_a_stream_with_one_error_fails(provider, play, chat):
    head = HttpResponse(200, Headers([("content-type", "application/json")]))
    _, decoder = play(provider.execute(chat(stream=True)), head)
    decoder.feed(b'{"error": {"message": "quota", "code": "insufficient_quota"}}')

    (event,) = decoder.finish()

    assert event.error.failure.kind is FailureKind.QUOTA


@pytest.mark.parametrize("media_type", ["text/event-stream", "application/json"])
def test_a_stream_tells_the_limits_of_its_head(provider, play, chat, media_type):
    head = HttpResponse(200, Headers([("content-type", media_type), ("x-ratelimit-remaining-tokens", "7")]))

    _, decoder = play(provider.execute(chat(stream=True)), head)

    assert decoder.headroom == {"tokens": LimitReport(remaining=7)}


def test_folding_adds_a_stream_up_to_the_whole_reply():
    reply = fold_chunks(
        [
            chunk({"role": "assistant", "content": None}),
            chunk({"reasoning": "Let me "}),
            chunk({"reasoning": "see."}),
            chunk(
                {
                    "tool_calls": [
                        {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}
                    ]
                }
            ),
            chunk(
                {
                    "tool_calls": [
                        {"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": "{"}}
                    ]
                }
            ),
            chunk({"tool_calls": [{"index": 0, "id": "", "function": {"name": None, "arguments": '{"x"'}}]}),
            chunk(
                {
                    "tool_calls": [
                        {"index": 1, "function": {"arguments": "}"}},
                        {"index": 0, "function": {"arguments": ":1}"}},
                    ]
                }
            ),
            chunk({}, "tool_calls"),
            {**chunk(), "choices": [], "usage": USAGE},
        ]
    )

    assert reply == {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "usage": USAGE,
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": None,
                    "reasoning": "Let me see.",
                    "tool_calls": [
                        {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
                        {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
                    ],
                },
                "finish_reason": "tool_calls",
            }
        ],
    }


def test_folding_keeps_choices_and_logprobs_apart_and_leaves_the_chunks_alone():
    chunks = [
        chunk({"content": "b"}, index=1),
        chunk({"content": "a"}),
        chunk({"content": "A"}),
        chunk({}, "stop", index=1),
    ]
    chunks[1]["choices"][0]["logprobs"] = {"content": [{"token": "a"}]}
    chunks[2]["choices"][0]["logprobs"] = {"content": [{"token": "A"}]}
    before = orjson.dumps(chunks)

    reply = fold_chunks(chunks)

    assert [choice["message"]["content"] for choice in reply["choices"]] == ["aA", "b"]
    assert [choice["finish_reason"] for choice in reply["choices"]] == [None, "stop"]
    assert reply["choices"][0]["logprobs"] == {"content": [{"token": "a"}, {"token": "A"}]}
    assert orjson.dumps(chunks) == before


def test_unfolding_and_folding_give_the_same_reply():
    calls = [{"id": i, "type": "function", "function": {"name": "f", "arguments": "{}"}} for i in "ab"]
    message = {"role": "assistant", "content": "Hi", "refusal": None, "tool_calls": calls}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = {"id": "c1", "object": "chat.completion", "model": "m", "choices": [choice], "usage": USAGE}

    assert fold_chunks([unfold_reply(body)]) == body


@pytest.mark.parametrize("index", [[0], {"a": 1}, "0", None, -1, 1.5, True])
def test_an_index_may_be_anything_and_harms_nothing(index):
    first, second, last = events_of(
        chunk({"content": "a"}, index=index), chunk({"content": "b"}, index=index), chunk({}, "stop", index=index)
    )
    assert (first.kind, second.kind) == (EventKind.CONTENT, EventKind.CONTENT)
    assert last.finish_reason == "stop"
