"""Real answers of the operations other than chat, replayed through their vendors' connectors."""

import base64
import json
from collections import Counter

import pytest
from modelmesh_core import Operation, ProviderCall

OPERATIONS = {
    "/embeddings": Operation.EMBEDDINGS,
    "/audio/speech": Operation.SPEECH,
    "/audio/transcriptions": Operation.TRANSCRIPTION,
    "/images/generations": Operation.IMAGES,
    "/images/edits": Operation.IMAGES,
    "/api/v1/images": Operation.IMAGES,
    "/rerank": Operation.RERANK,
}
BY_KIND = {"embeddings": Operation.EMBEDDINGS, "rerank": Operation.RERANK}
NOT_HTTP = ("azure-image-generation-tool", "xai-image-generation-tool")
"""Recordings of the kind images that hold answers of the Responses API."""


def operation_of(recording):
    if recording.kind not in ("embeddings", "audio", "images", "rerank") or recording.url.endswith(("/stt", "/tts")):
        return None
    if not recording.url:
        if recording.kind == "audio":
            speech = "text-to-speech" in recording.id
            return Operation.SPEECH if speech else Operation.TRANSCRIPTION
        return BY_KIND.get(recording.kind)
    return next((made for path, made in OPERATIONS.items() if recording.url.split("?")[0].endswith(path)), None)


def replayed(provider, play, recording, operation):
    is_audio = operation is Operation.TRANSCRIPTION
    body = {"file": b"ID3"} if is_audio else {"model": "x", **recording.request}
    call = ProviderCall(operation, "m", body)
    response = recording.response
    if not recording.url and operation is Operation.SPEECH:
        response = type(response)(200, body=recording.body)
    is_azure = recording.url and recording.connector == "azure.openai.v1"
    base_url = recording.url.partition("/openai/")[0] if is_azure else None
    return call, play(provider(recording.connector, base_url).execute(call), response)


def test_every_recorded_answer_is_read_whole(provider, play, recordings):
    seen = Counter()
    for recording in recordings:
        operation = operation_of(recording)
        if operation is None or recording.status != 200 or any(name in recording.id for name in NOT_HTTP):
            continue
        if "groq-transcription-text" in recording.id:
            continue  # a fixture that wraps the answer: see below
        call, (requests, reply) = replayed(provider, play, recording, operation)
        seen[recording.connector, operation.value] += 1
        if recording.url:
            assert requests[0].url.split("?")[0] == recording.url, recording.id
        if operation is Operation.SPEECH:
            plain = json.loads(recording.body) if recording.is_json else None
            assert reply.content == (base64.b64decode(plain["audio_data"]) if plain else recording.body), recording.id
            assert reply.usage.characters == len(call.body.get("input", ""))
            continue
        plain = json.loads(recording.body)
        usage = plain.get("usage") or {}
        if usage.get("total_tokens"):
            assert reply.usage.total == usage["total_tokens"], recording.id
        if usage.get("prompt_audio_seconds"):
            assert reply.usage.seconds == usage["prompt_audio_seconds"]
            heard = usage["total_tokens"] - usage["prompt_tokens"] - usage["completion_tokens"]
            assert reply.usage.audio == heard and not reply.usage.reasoning
        if operation is Operation.IMAGES:
            assert reply.usage.images == len(plain["data"])
        if usage.get("cost_in_usd_ticks"):
            assert float(reply.usage.cost) == usage["cost_in_usd_ticks"] / 1e10
        if recording.connector == "perplexity.search.v1":
            for made, row in zip(reply.body["data"], plain["data"], strict=True):
                assert bytes(number % 256 for number in made["embedding"]) == base64.b64decode(row["embedding"])
            continue
        assert reply.body == plain, recording.id
        assert json.loads(reply.raw) == plain
    assert {operation for _, operation in seen} == {one.value for one in BY_KIND.values()} | {
        "speech", "transcription", "images",
    }  # fmt: skip
    assert sum(seen.values()) > 25, seen


def test_a_transcript_as_text_is_text(provider, play, answer):
    call = ProviderCall(Operation.TRANSCRIPTION, "m", {"file": b"ID3", "response_format": "text"})
    response = answer(b" Hello from the recording.", kind="text/plain; charset=UTF-8")
    _, reply = play(provider("groq.api.v1").execute(call), response)
    assert reply.body == {"text": " Hello from the recording."} and reply.media_type == "text/plain"


@pytest.mark.parametrize(
    ("connector", "kind"), [("openrouter.gateway.v1", "images"), ("xai.grok.v1", "images"), ("xai.grok.v1", "edits")]
)
def test_recorded_requests_for_pictures_are_asked_for_in_the_same_fields(provider, recordings, connector, kind):
    for recording in recordings:
        if recording.connector != connector or not recording.url or f"/{kind}" not in recording.url:
            continue
        own = recording.request
        pictures = [
            one.get("url") or one["image_url"]["url"] for one in own.get("images") or own.get("input_references") or []
        ]
        body = {"prompt": own["prompt"], **({"image": pictures} if pictures else {})}
        request = next(provider(connector).execute(ProviderCall(Operation.IMAGES, own["model"], body)))
        sent = json.loads(request.body)
        if "images" in own and len(pictures) == 1:
            own = {**{key: value for key, value in own.items() if key != "images"}, "image": own["images"][0]}
        assert sent == own and request.url == recording.url
