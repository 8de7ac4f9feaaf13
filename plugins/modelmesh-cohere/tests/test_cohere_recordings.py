"""Recorded answers, whole and streamed, against what their JSON plainly says."""

import json
import random

import pytest
from modelmesh_core import EventKind, FailureKind, Operation, ProviderError, fold_chunks

FINISH = {"COMPLETE": "stop", "STOP_SEQUENCE": "stop", "TOOL_CALL": "tool_calls", "MAX_TOKENS": "length"}


def plain(message):
    parts = message.get("content") or []
    text = "".join(part.get("text", "") for part in parts)
    thinking = message.get("tool_plan", "") + "".join(part.get("thinking", "") for part in parts)
    calls = [
        (c["id"], c["function"]["name"], json.loads(c["function"]["arguments"] or "{}"))
        for c in message.get("tool_calls") or []
    ]
    return text, thinking, calls


def plain_stream(events):
    message = {"content": [], "tool_calls": {}, "tool_plan": ""}
    for event in events:
        said = event.get("delta", {}).get("message", {})
        message["tool_plan"] += said.get("tool_plan", "")
        if event["type"] in ("content-start", "content-delta"):
            message["content"].append(said["content"])
        if event["type"] == "tool-call-start":
            message["tool_calls"][event["index"]] = json.loads(json.dumps(said["tool_calls"]))
        if event["type"] == "tool-call-delta":
            piece = said["tool_calls"]["function"]["arguments"]
            message["tool_calls"][event["index"]]["function"]["arguments"] += piece
    return plain({**message, "tool_calls": list(message["tool_calls"].values())})


def said_by(message):
    calls = [
        (c["id"], c["function"]["name"], json.loads(c["function"]["arguments"])) for c in message.get("tool_calls", [])
    ]
    return message["content"] or "", message.get("reasoning_content", ""), calls


def cited(citations):
    return sum(max(1, len(one["sources"])) if is_web(one) else 1 for one in citations)


def is_web(citation):
    def has_url(source):
        own = source.get("document") or source.get("tool_output") or {}
        return str(own.get("url", "")).startswith("http") or source["id"].startswith("http")

    return all(has_url(source) for source in citation["sources"])


@pytest.fixture
def decode(provider, play, make_call):
    def decode(recording, *pieces):
        call = make_call(Operation.CHAT, stream=True)
        head = type(recording.response)(200, recording.headers)
        decoder = play(provider.execute(call), head)[1]
        events = [event for piece in pieces for event in decoder.feed(piece)]
        events += decoder.finish()
        assert decoder.skipped == 0
        return events

    return decode


def test_whole_answers_say_what_they_said(provider, play, make_call, recordings):
    whole = [one for one in recordings if one.kind == "chat" and not one.stream and one.status == 200]
    assert len(whole) >= 25
    for recording in whole:
        reply = play(provider.execute(make_call()), recording.response)[1]
        body = json.loads(recording.body)
        choice = reply.body["choices"][0]
        message = choice["message"]
        assert said_by(message) == plain(body["message"]), recording.id
        assert choice["finish_reason"] == reply.finish_reason == FINISH[body["finish_reason"]]
        assert choice["native_finish_reason"] == body["finish_reason"]
        billed = body["usage"]["billed_units"]
        assert (reply.usage.total_input, reply.usage.total_output) == (billed["input_tokens"], billed["output_tokens"])
        assert reply.usage.reasoning == body["usage"]["tokens"].get("reasoning_tokens", 0)
        assert reply.body["usage"].items() >= body["usage"].items()
        for note in message.get("annotations", []):
            place = note.get("url_citation", note)
            own = note.get("url_citation", {}).get("cited_text") or note["citation"]["text"]
            assert message["content"][place["start_index"] : place["end_index"]] == own
        assert len(message.get("annotations", [])) == cited(body["message"].get("citations", []))


def test_streams_fold_to_what_they_say(decode, recordings):
    streams = [one for one in recordings if one.stream]
    assert len(streams) >= 14
    for recording in streams:
        events = decode(recording, recording.sse)
        folded = fold_chunks(event.chunk for event in events if event.chunk)
        choice = folded["choices"][0]
        assert said_by(choice["message"]) == plain_stream(recording.events), recording.id
        end = next(event["delta"] for event in recording.events if event["type"] == "message-end")
        if end["finish_reason"] == "ERROR":
            failure = events[-2].error.failure
            assert (failure.kind, failure.code) == (FailureKind.SERVER, "INVALID_TOOL_GENERATION")
            assert failure.message == end["error"]
            continue
        assert choice["finish_reason"] == FINISH[end["finish_reason"]]
        citations = [e["delta"]["message"]["citations"] for e in recording.events if e["type"] == "citation-start"]
        assert len(choice["message"].get("annotations", [])) == cited(citations)
        kinds = [event.kind for event in events]
        assert kinds[0] is EventKind.OPENING and kinds.count(EventKind.FINISH) == 1
        assert [event.usage.total_input for event in events if event.usage] == [
            end["usage"]["billed_units"]["input_tokens"]
        ]
        assert all({"id", "object", "created", "model"} <= event.chunk.keys() for event in events if event.chunk)


def test_cuts_anywhere_change_nothing(decode, recordings):
    def shown(events):
        return [(event.kind, event.chunk, event.finish_reason, event.usage) for event in events]

    for recording in recordings:
        if not recording.stream:
            continue
        body = recording.sse
        whole = shown(decode(recording, body))
        chance = random.Random(recording.id)
        for _ in range(30):
            cuts = sorted(chance.sample(range(len(body)), 12))
            pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, None], strict=True)]
            assert shown(decode(recording, *pieces)) == whole
        if len(body) < 9000:
            assert shown(decode(recording, *(bytes([byte]) for byte in body))) == whole


def test_recorded_errors(provider, play, make_call, recordings):
    expected = {401: FailureKind.AUTHENTICATION, 404: FailureKind.MODEL_NOT_FOUND, 400: FailureKind.CONTEXT_LENGTH}
    errors = [one for one in recordings if one.status >= 400]
    assert len(errors) >= 5
    for recording in errors:
        with pytest.raises(ProviderError) as caught:
            play(provider.execute(make_call()), recording.response)
        told = json.loads(recording.body)
        failure = caught.value.failure
        assert (failure.kind, failure.message, failure.body) == (expected[recording.status], told["message"], told)
        assert failure.code == told.get("error_type")


def test_recorded_embeddings(provider, play, make_call, recordings):
    found = [one for one in recordings if one.kind == "embeddings" and one.status == 200]
    assert len(found) >= 5
    for recording in found:
        body = json.loads(recording.body)
        (kind, vectors), *_ = body["embeddings"].items()
        texts = recording.request.get("texts") or body["texts"]
        asked = {} if kind == "float" else {"embedding_types": [kind]}
        call = make_call(Operation.EMBEDDINGS, model="embed", input=texts, input_type="document", **asked)
        requests, reply = play(provider.execute(call), recording.response)
        assert [row["embedding"] for row in reply.body["data"]] == vectors
        assert [row["index"] for row in reply.body["data"]] == list(range(len(texts)))
        assert reply.usage.input == body["meta"]["billed_units"]["input_tokens"]
        sent = json.loads(requests[0].body)
        if recording.request:
            assert set(sent) <= {*recording.request, "embedding_types"}


def test_recorded_rankings(provider, play, make_call, recordings):
    found = [one for one in recordings if one.kind == "rerank"]
    assert len(found) >= 4
    for recording in found:
        asked = {key: recording.request[key] for key in ("query", "documents", "top_n")}
        call = make_call(Operation.RERANK, model=recording.request["model"], **asked, return_documents=True)
        requests, reply = play(provider.execute(call), recording.response)
        wanted = {key: value for key, value in recording.request.items() if value is not None}
        assert json.loads(requests[0].body) == wanted
        body = json.loads(recording.body)
        assert [(r["index"], r["relevance_score"]) for r in reply.body["results"]] == [
            (r["index"], r["relevance_score"]) for r in body["results"]
        ]
        assert all(r["document"]["text"] == asked["documents"][r["index"]] for r in reply.body["results"])
        assert reply.body["usage"]["search_units"] == 1


def test_recorded_transcripts(provider, play, make_call, recordings):
    found = [one for one in recordings if one.kind == "audio"]
    assert len(found) == 2
    for recording in found:
        call = make_call(Operation.TRANSCRIPTION, model="cohere-transcribe-03-2026", file=b"RIFF", filename="ruby.wav")
        requests, reply = play(provider.execute(call), recording.response)
        assert requests[0].url == recording.url
        assert reply.body["text"] == json.loads(recording.body)["text"]


def test_sent_requests_have_the_shape_of_recorded_ones(provider, make_call, recordings):
    compared = 0
    for recording in recordings:
        own = recording.request
        if recording.kind != "chat" or "messages" not in own:
            continue
        own = json.loads(json.dumps(own))
        stops = {"stop": own["stop_sequences"]} if "stop_sequences" in own else {}
        same = {key: own[key] for key in ("messages", "tools", "temperature", "thinking", "documents") if key in own}
        choice = {"tool_choice": "required"} if own.get("tool_choice") == "REQUIRED" else {}
        call = make_call(model=own["model"], stream=own["stream"], features=("reasoning",), **same, **stops, **choice)
        sent = json.loads(next(provider.execute(call)).body)
        assert set(sent) == set(own) - {"response_format"}, recording.id
        for ours, theirs in zip(sent["messages"], own["messages"], strict=True):
            assert (ours["role"], ours.get("tool_call_id")) == (theirs["role"], theirs.get("tool_call_id"))
            assert ours.get("tool_calls") == theirs.get("tool_calls")
        for key in set(sent) & {"temperature", "documents", "thinking", "tool_choice", "stop_sequences"}:
            assert sent[key] == own[key]
        compared += 1
    assert compared >= 30


def test_damaged_recordings(provider, play, make_call, recordings):
    chance = random.Random(7)
    for recording in recordings:
        for _ in range(8):
            body = bytearray(recording.sse if recording.stream else recording.body)
            for _ in range(chance.randint(1, 6)):
                body[chance.randrange(len(body))] = chance.randrange(256)
            cut = bytes(body[: chance.randint(1, len(body))])
            call = make_call(stream=recording.stream)
            flow = provider.execute(call)
            next(flow)
            head = type(recording.response)(recording.status, recording.headers, b"" if recording.stream else cut)
            with pytest.raises((StopIteration, ProviderError)) as stop:
                flow.send(head)
            if recording.stream:
                decoder = stop.value.value
                assert all(event.kind for event in [*decoder.feed(cut), *decoder.finish()])
