"""ElevenLabs. Errors and voices are as its documentation shows them; the rest was recorded."""

import json
import wave
from io import BytesIO
from urllib.parse import parse_qs, urlsplit

import pytest
from modelmesh_core import FailureKind, InvalidRequestError, ProviderError

GEORGE = "JBFqnCBsd6RMkjVDRZzb"
RACHEL = "21m00Tcm4TlvDq8ikWAM"


@pytest.fixture
def provider(make):
    return make("elevenlabs.tts.v1")


def test_recorded_speech_comes_back_byte_for_byte(provider, say, play, recordings):
    spoken = [one for one in recordings("elevenlabs") if one.is_sound]
    assert len(spoken) == 4
    for one in spoken:
        _, reply = play(provider.execute(say()), one.response)
        assert (reply.content, reply.media_type, reply.usage.characters) == (one.body, "audio/mpeg", 5)


def test_the_recorded_transcript(provider, hear, play, recordings):
    (one,) = [one for one in recordings("elevenlabs") if not one.is_sound]
    raw = json.loads(one.body)
    call = hear(response_format="verbose_json", timestamp_granularities=["word", "segment"])
    _, reply = play(provider.execute(call), one.response)
    assert (reply.body["text"], reply.body["language"]) == (raw["text"], raw["language_code"])
    expected = [(row["text"], row["start"], row["end"]) for row in raw["words"] if row["type"] == "word"]
    assert [(row["word"], row["start"], row["end"]) for row in reply.body["words"]] == expected
    assert [(row["text"], row["speaker"]) for row in reply.body["segments"]] == [(raw["text"], "speaker_0")]
    assert reply.usage is None  # this answer did not tell how long the audio was


@pytest.mark.parametrize(
    ("body", "output", "media_type"),
    [({}, "mp3_44100_128", "audio/mpeg"), ({"response_format": "opus"}, "opus_48000_128", "audio/ogg"),
     ({"response_format": "pcm"}, "pcm_24000", "audio/pcm"), ({"output_format": "ulaw_8000"}, "ulaw_8000", "audio/x")],
)  # fmt: skip
def test_formats(provider, say, play, answer, body, output, media_type):
    (request,), reply = play(provider.execute(say("eleven_v3", voice=RACHEL, **body)), answer(b"sound", 200, "audio/x"))
    url = urlsplit(request.url)
    assert (url.netloc, url.path) == ("api.elevenlabs.io", f"/v1/text-to-speech/{RACHEL}")
    assert parse_qs(url.query) == {"output_format": [output]}
    assert json.loads(request.body) == {"text": "Hello", "model_id": "eleven_v3"}
    assert request.headers["xi-api-key"].startswith("key-") and reply.media_type == media_type


def test_wav_gets_a_header_that_players_read(provider, say, play, answer):
    (request,), reply = play(provider.execute(say(response_format="wav")), answer(bytes(4800), 200, "audio/pcm"))
    assert "pcm_24000" in request.url
    with wave.open(BytesIO(reply.content)) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getnframes()) == (24000, 1, 2400)


def test_a_voice_by_name_is_looked_up_once(provider, say, play, answer):
    voices = answer({"voices": [{"voice_id": "x"}, 3, {"name": "Rachel - calm", "voice_id": RACHEL}]})
    (lookup, request), _ = play(provider.execute(say(voice="rachel")), voices, answer(b"sound", 200, "audio/mpeg"))
    assert lookup.url.endswith("/v2/voices?search=rachel&page_size=100") and RACHEL in request.url
    (again,), _ = play(provider.execute(say(voice="rachel")), answer(b"sound", 200, "audio/mpeg"))
    assert again.url == request.url
    with pytest.raises(InvalidRequestError, match="none of the name 'nobody'"):
        play(provider.execute(say(voice="nobody")), answer({"voices": []}))


def test_openais_voices_have_a_stand_in_and_the_caller_is_told(make, say):
    call = say(voice="alloy")
    assert GEORGE in next(make("elevenlabs.tts.v1").execute(call)).url and call.dropped == ["voice"]
    call = say(voice="alloy")
    named = make("elevenlabs.tts.v1", voices={"alloy": RACHEL})
    assert RACHEL in next(named.execute(call)).url and call.dropped == []


def test_what_it_lacks_is_dropped(provider, say):
    call = say(speed=4, instructions="Whisper", response_format="flac", style="x", user="u")
    sent = json.loads(next(provider.execute(call)).body)
    assert sent["voice_settings"] == {"speed": 1.2}
    assert sorted(call.dropped) == ["instructions", "response_format", "speed", "style"]
    with pytest.raises(InvalidRequestError):
        next(provider.execute(say(instructions="Whisper", unsupported="error")))


@pytest.mark.parametrize("body", [{"input": ""}, {"input": 3}, {"voice": 3}, {"speed": "fast"}])
def test_a_callers_mistakes_are_told_before_anything_is_sent(provider, say, body):
    with pytest.raises(InvalidRequestError):
        next(provider.execute(say(**body)))


def test_the_transcriptions_form(provider, hear):
    call = hear("scribe_v2", filename='a".wav', language="en-US", temperature=0, prompt="x", diarize=True)
    request = next(provider.execute(call))
    sent = request.body.decode("latin-1")
    for field in ('"model_id"\r\n\r\nscribe_v2', '"language_code"\r\n\r\nen\r\n', '"temperature"\r\n\r\n0\r\n',
                  '"diarize"\r\n\r\ntrue', 'name="file"; filename="a%22.wav"\r\ncontent-type: audio/wav'):  # fmt: skip
        assert field in sent
    assert call.dropped == ["prompt"] and request.headers["content-type"].startswith("multipart/form-data; boundary=")


@pytest.mark.parametrize(
    ("status", "detail", "kind"),
    [
        (401, {"status": "invalid_api_key", "message": "Invalid API key"}, FailureKind.AUTHENTICATION),
        (401, {"status": "quota_exceeded", "message": "You have 0 credits"}, FailureKind.QUOTA),
        (400, {"status": "max_character_limit_exceeded", "message": "627 characters"}, FailureKind.CONTEXT_LENGTH),
        (404, {"status": "voice_not_found", "message": "A voice was not found."}, FailureKind.INVALID_REQUEST),
        (404, {"status": "model_not_found", "message": "no such model"}, FailureKind.MODEL_NOT_FOUND),
        (429, {"status": "too_many_concurrent_requests", "message": "Too many"}, FailureKind.RATE_LIMIT),
        (429, {"status": "system_busy", "message": "We are busy"}, FailureKind.SERVER),
        (422, [{"loc": ["body", "text"], "msg": "field required", "type": "missing"}], FailureKind.INVALID_REQUEST),
        (403, {"type": "authorization_error", "code": "missing_perm", "message": "x"}, FailureKind.AUTHENTICATION),
        (500, "Internal Server Error", FailureKind.SERVER),
    ],
)  # fmt: skip
def test_errors(provider, say, play, answer, status, detail, kind):
    with pytest.raises(ProviderError) as caught:
        play(provider.execute(say()), answer({"detail": detail}, status))
    failure = caught.value.failure
    assert (failure.kind, failure.status, failure.body["detail"]) == (kind, status, detail)
    told = (
        detail if isinstance(detail, str) else detail.get("message") if isinstance(detail, dict) else "body.text: field"
    )
    assert told in failure.message


def test_its_models(provider, play, answer):
    rows = [{"model_id": "eleven_v3", "can_do_text_to_speech": True}, {"model_id": "sts"}, None]
    _, models = play(provider.list_models(), answer(rows))
    assert [model.upstream_model for model in models] == ["eleven_v3"]
