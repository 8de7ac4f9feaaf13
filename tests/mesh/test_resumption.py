"""A stream that breaks after its first content: another model takes it up, and the caller reads one whole answer."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meshes import ask, config
from modelmesh_core import Failure, FailureKind, ModelMesh, ProviderError
from modelmesh_core.testing import FakeUpstream, answers

A, B, C = "https://a.test/v1", "https://b.test/v1", "https://c.test/v1"
RESET = Failure(FailureKind.CONNECTION, "connection reset")
TEXT = "The quick brown fox ünd ☃ jumps over the lazy dog."


def cut(*words, **more):
    return answers.stream(*words, finish=False, done=False, usage=None, **more)


def words_of(text):
    return [word + " " for word in text.split(" ")[:-1]] + [text.split(" ")[-1]]


def heard(stream):
    return [choice.delta.content for chunk in stream for choice in chunk.choices if choice.delta.content]


def prefilling(*ids):
    made = config(*ids)
    made["models"][ids[-1]]["features"] = ["prefill"]
    return made


def sent_to(upstream, base):
    return [json.loads(request.body) for request in upstream.requests_to(base)]


def raw_events(*payloads):
    return answers.Answer(
        200, headers={"content-type": "text/event-stream"}, chunks=[b"data: " + p + b"\n\n" for p in payloads]
    )


def chunk(delta, finish=None, **choice):
    body = {"id": "c1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish, **choice}]}
    return json.dumps(body).encode()


@pytest.mark.parametrize("failure", [None, RESET], ids=["silent end", "reset"])
def test_another_model_that_says_the_same_goes_on_where_the_first_broke_off(failure, make_mesh, upstream: FakeUpstream):
    upstream.script(A, [cut("The ", "quick br", failure=failure)])
    upstream.script(B, [answers.stream("The quick", " brown ", "fox.")])
    stream = ask(make_mesh(config("a.one", "b.two")), stream=True)

    assert heard(stream) == ["The ", "quick br", "own ", "fox."]
    record = stream.modelmesh
    assert (record.status, record.model, record.replaced_model) == ("success", "b.two", "a.one")
    assert [attempt.status for attempt in record.attempts] == ["failed", "success"]
    assert upstream.open_streams == 0


def test_the_caller_sees_one_answer_of_one_id_with_one_role(make_mesh, upstream: FakeUpstream):
    upstream.script(A, [cut("one ")])
    upstream.script(B, [answers.stream("one ", "two")])
    chunks = [chunk.to_dict() for chunk in ask(make_mesh(config("a.one", "b.two")), stream=True)]

    assert len({chunk["id"] for chunk in chunks}) == 1
    assert [bool(choice["delta"].get("role")) for chunk in chunks for choice in chunk["choices"]].count(True) == 1
    assert [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"]][-1] == "stop"


def test_an_answer_that_differs_ends_in_an_error_and_no_text_is_mixed(make_mesh, upstream: FakeUpstream):
    upstream.script(A, [cut("The ", "quick ")])
    upstream.script(B, [answers.stream("The ", "lazy ", "dog")])
    mesh = make_mesh(config("a.one", "b.two", pool={"retry": {"max_attempts": 1}}))
    stream = ask(mesh, stream=True)
    said = []
    with pytest.raises(ProviderError) as caught:
        for chunk in stream:
            said.extend(choice.delta.content for choice in chunk.choices if choice.delta.content)

    assert said == ["The ", "quick "]
    assert caught.value.failure.kind is FailureKind.STREAM_CUT
    assert caught.value.model == "a.one", "the error is about what broke, not about who could not help"
    assert [attempt.status for attempt in stream.modelmesh.attempts] == ["failed", "cancelled"]
    assert mesh.pool_status()["chat"][1].consecutive_failures == 0, "b did nothing wrong"
    assert upstream.open_streams == 0
    assert mesh.get_router().in_flight == 0


def test_a_regenerated_answer_that_is_shorter_than_what_was_sent_is_none(make_mesh, upstream: FakeUpstream):
    upstream.script(A, [cut("one two ", "three ")])
    upstream.script(B, [answers.stream("one two")])
    with pytest.raises(ProviderError):
        heard(ask(make_mesh(config("a.one", "b.two")), stream=True))


def test_a_model_that_takes_a_prefill_is_asked_to_go_on_before_others(make_mesh, upstream: FakeUpstream):
    upstream.script(A, [cut("The ", "capital ")])
    upstream.script(B, [answers.stream("never asked")])
    upstream.script(C, [answers.stream(" is ", "Paris.")])
    stream = ask(make_mesh(prefilling("a.one", "b.two", "c.three")), stream=True, max_tokens=10)

    assert "".join(heard(stream)) == "The capital is Paris."
    assert sent_to(upstream, B) == []
    (body,) = sent_to(upstream, C)
    assert body["messages"] == [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "The capital"},
    ], "without the closing space, which some vendors refuse"
    assert body["max_tokens"] == 8, "the caller's limit is on the whole answer"


def test_a_model_that_ignores_the_prefill_does_not_double_the_text(make_mesh, upstream: FakeUpstream):
    upstream.script(A, [cut("The ", "capital ")])
    upstream.script(B, [answers.stream("The capital ", "is Paris.")])
    assert "".join(heard(ask(make_mesh(prefilling("a.one", "b.two")), stream=True))) == "The capital is Paris."


def test_a_model_that_refuses_the_prefill_begins_anew(make_mesh, upstream: FakeUpstream):
    refusal = answers.error(400, "assistant prefill is not supported", type="invalid_request_error")
    upstream.script(A, [cut("The ", "capital ")])
    upstream.script(B, [refusal, answers.stream("The ", "capital is Paris.")])
    stream = ask(make_mesh(prefilling("a.one", "b.two")), stream=True)

    assert "".join(heard(stream)) == "The capital is Paris."
    assert [body["messages"][-1]["role"] for body in sent_to(upstream, B)] == ["assistant", "user"]


def test_a_refused_prefill_never_hides_why_the_answer_broke(make_mesh, upstream: FakeUpstream):
    upstream.script(A, [cut("The ", "capital ", failure=RESET)])
    upstream.script(B, [answers.error(400, "assistant prefill is not supported", type="invalid_request_error")])
    mesh = make_mesh(prefilling("a.one", "b.two"))
    with pytest.raises(ProviderError) as caught:
        heard(ask(mesh, stream=True))
    assert "connection reset" in str(caught.value)
    assert caught.value.model == "a.one"


def test_what_has_to_be_json_is_never_continued_from_its_middle(make_mesh, upstream: FakeUpstream):
    upstream.script(A, [cut('{"a": ', "1, ")])
    upstream.script(B, [answers.stream('{"a": 1, ', '"b": 2}')])
    made = prefilling("a.one", "b.two")
    for model in made["models"].values():
        model["features"] = ["prefill", "json_mode"]
    stream = ask(make_mesh(made), stream=True, response_format={"type": "json_object"})
    assert json.loads("".join(heard(stream))) == {"a": 1, "b": 2}
    assert [message["role"] for message in sent_to(upstream, B)[0]["messages"]] == ["user"]


def test_half_a_tool_call_is_never_completed_by_another_model(make_mesh, upstream: FakeUpstream):
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"ci'}}
    upstream.script(A, [raw_events(chunk({"role": "assistant"}), chunk({"tool_calls": [call]}))])
    upstream.script(B, [answers.stream("never asked")])
    mesh = make_mesh(config("a.one", "b.two"))
    stream = ask(mesh, stream=True)
    with pytest.raises(ProviderError):
        heard(stream)
    assert upstream.requests_to(B) == []
    assert "tool_calls" in stream.modelmesh.attempts[0].follow_up


def test_a_tool_call_that_had_not_begun_comes_whole_from_the_other_model(make_mesh, upstream: FakeUpstream):
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    upstream.script(A, [cut("Let me ", "look")])
    upstream.script(B, [raw_events(chunk({"content": "Let me look."}), chunk({"tool_calls": [call]}, "tool_calls"))])
    chunks = list(ask(make_mesh(config("a.one", "b.two")), stream=True))
    deltas = [choice.delta for one in chunks for choice in one.choices]
    assert "".join(delta.content or "" for delta in deltas) == "Let me look."
    assert [delta.tool_calls[0].to_dict() for delta in deltas if delta.tool_calls] == [call]


def test_several_answers_at_once_are_not_taken_up(make_mesh, upstream: FakeUpstream):
    upstream.script(A, [raw_events(chunk({"content": "one"}), chunk({"content": "eins"}, index=1))])
    upstream.script(B, [answers.stream("never asked")])
    with pytest.raises(ProviderError):
        heard(ask(make_mesh(config("a.one", "b.two")), stream=True, n=2))
    assert upstream.requests_to(B) == []


def test_reasoning_alone_is_no_text_to_repeat(make_mesh, upstream: FakeUpstream):
    upstream.script(A, [raw_events(chunk({"reasoning_content": "Let me think"}))])
    upstream.script(
        B,
        [raw_events(chunk({"reasoning_content": "Hm"}), chunk({"content": "42"}), chunk({}, "stop"), b"[DONE]")],
    )
    chunks = list(ask(make_mesh(config("a.one", "b.two")), stream=True))
    deltas = [choice.delta.to_dict() for one in chunks for choice in one.choices]
    assert [delta.get("reasoning_content") for delta in deltas] == ["Let me think", None, None]
    assert [delta.get("content") for delta in deltas] == [None, "42", None]


def test_a_second_break_is_taken_up_by_a_third_model(make_mesh, upstream: FakeUpstream):
    upstream.script(A, [cut("one ")])
    upstream.script(B, [cut("one ", "two ")])
    upstream.script(C, [answers.stream("one two three")])
    stream = ask(make_mesh(config("a.one", "b.two", "c.three")), stream=True)
    assert heard(stream) == ["one ", "two ", "three"]
    assert [attempt.model for attempt in stream.modelmesh.attempts] == ["a.one", "b.two", "c.three"]


def test_with_a_single_model_it_is_asked_once_more(make_mesh, upstream: FakeUpstream):
    upstream.script(A, [cut("one "), answers.stream("one ", "two")])
    stream = ask(make_mesh(config("a.one")), stream=True)
    assert heard(stream) == ["one ", "two"]
    assert len(upstream.requests) == 2


def test_never_more_calls_than_configured(make_mesh, upstream: FakeUpstream):
    for base in (A, B, C):
        upstream.script(base, [cut("one ")])
    pool = {"retry": {"max_attempts": 1, "max_rotations": 1}}
    mesh = make_mesh(config("a.one", "b.two", "c.three", pool=pool))
    with pytest.raises(ProviderError):
        heard(ask(mesh, stream=True))
    assert len(upstream.requests) == 2


def test_usage_covers_all_that_was_generated(make_mesh, upstream: FakeUpstream):
    upstream.script(A, [cut("one ", "two ")])
    upstream.script(B, [answers.stream("one two ", "three", usage=(10, 3))])
    stream = ask(make_mesh(config("a.one", "b.two")), stream=True, stream_options={"include_usage": True})
    usages = [chunk.usage for chunk in stream if chunk.usage]
    assert [usage.completion_tokens for usage in usages] == [2 + 3]
    first, second = stream.modelmesh.attempts
    assert (first.usage.output, first.usage.estimated) == (2, True)
    assert (second.usage.output, second.usage.estimated) == (3, False)
    assert usages[0].prompt_tokens == first.usage.input + 10


def test_usage_comes_even_from_a_provider_that_reports_none(make_mesh, upstream: FakeUpstream):
    upstream.script(A, [answers.stream("one ", "two", usage=None)])
    mesh = make_mesh(config("a.one"))
    *_, last = ask(mesh, stream=True, stream_options={"include_usage": True})
    assert last.choices == []
    assert last.usage.completion_tokens == 2
    assert not any(chunk.usage for chunk in ask(mesh, stream=True))


def test_an_error_event_marks_what_it_says_and_the_answer_goes_on(make_mesh, upstream: FakeUpstream):
    limited = b'{"error": {"message": "slow down", "type": "rate_limit_error", "code": "rate_limit_exceeded"}}'
    upstream.script(A, [raw_events(chunk({"content": "one "}), limited)])
    upstream.script(B, [answers.stream("one ", "two")])
    mesh = make_mesh(config("a.one", "b.two"))
    assert heard(ask(mesh, stream=True)) == ["one ", "two"]
    assert mesh.pool_status()["chat"][0].deactivation_reason.value == "rate limit"


def test_a_refused_content_is_told_and_nobody_else_is_asked(make_mesh, upstream: FakeUpstream):
    refused = b'{"error": {"message": "against the policy", "code": "content_policy_violation"}}'
    upstream.script(A, [raw_events(chunk({"content": "one "}), refused)])
    upstream.script(B, [answers.stream("never asked")])
    with pytest.raises(ProviderError) as caught:
        heard(ask(make_mesh(config("a.one", "b.two")), stream=True))
    assert caught.value.failure.kind is FailureKind.CONTENT_FILTER
    assert upstream.requests_to(B) == []


# --- restart ---------------------------------------------------------------------------------------------------------


def test_restart_hands_nothing_on_before_the_answer_is_whole(make_mesh, upstream: FakeUpstream):
    upstream.script(A, [cut("half ", "an ")])
    upstream.script(B, [answers.stream("a ", "whole ", "one")])
    stream = ask(make_mesh(config("a.one", "b.two", pool={"on_stream_failure": "restart"})), stream=True)
    assert heard(stream) == ["a ", "whole ", "one"]
    assert stream.modelmesh.model == "b.two"


def test_restart_hides_a_broken_tool_call(make_mesh, upstream: FakeUpstream):
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"ci'}}
    upstream.script(A, [raw_events(chunk({"tool_calls": [call]}))])
    upstream.script(B, [answers.stream("whole")])
    assert heard(ask(make_mesh(config("a.one", "b.two", pool={"on_stream_failure": "restart"})), stream=True)) == [
        "whole"
    ]


# --- what counts as whole --------------------------------------------------------------------------------------------


def test_one_malformed_event_is_skipped(make_mesh, upstream: FakeUpstream):
    upstream.script(A, [raw_events(chunk({"content": "a"}), b"{oops", chunk({"content": "b"}), chunk({}, "stop"))])
    stream = ask(make_mesh(config("a.one")), stream=True)
    assert heard(stream) == ["a", "b"]
    assert stream.modelmesh.status == "success"


def test_several_malformed_events_are_a_failure(make_mesh, upstream: FakeUpstream):
    upstream.script(A, [raw_events(chunk({"content": "a"}), b"{oops", b"{again", chunk({}, "stop"), b"[DONE]")])
    upstream.script(B, [answers.stream("a", "b")])
    stream = ask(make_mesh(config("a.one", "b.two")), stream=True)
    assert heard(stream) == ["a", "b"]
    assert stream.modelmesh.model == "b.two"


def test_an_end_mark_without_a_finish_reason_is_a_cut(make_mesh, upstream: FakeUpstream):
    upstream.script(A, [answers.stream("one ", finish=False, done=True)])
    upstream.script(B, [answers.stream("one ", "two")])
    assert heard(ask(make_mesh(config("a.one", "b.two")), stream=True)) == ["one ", "two"]


# --- wherever it breaks, however it is cut ---------------------------------------------------------------------------

pieces = st.lists(st.integers(1, 9), min_size=1, max_size=30)


def split(text, sizes):
    parts, at = [], 0
    for size in sizes:
        parts.append(text[at : at + size])
        at += size
    return [part for part in [*parts, text[at:]] if part]


@settings(max_examples=60, deadline=None)
@given(
    text=st.text(st.sampled_from("ab ☃\n"), min_size=1, max_size=60),
    first=pieces,
    second=pieces,
    broken_after=st.integers(0, 30),
    takes_prefill=st.booleans(),
)
def test_the_answer_is_whole_wherever_it_breaks(text, first, second, broken_after, takes_prefill):
    upstream = FakeUpstream()
    sent = split(text, first)[:broken_after]
    upstream.script(A, [cut(*sent)])

    def go_on(request):
        last = json.loads(request.body)["messages"][-1]
        begun = last["content"] if last["role"] == "assistant" else ""
        return answers.stream(*split(text[len(begun) :], second))

    upstream.script(B, go_on)
    made = prefilling("a.one", "b.two") if takes_prefill else config("a.one", "b.two")
    mesh = ModelMesh(made, clock=upstream.clock, make_transport=upstream.make_transport, environ={})
    with mesh:
        stream = ask(mesh, stream=True)
        begun = "".join(sent)
        if takes_prefill and text[len(begun.rstrip()) :].startswith(begun) and begun:
            return  # it repeats itself from its first letter on: said again, or new? Nobody could tell
        assert "".join(heard(stream)) == text
        assert mesh.get_router().in_flight == 0
    assert upstream.open_streams == 0
