"""Real traffic of the Gemini API and of Vertex AI, replayed: nothing is lost, whatever the cuts."""

import itertools
import json
import random
from collections import Counter

import pytest
from modelmesh_core import (
    EventKind,
    FailureKind,
    Headers,
    HttpResponse,
    Operation,
    ProviderCall,
    ProviderError,
    fold_chunks,
)
from modelmesh_google.replies import GoogleStreamDecoder

ENDINGS = {"STOP": "stop", 1: "stop", "MAX_TOKENS": "length"}
KINDS = {"API key not valid": FailureKind.AUTHENTICATION, "The input token count": FailureKind.CONTEXT_LENGTH}
BY_STATUS = {400: FailureKind.INVALID_REQUEST, 404: FailureKind.MODEL_NOT_FOUND, 429: FailureKind.RATE_LIMIT}


def parts_in(payloads):
    return [
        part
        for payload in payloads
        for candidate in payload.get("candidates", [])
        for part in candidate.get("content", {}).get("parts", [])
    ]


def whole_calls(pieces):
    """Calls, those put together that come in pieces of one text argument each."""
    calls = []
    for piece in pieces:
        if "name" in piece:
            calls.append({**piece, "args": dict(piece.get("args", {}))})
        for argument in piece.get("partialArgs", []):
            key = argument["jsonPath"].removeprefix("$.")
            calls[-1]["args"][key] = calls[-1]["args"].get(key, "") + argument["stringValue"]
    return calls


def said(payloads):
    """What a recorded answer says, read without the connector: text, reasoning, calls, endings, signatures."""
    parts = parts_in(payloads)
    calls = whole_calls(part["functionCall"] for part in parts if "functionCall" in part)
    endings = [c["finishReason"] for p in payloads for c in p.get("candidates", []) if "finishReason" in c]
    blocked = [p["promptFeedback"]["blockReason"] for p in payloads if "promptFeedback" in p]
    ending = "content_filter" if blocked else ENDINGS[endings[-1]]
    return {
        "text": "".join(part["text"] for part in parts if "text" in part and not part.get("thought")),
        "reasoning": "".join(part["text"] for part in parts if part.get("thought")),
        "calls": [(call["name"], call.get("args", {})) for call in calls],
        "ids": [call["id"] for call in calls if "id" in call],
        "ending": "tool_calls" if calls and ending == "stop" else ending,
        "signatures": sorted(part["thoughtSignature"] for part in parts if "thoughtSignature" in part),
    }


def understood(body):
    """The same of a decoded answer."""
    message, choice = body["choices"][0]["message"], body["choices"][0]
    calls = message.get("tool_calls") or []
    details = message.get("reasoning_details") or []
    own = [json.loads(d["data"]).get("thoughtSignature") for d in details if d["type"] == "google.part"]
    signatures = [c["extra_content"]["google"]["thought_signature"] for c in calls if "extra_content" in c]
    signatures += [d["data"] for d in details if d["type"] == "reasoning.encrypted"]
    signatures += [d["signature"] for d in details if "signature" in d]
    return {
        "text": message.get("content") or "",
        "reasoning": message.get("reasoning_content") or "",
        "calls": [(c["function"]["name"], json.loads(c["function"]["arguments"])) for c in calls],
        "ids": [c["id"] for c in calls],
        "ending": choice["finish_reason"],
        "signatures": sorted([*signatures, *(one for one in own if one)]),
    }


def assert_same(plain, found, identity):
    ids, own = found.pop("ids"), plain.pop("ids")
    assert found == plain, identity
    assert set(own) <= set(ids) and all(ids) and len(set(ids)) == len(ids), identity


def billed(payloads):
    """The last usage that was reported, in disjoint buckets, by hand."""
    reported = [p["usageMetadata"] for p in payloads if p.get("usageMetadata", {}).get("totalTokenCount")]
    if not reported:
        return None
    usage = reported[-1]
    count = {key: value for key, value in usage.items() if key.endswith("Count")}
    cached, total = count.get("cachedContentTokenCount", 0), count["totalTokenCount"]
    prompt = count.get("promptTokenCount", 0) + count.get("toolUsePromptTokenCount", 0)
    answered = count.get("candidatesTokenCount", 0)
    audio = sum(one["tokenCount"] for one in usage.get("promptTokensDetails", []) if one["modality"] == "AUDIO")
    thought = total - prompt - answered
    plain = {"input": prompt - cached - audio, "cached_input": cached, "output": answered}
    return {**plain, "reasoning": thought, "audio": audio}


def buckets(usage):
    return usage and {key: getattr(usage, key) for key in ("input", "cached_input", "output", "reasoning", "audio")}


def call_for(one, operation=Operation.CHAT):
    content = [{"role": "user", "content": "x"}]
    return ProviderCall(operation, "m", {"model": "x", "messages": content, "input": ["x"]}, stream=one.stream)


def streams(chats):
    return [one for one in chats if one.stream and one.status == 200]


def events_of(one, cuts=()):
    decoder = GoogleStreamDecoder(HttpResponse(200, one.headers, received_at=1e9), "m")
    edges = [0, *sorted(cuts), len(one.body)]
    events = []
    for start, end in itertools.pairwise(edges):
        events += decoder.feed(one.body[start:end])
    events += decoder.finish()
    assert decoder.skipped == 0, one.id
    return events


def test_there_is_enough_to_replay(chats):
    seen = Counter((one.data["provider"], one.stream, one.status == 200) for one in chats)

    assert seen["gemini", False, True] > 25 and seen["vertex", False, True] > 25, "whole answers"
    assert seen["gemini", True, True] > 15 and seen["vertex", True, True] > 8, "streams"
    assert seen["gemini", False, False] + seen["vertex", False, False] > 9, "errors"


def test_whole_answers_lose_nothing(gemini, play, chats):
    for one in chats:
        if one.stream or one.status != 200:
            continue
        _, reply = play(gemini.execute(call_for(one)), one.response)
        plain = one.payloads

        assert_same(said(plain), understood(reply.body), one.id)
        assert reply.finish_reason == said(plain)["ending"]
        assert buckets(reply.usage) == billed(plain), one.id
        if "modelVersion" in plain[0]:
            assert reply.body["model"] == plain[0]["modelVersion"]
        assert reply.body["id"] == plain[0].get("responseId", reply.body["id"])


def test_streams_lose_nothing_and_end(chats):
    for one in streams(chats):
        events = events_of(one)
        folded = fold_chunks(event.chunk for event in events if event.chunk)

        assert_same(said(one.payloads), understood(folded), one.id)
        assert [e.finish_reason for e in events if e.kind is EventKind.FINISH] == [said(one.payloads)["ending"]]
        assert [buckets(e.usage) for e in events if e.kind is EventKind.USAGE] == [billed(one.payloads)], one.id
        assert all({"id", "object", "created", "model"} <= event.chunk.keys() for event in events)
        assert events[0].kind is EventKind.OPENING


def test_cuts_at_any_byte_change_nothing(chats):
    chance = random.Random(11)
    for one in streams(chats):
        expected = [(e.kind, e.chunk, e.finish_reason, e.usage) for e in events_of(one)]
        ways = [sorted(chance.randint(1, len(one.body) - 1) for _ in range(chance.randint(1, 60))) for _ in range(30)]
        if len(one.body) < 4000:
            ways.append(range(1, len(one.body)))
        for cuts in ways:
            shown = [(e.kind, e.chunk, e.finish_reason, e.usage) for e in events_of(one, cuts)]
            assert shown == expected, one.id


def test_a_stream_cut_short_has_no_end(chats):
    for one in streams(chats):
        last = one.body.rstrip().rfind(b"data:")
        decoder = GoogleStreamDecoder(HttpResponse(200, one.headers), "m")
        events = [*decoder.feed(one.body[:last]), *decoder.finish()]
        assert not any(event.kind in (EventKind.FINISH, EventKind.DONE) for event in events), one.id


def test_recorded_errors_have_the_kind_of_their_text(gemini, play, recordings):
    seen = Counter()
    for one in recordings:
        if one.status < 400:
            continue
        with pytest.raises(ProviderError) as raised:
            play(gemini.execute(call_for(one)), one.response)
        failure, error = raised.value.failure, json.loads(one.body)["error"]
        kind = next((kind for text, kind in KINDS.items() if text in error["message"]), BY_STATUS[one.status])
        assert failure.kind is kind, one.id
        assert failure.message == error["message"] and failure.body == json.loads(one.body)
        if failure.kind is FailureKind.RATE_LIMIT:
            assert failure.retry_after == pytest.approx(48.94, abs=0.01)
        seen[failure.kind] += 1
    assert len(seen) == 5


def test_embeddings_keep_every_number(gemini, vertex, play, recordings):
    seen = 0
    for one in recordings:
        if one.kind != "embeddings" or one.status != 200:
            continue
        plain = json.loads(one.body)
        predicted = [p["embeddings"] for p in plain.get("predictions", [])]
        vectors = [v["values"] for v in plain.get("embeddings") or predicted or [plain["embedding"]]]
        call = ProviderCall(Operation.EMBEDDINGS, "text-embedding-005", {"input": ["x"] * len(vectors)})
        _, reply = play((vertex if predicted else gemini).execute(call), one.response)

        assert [row["embedding"] for row in reply.body["data"]] == vectors, one.id
        counted = plain.get("usageMetadata", {}).get("promptTokenCount", 0)
        counted = counted or sum(p["statistics"]["token_count"] for p in predicted)
        assert (reply.usage.input if reply.usage else 0) == counted
        seen += 1
    assert seen > 8


def test_recorded_speech_is_handed_on(gemini, play, recordings):
    (one,) = [one for one in recordings if one.kind == "audio" and one.body.startswith(b"{\n")]
    call = ProviderCall(Operation.SPEECH, "gemini-2.5-flash-preview-tts", {"input": "Hello"})
    _, reply = play(gemini.execute(call), one.response)

    assert reply.media_type == "audio/wav" and reply.content.startswith(b"RIFF$\0\0\0WAVEfmt ")
    assert isinstance(reply.headers, Headers)
