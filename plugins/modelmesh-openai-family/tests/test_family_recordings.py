"""Real traffic of every vendor, replayed: nothing is lost or invented, whatever the cuts."""

import copy
import json
import random
from collections import Counter

from modelmesh_core import EventKind, FailureKind, HttpResponse, Operation, ProviderCall, ProviderError, fold_chunks

KINDS = {
    400: {FailureKind.INVALID_REQUEST, FailureKind.CONTEXT_LENGTH},
    401: {FailureKind.AUTHENTICATION},
    404: {FailureKind.MODEL_NOT_FOUND},
    429: {FailureKind.RATE_LIMIT},
}
WORDS = {"eos": "stop"}


def plain_text(content):
    if isinstance(content, list):
        return "".join(part["text"] for part in content if part["type"] == "text")
    return content or ""


def plain_reasoning(said):
    if isinstance(said.get("content"), list):
        thoughts = [part["thinking"] for part in said["content"] if part["type"] == "thinking"]
        return "".join(piece["text"] for pieces in thoughts for piece in pieces)
    return said.get("reasoning_content") or said.get("reasoning") or ""


def plain_usage(body):
    return body.get("usage") or (body.get("x_groq") or {}).get("usage")


def billed(usage):
    prompt, completion = usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0
    return max(usage.get("total_tokens") or 0, prompt + completion)


def reasoning_tokens(usage):
    within = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0
    heard = (usage.get("prompt_tokens_details") or {}).get("audio_tokens") or 0
    beside = (usage.get("total_tokens") or 0) - usage["prompt_tokens"] - usage["completion_tokens"]
    return max(min(within, usage["completion_tokens"] + max(beside, 0)), beside if not heard else 0, 0)


def cached_tokens(usage):
    details = usage.get("prompt_tokens_details") or {}
    known = [details.get("cached_tokens"), usage.get("cached_tokens"), usage.get("num_cached_tokens")]
    cached = next(filter(None, [*known, usage.get("prompt_cache_hit_tokens")]), 0)
    return min(cached, usage["prompt_tokens"])


def calls_of(message):
    return [
        (call.get("id"), call["function"]["name"], json.loads(call["function"].get("arguments") or "{}"))
        for call in message.get("tool_calls") or []
    ]


def call_for(recording):
    return ProviderCall(Operation.CHAT, "m", {"model": "x"}, stream=recording.stream)


def check_usage(usage, plain):
    assert usage.total == billed(plain)
    assert usage.reasoning == reasoning_tokens(plain)
    assert usage.cached_input == cached_tokens(plain)


def events_of(decoder, body, chance=None, sizes=(1, 400)):
    events, rest = [], body
    while rest:
        size = len(rest) if chance is None else chance.randint(*sizes)
        events += decoder.feed(rest[:size])
        rest = rest[size:]
    return [*events, *decoder.finish()]


def decoder_for(provider, play, recording):
    head = HttpResponse(200, recording.headers, received_at=1_787_000_000.0)
    if recording.headers.get("content-type", "").startswith("application/json"):
        head = HttpResponse(200)  # the recording had no head
    return play(provider(recording.connector).execute(call_for(recording)), head)[1]


def test_there_is_enough_to_replay(chats):
    seen = Counter(recording.connector for recording in chats)
    assert len(seen) == 12 and sum(seen.values()) > 250
    assert sum(recording.stream for recording in chats) > 70


def test_whole_answers_keep_everything(provider, play, chats):
    for recording in chats:
        if recording.stream or recording.status != 200:
            continue
        _, reply = play(provider(recording.connector).execute(call_for(recording)), recording.response)
        plain = json.loads(recording.body)
        for choice, given in zip(reply.body["choices"], plain["choices"], strict=True):
            said, heard = given["message"], choice["message"]
            assert (heard.get("content") or "") == plain_text(said.get("content")), recording.id
            assert (heard.get("reasoning_content") or "") == plain_reasoning(said), recording.id
            assert calls_of(heard) == calls_of(said), recording.id
            assert all("arguments" in one["function"] for one in heard.get("tool_calls") or []), recording.id
            lost = said.keys() - heard.keys()
            assert not lost, (recording.id, lost)
        reason = plain["choices"][0]["finish_reason"]
        assert reply.finish_reason == WORDS.get(reason, reason), recording.id
        assert plain.keys() <= reply.body.keys(), recording.id
        if plain.get("usage"):
            check_usage(reply.usage, plain["usage"])
        assert reply.raw is None or json.loads(reply.raw) == reply.body


def test_streams_keep_everything_and_end(provider, play, chats):
    for recording in chats:
        if not recording.stream or recording.status != 200:
            continue
        decoder = decoder_for(provider, play, recording)
        events = events_of(decoder, recording.sse)
        plain = recording.chunks
        said = [c.get("delta") or {} for p in plain if "error" not in p for c in p.get("choices") or []]
        folded = fold_chunks(event.chunk for event in events if event.chunk)
        message = folded["choices"][0]["message"]
        assert decoder.skipped == 0
        assert (message.get("content") or "") == "".join(plain_text(one.get("content")) for one in said), recording.id
        assert (message.get("reasoning_content") or "") == "".join(map(plain_reasoning, said)), recording.id
        names = [call["function"]["name"] for one in said for call in one.get("tool_calls") or [] if call.get("id")]
        assert [name for _, name, _ in calls_of(message)] == names, recording.id
        usages = [usage for p in plain if (usage := plain_usage(p))]
        told = [event.usage for event in events if event.usage]
        assert len(told) == len(usages), recording.id
        for usage, given in zip(told, usages, strict=True):
            check_usage(usage, given)
        ended = [event for event in events if event.finish_reason or event.error]
        assert ended, recording.id
        errors = [p for p in plain if "error" in p]
        assert len([event for event in events if event.error]) == len(errors)
        for event in events:
            if event.chunk is not None:
                assert event.raw is None or json.loads(event.raw) == event.chunk
                assert all(event.chunk.get(key) for key in ("id", "created", "model")), recording.id


def shown(events):
    return [(e.kind, e.chunk, e.raw, e.finish_reason, e.usage, str(e.error)) for e in events]


def test_cuts_at_random_bytes_change_nothing(provider, play, chats):
    chance = random.Random(11)
    for recording in chats:
        if not recording.stream or recording.status != 200:
            continue
        expected = shown(events_of(decoder_for(provider, play, recording), recording.sse))
        small = len(recording.sse) < 20_000
        for turn in range(30 if small else 3):
            sizes = (1, 1) if turn == 0 and small else (1, 2000)
            cut = events_of(decoder_for(provider, play, recording), recording.sse, chance, sizes)
            assert shown(cut) == expected, recording.id


def test_no_words_come_before_the_first_content_event(provider, play, chats):
    for recording in chats:
        if recording.stream and recording.status == 200:
            for event in events_of(decoder_for(provider, play, recording), recording.sse):
                if event.kind is EventKind.OPENING:
                    deltas = [choice.get("delta") or {} for choice in event.chunk.get("choices") or []]
                    said = {key: value for delta in deltas for key, value in delta.items() if value and key != "role"}
                    assert not said, recording.id


def test_recorded_errors_have_the_kind_of_their_row(provider, play, chats):
    seen = Counter()
    for recording in chats:
        if recording.status == 200:
            continue
        try:
            play(provider(recording.connector).execute(call_for(recording)), recording.response)
        except ProviderError as error:
            failure = error.failure
        assert failure.kind in KINDS[recording.status], (recording.id, failure)
        says_context = b"context length" in recording.body or b"all messages is too long" in recording.body
        assert (failure.kind is FailureKind.CONTEXT_LENGTH) == says_context, recording.id
        assert failure.message and failure.body == json.loads(recording.body)
        seen[failure.kind] += 1
    assert set(seen) == {kind for kinds in KINDS.values() for kind in kinds}


def test_recorded_limits_are_all_understood(provider, play, chats):
    seen = Counter()
    for recording in chats:
        if recording.stream or recording.status != 200:
            continue
        _, reply = play(provider(recording.connector).execute(call_for(recording)), recording.response)
        for name in ("limit", "remaining"):
            for kind in ("requests", "tokens", "tokens-minute", "req-minute"):
                header = recording.headers.get(f"x-ratelimit-{name}-{kind}")
                if header is not None:
                    own = {"req-minute": "requests", "tokens-minute": "tokens"}.get(kind, kind)
                    assert getattr(reply.headroom[own], name) == int(header), recording.id
                    seen[recording.connector, own] += 1
    assert len(seen) >= 4


def test_what_clients_of_a_vendor_sent_it_is_sent_unchanged(provider, chats):
    """The recorded bodies are in the vendor's own words: only parameters that ask for the default may be left out."""
    seen = Counter()
    for recording in chats:
        own = copy.deepcopy(recording.request)
        if not own.get("messages") or recording.status in (400, 404):
            continue
        features = frozenset({"reasoning"})
        call = ProviderCall(Operation.CHAT, own.get("model", "m"), own, stream=recording.stream, features=features)
        sent = json.loads(next(provider(recording.connector).execute(call)).body)
        expected = {key: value for key, value in own.items() if key in sent or value not in (None, 1, False)}
        for one in expected["messages"]:
            if recording.connector == "deepseek.api.v1" and "reasoning_content" in one:
                one.pop("reasoning", None)  # the client said it twice
        for body in (sent, expected):
            body.pop("stream", None), body.pop("stream_options", None), body.pop("model", None)
        if recording.connector == "mistral.api.v1":
            ids = {call.get("id") for one in own["messages"] for call in one.get("tool_calls") or []}
            if any(len(one or "") != 9 for one in ids):
                continue  # made by another vendor's model
        assert sent == expected, recording.id
        seen[recording.connector] += 1
    assert sum(seen.values()) > 150 and len(seen) >= 8
