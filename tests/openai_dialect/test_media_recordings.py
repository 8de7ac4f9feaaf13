"""Real answers of the operations other than chat, replayed."""

import base64
import json
from collections import Counter

import pytest
from modelmesh_core import EventKind, FailureKind, HttpResponse, Operation, ProviderCall, ProviderError

from .conftest import RECORDINGS, Recording

OPERATIONS = {
    "/audio/speech": Operation.SPEECH,
    "/audio/transcriptions": Operation.TRANSCRIPTION,
    "/audio/translations": Operation.TRANSCRIPTION,
    "/images/generations": Operation.IMAGES,
    "/images/edits": Operation.IMAGES,
    "/moderations": Operation.MODERATION,
    "/rerank": Operation.RERANK,
}


@pytest.fixture(scope="module")
def media() -> list[tuple[Operation, Recording]]:
    if not RECORDINGS.is_dir():
        pytest.skip("needs the recorded exchanges in ../shared/recordings, which are not here")
    found = []
    for name in ("openai", "openrouter"):
        for line in (RECORDINGS / f"{name}.jsonl").open(encoding="utf-8"):
            one = Recording(line)
            path = next((path for path in OPERATIONS if one.url.endswith(path)), None)
            if path and one.status and "/usage/" not in one.url:
                found.append((OPERATIONS[path], one))
    return found


def call_for(operation, recording):
    request = recording.data["request"].get("body")
    body = json.loads(request) if isinstance(request, str) and request.startswith("{") else {}
    if operation is Operation.TRANSCRIPTION:
        body = {"file": b"ID3", **body}
    return ProviderCall(operation, "m", {"model": "x", **body}, stream=recording.stream)


def test_every_recorded_answer_is_read_whole(provider, play, media):
    seen = Counter()
    for operation, recording in media:
        if recording.status != 200 or recording.stream:
            continue
        _, reply = play(provider.execute(call_for(operation, recording)), recording.response)
        seen[operation] += 1
        if operation is Operation.SPEECH:
            own = recording.data["response"]["body_base64"]
            assert reply.content == base64.b64decode(own) and reply.media_type == "audio/mpeg"
            assert reply.usage.characters == len(call_for(operation, recording).body["input"])
            continue
        plain = json.loads(recording.body)
        assert reply.body == plain and json.loads(reply.raw) == plain, recording.data["id"]
        usage = plain.get("usage") or {}
        if usage.get("total_tokens"):
            assert reply.usage.total == usage["total_tokens"]
        if usage.get("type") == "duration":
            assert reply.usage.seconds == usage["seconds"]
        if usage.get("cost"):
            assert float(reply.usage.cost) == pytest.approx(usage["cost"])
        if operation is Operation.IMAGES:
            assert reply.usage.images == len(plain["data"])
    assert set(seen) == set(OPERATIONS.values())


def test_recorded_transcripts_stream_to_their_end(provider, play, media):
    streams = [one for operation, one in media if one.stream]
    assert len(streams) == 2
    for recording in streams:
        head = HttpResponse(200, recording.headers)
        _, decoder = play(provider.execute(call_for(Operation.TRANSCRIPTION, recording)), head)
        events = [event for byte in recording.body for event in decoder.feed(bytes([byte]))] + [*decoder.finish()]
        payloads = [json.loads(line[5:]) for line in recording.body.split(b"\n") if line.startswith(b"data: {")]
        assert [event.chunk for event in events if event.chunk] == payloads
        assert [event.kind for event in events[-2:]] == [EventKind.FINISH, EventKind.DONE]
        assert events[-2].usage.total == payloads[-1]["usage"]["total_tokens"]


def test_recorded_errors_are_the_callers_fault(provider, play, media):
    errors = [(operation, one) for operation, one in media if one.status != 200]
    assert len(errors) == 3
    for operation, recording in errors:
        with pytest.raises(ProviderError) as raised:
            play(provider.execute(call_for(operation, recording)), recording.response)
        assert raised.value.failure.kind is FailureKind.INVALID_REQUEST
        assert raised.value.failure.body == json.loads(recording.body)
