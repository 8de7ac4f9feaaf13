"""AssemblyAI, after its API reference: nothing of it was recorded."""

import json

import orjson
import pytest
from modelmesh_core import FailureKind, ModelMesh, ModelMeshError, Operation, ProviderError, Request
from modelmesh_core.testing import FakeUpstream, answers

URL = "https://api.assemblyai.com"
UPLOADED = {"upload_url": "https://cdn.assemblyai.com/upload/1"}
QUEUED = {"id": "a/b", "status": "queued"}
DONE = {
    "id": "a/b", "status": "completed", "text": "Hello there. Bye.", "language_code": "en_us", "audio_duration": 3,
    "words": [{"text": "Hello", "start": 250, "end": 650, "confidence": 0.97, "speaker": None}],
    "utterances": None,
}  # fmt: skip
SENTENCES = {
    "sentences": [{"text": "Hello there.", "start": 250, "end": 1000}, {"text": "Bye.", "start": 1500, "end": 2000}]
}


@pytest.fixture
def provider(make):
    return make("assemblyai.stt.v1")


def test_upload_submit_and_poll(provider, hear, play, answer):
    call = hear("universal-3-pro", language="pt-BR", prompt="Names: Ana", temperature=0.1)
    polls = [answer(QUEUED), answer({**QUEUED, "status": "processing"}), answer(QUEUED), answer(DONE)]
    requests, reply = play(provider.execute(call), answer(UPLOADED), *polls)
    assert [(one.method, one.url.removeprefix(URL)) for one in requests] == [
        ("POST", "/v2/upload"), ("POST", "/v2/transcript"), *[("GET", "/v2/transcript/a%2Fb")] * 3,
    ]  # fmt: skip
    assert requests[0].body == call.body["file"] and requests[0].headers["authorization"].startswith("key-")
    assert json.loads(requests[1].body) == {
        "audio_url": UPLOADED["upload_url"], "speech_models": ["universal-3-pro"], "language_code": "pt_br",
        "prompt": "Names: Ana", "temperature": 0.1,
    }  # fmt: skip
    waits = [one.delay for one in requests[2:]]
    assert 0 < waits[0] < waits[1] < waits[2]
    assert (
        reply.body == {"text": DONE["text"], "usage": {"type": "duration", "seconds": 3}} and reply.usage.seconds == 3
    )


def test_times_are_seconds_and_passages_are_sentences(provider, hear, play, answer):
    call = hear("universal-2", response_format="verbose_json", timestamp_granularities=["word", "segment"], prompt="x")
    requests, reply = play(provider.execute(call), answer(UPLOADED), answer(DONE), answer(SENTENCES))
    assert requests[-1].url.endswith("/v2/transcript/a%2Fb/sentences") and call.dropped == ["prompt"]
    assert json.loads(requests[1].body)["language_detection"] is True
    assert reply.body["words"] == [{"word": "Hello", "start": 0.25, "end": 0.65, "confidence": 0.97}]
    assert [(row["id"], row["start"], row["text"]) for row in reply.body["segments"]] == [
        (0, 0.25, "Hello there."), (1, 1.5, "Bye."),
    ]  # fmt: skip
    assert (reply.body["language"], reply.body["duration"]) == ("en_us", 3)


def test_speakers(provider, hear, play, answer):
    said = {"utterances": [{"text": "Hello there.", "start": 250, "end": 1000, "speaker": "A"}]}
    call = hear("universal-2", response_format="diarized_json", url="https://a.example/x.mp3")
    requests, reply = play(provider.execute(call), answer({**DONE, **said}))
    assert json.loads(requests[0].body)["speaker_labels"] is True
    assert json.loads(requests[0].body)["audio_url"] == "https://a.example/x.mp3"
    assert [(row["speaker"], row["end"]) for row in reply.body["segments"]] == [("A", 1.0)]


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ("Transcoding failed. File does not appear to contain audio.", FailureKind.INVALID_REQUEST),
        ("language_detection cannot be performed on files with no spoken audio.", FailureKind.INVALID_REQUEST),
        ("Internal server error. Please try again.", FailureKind.SERVER),
        (None, FailureKind.SERVER),
    ],
)
def test_jobs_that_fail(provider, hear, play, answer, told, kind):
    failed = answer({**QUEUED, "status": "error", "error": told})
    with pytest.raises(ProviderError, match=told or "no reason") as caught:
        play(provider.execute(hear()), answer(UPLOADED), answer(QUEUED), failed)
    assert caught.value.failure.kind is kind


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, {"error": "Authentication error, API token missing/invalid"}, FailureKind.AUTHENTICATION),
        (400, {"error": "Invalid endpoint schema"}, FailureKind.INVALID_REQUEST),
        (429, {"error": "Too many requests"}, FailureKind.RATE_LIMIT),
        (500, {"error": "Server error"}, FailureKind.SERVER),
    ],
)
@pytest.mark.parametrize("before", [[], [UPLOADED], [UPLOADED, QUEUED]])
def test_errors_at_every_step(provider, hear, play, answer, status, body, kind, before):
    with pytest.raises(ProviderError, match=body["error"]) as caught:
        play(provider.execute(hear()), *map(answer, before), answer(body, status))
    assert caught.value.failure.kind is kind


async def test_a_job_that_never_ends_ends_with_the_requests_deadline():
    upstream = FakeUpstream()
    never = answers.Answer(200, orjson.dumps({**UPLOADED, **QUEUED}), {"content-type": "application/json"})
    upstream.script(URL, lambda request: never)
    config = {
        "providers": {"assemblyai": {"connector": "assemblyai.stt.v1", "api_key": "k"}},
        "pools": {"ears": {"models": ["assemblyai.universal-2"], "deadline": "60s"}},
    }
    async with ModelMesh(config, clock=upstream.clock, make_transport=upstream.make_transport) as mesh:
        with pytest.raises(ModelMeshError, match=r"no answer within the 60 s"):
            await mesh.get_router().complete(Request(Operation.TRANSCRIPTION, "ears", {"file": b"RIFF"}))
    assert 55 < sum(upstream.clock.slept) < 65
