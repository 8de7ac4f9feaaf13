"""Real traffic of servers that speak the dialect, replayed: nothing is lost, whatever the cuts."""

import json
import random
from collections import Counter

import pytest
from modelmesh_core import EventKind, FailureKind, Headers, HttpResponse, Operation, ProviderCall, ProviderError
from modelmesh_core.openai_dialect import OpenAIStreamDecoder, fold_chunks

KINDS = {
    400: {FailureKind.INVALID_REQUEST, FailureKind.CONTEXT_LENGTH},
    401: {FailureKind.AUTHENTICATION},
    404: {FailureKind.MODEL_NOT_FOUND},
    422: {FailureKind.INVALID_REQUEST},
    429: {FailureKind.RATE_LIMIT},
}


def call_for(recording):
    operation = Operation.EMBEDDINGS if recording.url.endswith("/embeddings") else Operation.CHAT
    return ProviderCall(operation, "m", {"model": "x"}, stream=recording.stream)


def chunks_in(recording):
    """The stream's JSON payloads, by the plainest reading there is."""
    lines = recording.body.decode().replace("\r\n", "\n").split("\n")
    payloads = [line[5:].strip() for line in lines if line.startswith("data:")]
    return [json.loads(payload) for payload in payloads if payload and payload != "[DONE]"]


def text_in(choices):
    return "".join(choice.get("content") or "" for choice in choices if isinstance(choice.get("content"), str))


def billed(usage):
    prompt, completion = usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0
    return max(usage.get("total_tokens") or 0, prompt + completion)


def test_there_is_enough_to_replay(recordings):
    seen = Counter((r.url.endswith("/embeddings"), r.stream, r.status == 200) for r in recordings)

    assert seen[False, False, True] > 100, "whole chat answers"
    assert seen[False, True, True] > 40, "streams"
    assert seen[True, False, True] > 5, "embeddings"


def test_whole_answers_keep_text_and_usage(provider, play, recordings):
    for recording in recordings:
        if recording.stream or recording.status != 200:
            continue
        _, reply = play(provider.execute(call_for(recording)), recording.response)
        plain = json.loads(recording.body)
        assert reply.body == plain, recording.data["id"]
        if plain.get("usage"):
            assert reply.usage.total == billed(plain["usage"]), recording.data["id"]
        if "choices" in plain:
            assert reply.finish_reason == plain["choices"][0]["finish_reason"]


def test_streams_keep_text_and_usage_and_end(provider, play, recordings):
    for recording in recordings:
        if not recording.stream or recording.status != 200:
            continue
        head = HttpResponse(200, recording.headers)
        _, decoder = play(provider.execute(call_for(recording)), head)
        events = [*decoder.feed(recording.body), *decoder.finish()]
        plain = chunks_in(recording)

        answered = [payload for payload in plain if "error" not in payload]
        assert [event.chunk for event in events if event.chunk is not None] == answered, recording.data["id"]
        assert [e.error.failure.body for e in events if e.error] == [p for p in plain if "error" in p]
        assert decoder.skipped == 0
        said = [c.get("delta") or {} for p in plain for c in p.get("choices") or []]
        folded = fold_chunks(event.chunk for event in events if event.chunk)
        assert text_in(choice["message"] for choice in folded["choices"]) == text_in(said), recording.data["id"]
        assert any(event.finish_reason or event.error for event in events), recording.data["id"]
        usages = [p["usage"] for p in plain if p.get("usage")]
        assert [e.usage.total for e in events if e.usage] == [billed(u) for u in usages], recording.data["id"]


def test_no_words_come_before_the_first_content_event(recordings):
    for recording in recordings:
        if not recording.stream or recording.status != 200:
            continue
        decoder = OpenAIStreamDecoder()
        for event in decoder.feed(recording.body):
            if event.kind is EventKind.OPENING:
                deltas = [choice.get("delta") or {} for choice in event.chunk.get("choices") or []]
                assert text_in(deltas) == "" and not any(delta.get("tool_calls") for delta in deltas)


def test_cuts_at_random_bytes_change_nothing(recordings):
    chance = random.Random(7)
    for recording in recordings:
        if not recording.stream or recording.status != 200:
            continue
        whole, cut, events = OpenAIStreamDecoder(), OpenAIStreamDecoder(), []
        expected = [*whole.feed(recording.body), *whole.finish()]
        rest = recording.body
        while rest:
            size = chance.randint(1, 300)
            events += cut.feed(rest[:size])
            rest = rest[size:]
        events += cut.finish()
        shown = [[(e.kind, e.raw, e.finish_reason, e.usage) for e in side] for side in (events, expected)]
        assert shown[0] == shown[1], recording.data["id"]


def test_recorded_errors_have_the_kind_of_their_row(provider, play, recordings):
    seen = Counter()
    for recording in recordings:
        if recording.status == 200:
            continue
        with pytest.raises(ProviderError) as raised:
            play(provider.execute(call_for(recording)), recording.response)
        failure = raised.value.failure
        assert failure.kind in KINDS[recording.status], (recording.data["id"], failure)
        says_context = b"context length" in recording.body or b"all messages is too long" in recording.body
        assert (failure.kind is FailureKind.CONTEXT_LENGTH) == says_context, (recording.data["id"], failure)
        assert failure.message and failure.body is not None
        seen[failure.kind] += 1
    assert seen[FailureKind.AUTHENTICATION] and seen[FailureKind.CONTEXT_LENGTH] and seen[FailureKind.MODEL_NOT_FOUND]


def test_recorded_limits_are_all_understood(provider, play, recordings):
    seen = 0
    for recording in recordings:
        if recording.stream or recording.status != 200 or "x-ratelimit-limit-requests" not in recording.headers:
            continue
        _, reply = play(provider.execute(call_for(recording)), recording.response)
        report = reply.headroom["requests"]
        assert str(report.limit) == recording.headers["x-ratelimit-limit-requests"]
        assert str(report.remaining) == recording.headers["x-ratelimit-remaining-requests"]
        assert (report.reset_after is None) == ("x-ratelimit-reset-requests" not in recording.headers)
        seen += 1
    assert seen > 20


def test_a_head_without_a_content_type_is_read_as_a_stream(provider, play):
    call = ProviderCall(Operation.CHAT, "m", {"model": "x"}, stream=True)
    _, decoder = play(provider.execute(call), HttpResponse(200, Headers()))
    assert isinstance(decoder, OpenAIStreamDecoder)
