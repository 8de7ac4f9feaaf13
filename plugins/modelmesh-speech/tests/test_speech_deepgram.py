"""Deepgram, against what was recorded; errors as its documentation shows them."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest
from modelmesh_core import FailureKind, ProviderError


@pytest.fixture
def provider(make):
    return make("deepgram.speech.v1")


def query_of(request):
    return parse_qs(urlsplit(request.url).query)


def test_recorded_speech(provider, say, play, recordings):
    spoken = [one for one in recordings("deepgram") if one.is_sound and "/speak" in one.url]
    assert len(spoken) == 3
    for one in spoken:
        wanted = parse_qs(urlsplit(one.url).query)
        text, is_wave = json.loads(one.request)["text"], wanted["encoding"] == ["linear16"]
        voice = wanted["model"][0].split("-")[2]
        call = say("aura-2-thalia-en", input=text, voice=voice, response_format="wav" if is_wave else "mp3")
        (request,), reply = play(provider.execute(call), one.response)
        assert json.loads(request.body) == json.loads(one.request)
        assert {name: value for name, value in query_of(request).items() if name != "sample_rate"} == wanted
        assert (reply.content, reply.usage.characters) == (one.body, len(text))
        assert reply.media_type == ("audio/wav" if is_wave else "audio/mpeg") and call.dropped == []


def test_recorded_transcripts(provider, hear, play, recordings):
    heard = [one for one in recordings("deepgram") if not one.is_sound]
    assert len(heard) == 3
    for one in heard:
        raw = json.loads(one.body)
        best = raw["results"]["channels"][0]["alternatives"][0]
        call = hear("nova-3", response_format="verbose_json", timestamp_granularities=["word", "segment"])
        _, reply = play(provider.execute(call), one.response)
        assert reply.body["text"] == best["transcript"]
        assert [row["word"] for row in reply.body["words"]] == [
            row.get("punctuated_word", row["word"]) for row in best["words"]
        ]
        told = [row["transcript"] for row in raw["results"].get("utterances", [])]
        assert [row["text"] for row in reply.body["segments"]] == told
        assert reply.usage.seconds == reply.body["duration"] == raw["metadata"]["duration"]


def test_recorded_requests_to_transcribe_have_the_same_shape(provider, hear, recordings):
    asked = [one for one in recordings("deepgram") if "/listen" in one.url]
    assert len(asked) == 2
    for one in asked:
        body = json.loads(one.request) if one.request else {}
        request = next(provider.execute(hear("nova-3-general", language="en", response_format="verbose_json", **body)))
        assert {**query_of(request), "language": ["en"]} == {**parse_qs(urlsplit(one.url).query), "language": ["en"]}
        assert request.headers["content-type"] == ("application/json" if body else "audio/wav")
        assert request.headers["authorization"].startswith("Token key-")
        assert not body or json.loads(request.body) == body


def test_formats_of_a_transcript(provider, hear, play, recordings):
    one = next(one for one in recordings("deepgram") if "nova-3" in one.id and "local_file" in one.id)
    _, srt = play(provider.execute(hear(response_format="srt")), one.response)
    assert srt.content.startswith(b"1\n00:00:00,160 --> 00:00:03,520\nRuby is a programming language") and (
        srt.media_type == "text/plain"
    )
    _, vtt = play(provider.execute(hear(response_format="vtt")), one.response)
    assert vtt.content.startswith(b"WEBVTT\n\n00:00:00.160 --> 00:00:03.520\nRuby is")
    _, text = play(provider.execute(hear(response_format="text")), one.response)
    assert text.content.decode() == text.body["text"]
    _, plain = play(provider.execute(hear()), one.response)
    assert set(plain.body) == {"text", "usage"}


def test_words_alone_make_subtitles(provider, hear, play, answer):
    words = [
        {"word": w, "start": n, "end": n + 1} for n, w in enumerate(["One.", "Two", "-->", "three"] + ["long" * 5] * 5)
    ]
    body = {"results": {"channels": [{"alternatives": [{"transcript": "x", "words": words}]}]}}
    _, reply = play(provider.execute(hear(response_format="srt")), answer(body))
    assert [block.splitlines()[2] for block in reply.content.decode().strip().split("\n\n")] == [
        "One.", "Two -> three " + " ".join(["long" * 5] * 3), " ".join(["long" * 5] * 2),
    ]  # fmt: skip


def test_lists_flags_and_speakers(provider, hear):
    call = hear(keyterm=["a b", "c"], punctuate=False, response_format="diarized_json", prompt="x", nonsense=1)
    query = query_of(next(provider.execute(call)))
    assert (query["keyterm"], query["punctuate"], query["diarize"]) == (["a b", "c"], ["false"], ["true"])
    assert query["detect_language"] == ["true"] and sorted(call.dropped) == ["nonsense", "prompt"]


@pytest.mark.parametrize(
    ("voice", "model"),
    [(None, "aura-2-thalia-en"), ("aura-2-luna-es", "aura-2-luna-es"), ("Zeus!", None), ("alloy", None)],
)
def test_voices(provider, say, voice, model):
    call = say("aura-2-thalia-en", voice=voice, speed=2)
    query = query_of(next(provider.execute(call)))
    assert query["model"] == [model or "aura-2-thalia-en"] and query["speed"] == ["1.5"]
    assert call.dropped == (["speed"] if model else ["voice", "speed"])


@pytest.mark.parametrize(
    ("status", "body", "kind", "told"),
    [
        (401, {"err_code": "INVALID_AUTH", "err_msg": "Invalid key"}, FailureKind.AUTHENTICATION, "Invalid"),
        (402, {"err_code": "ASR_PAYMENT_REQUIRED", "err_msg": "no credits"}, FailureKind.AUTHENTICATION, "no credits"),
        (429, {"err_code": "TOO_MANY_REQUESTS", "err_msg": "Too many"}, FailureKind.RATE_LIMIT, "Too many"),
        (400, {"category": "INVALID_JSON", "message": "bad", "details": "x"}, FailureKind.INVALID_REQUEST, "bad"),
        (413, {"err_code": "PAYLOAD_TOO_LARGE", "err_msg": "2000 characters"}, FailureKind.CONTEXT_LENGTH, "2000"),
        (503, b"<html>", FailureKind.SERVER, "503"),
    ],
)  # fmt: skip
def test_errors(provider, say, play, answer, status, body, kind, told):
    with pytest.raises(ProviderError, match=told) as caught:
        play(provider.execute(say()), answer(body, status))
    assert caught.value.failure.kind is kind


def test_its_models(provider, play, answer):
    body = {"stt": [{"canonical_name": "nova-3"}, {"canonical_name": "nova-3"}, 1], "tts": [{"canonical_name": "aura"}]}
    _, models = play(provider.list_models(), answer(body))
    assert [(one.upstream_model, one.capabilities) for one in models] == [
        ("nova-3", ("speech-to-text",)), ("aura", ("text-to-speech",)),
    ]  # fmt: skip
