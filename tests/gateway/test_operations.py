"""What is asked beside chat: speech, transcription, images, moderation, reranking, with the OpenAI SDK where it can."""

import io
import json

import openai
import pytest
from meshes import providers
from modelmesh_core.testing import FakeUpstream, answers

A = "https://a.test/v1"
CAPABILITIES = (
    "text-to-speech",
    "speech-to-text",
    "text-to-image",
    "image-to-image",
    "content-moderation",
    "reranking",
)


def config():
    return {
        "providers": providers("a"),
        "models": {f"a.{name}": {"provider": "a", "capabilities": [name]} for name in CAPABILITIES},
        "pools": {name: {"capability": name} for name in CAPABILITIES},
    }


@pytest.fixture
def sdk(serve):
    with openai.OpenAI(base_url=serve(config()).url + "/v1", api_key="k", max_retries=0) as client:
        yield client


def json_answer(body):
    return answers.Answer(200, json.dumps(body).encode(), {"content-type": "application/json"})


def test_speech_comes_as_the_bytes_that_the_provider_sent(sdk, upstream: FakeUpstream):
    upstream.script(A, [answers.Answer(200, b"OggS\x00\xff", {"content-type": "audio/ogg"})])
    reply = sdk.audio.speech.create(model="text-to-speech", voice="alloy", input="Hi", response_format="opus")
    assert reply.content == b"OggS\x00\xff"
    assert reply.response.headers["content-type"] == "audio/ogg"
    assert reply.response.headers["x-modelmesh-model"] == "a.text-to-speech"
    assert json.loads(upstream.requests[0].body)["voice"] == "alloy"


def test_an_uploaded_recording_reaches_the_provider_whole(sdk, upstream: FakeUpstream):
    upstream.script(A, [json_answer({"text": "hello"})])
    sound = bytes(range(256)) * 40 + b"\r\n--not-the-boundary\r\n"
    reply = sdk.audio.transcriptions.create(
        model="speech-to-text", file=("a b.wav", io.BytesIO(sound)), language="en", temperature=0.5
    )
    assert reply.text == "hello"
    (request,) = upstream.requests
    assert request.url == A + "/audio/transcriptions"
    assert sound in request.body
    assert b'name="language"\r\n\r\nen' in request.body
    assert b'filename="a b.wav"' in request.body


def test_images_are_made_and_edited(sdk, upstream: FakeUpstream):
    upstream.script(A, [json_answer({"created": 1, "data": [{"b64_json": "AAAA"}]})])
    assert sdk.images.generate(model="text-to-image", prompt="a cat").data[0].b64_json == "AAAA"
    edited = sdk.images.edit(model="image-to-image", prompt="a hat", image=[b"\x89PNG1", b"\x89PNG2"])
    assert edited.data[0].b64_json == "AAAA"
    assert upstream.requests[1].url == A + "/images/edits"
    assert b"\x89PNG1" in upstream.requests[1].body
    assert b"\x89PNG2" in upstream.requests[1].body


def test_moderation_needs_no_model(sdk, upstream: FakeUpstream):
    result = {"flagged": True, "categories": {"violence": True}, "category_scores": {"violence": 0.9}}
    upstream.script(A, [json_answer({"id": "m", "model": "x", "results": [result]})])
    reply = sdk.moderations.create(input="I will hurt you")
    assert reply.results[0].flagged
    assert json.loads(upstream.requests[0].body)["model"] == "content-moderation"


def test_documents_are_ranked(client, upstream: FakeUpstream):
    upstream.script(A, [json_answer({"results": [{"index": 1, "relevance_score": 0.9}]})])
    body = {"model": "reranking", "query": "q", "documents": ["a", "b"]}
    answer = client(config()).post("/v1/rerank", json=body)
    assert answer.json()["results"][0]["index"] == 1


def test_a_missing_capability_is_named(client):
    answer = client(config()).post("/v1/search", json={"query": "weather"})
    assert answer.status_code == 404
    assert "web-search" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/v1/moderations", {}, "input"),
        ("/v1/rerank", {"query": "q", "documents": "a"}, "documents"),
        ("/v1/search", {}, "query"),
        ("/v1/images/generations", {"prompt": 5}, "prompt"),
        ("/v1/audio/speech", {"model": 3, "input": "x"}, "model"),
    ],
)
def test_bad_bodies_are_refused(path, body, param, client, upstream: FakeUpstream):
    answer = client(config()).post(path, json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
    assert upstream.requests == []


BOUNDARY = "multipart/form-data; boundary=x"
FILE = b'--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nsound\r\n'


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("multipart/form-data", FILE + b"--x--\r\n", 415),
        (BOUNDARY, FILE, 400),
        (BOUNDARY, b"", 400),
        (BOUNDARY, b"--x\r\n\r\n--x--", 400),
        (BOUNDARY, b"--x\r\ncontent-disposition: form-data\r\n\r\nv\r\n--x--\r\n", 400),
        (BOUNDARY, b'--x\r\ncontent-disposition: form-data; name="f"\r\n\r\n1\r\n' * 70 + b"--x--", 400),
        ("multipart/form-data; boundary=" + "x" * 80, FILE, 415),
    ],
    ids=["no boundary", "no end", "empty", "no fields", "no name", "too many", "long boundary"],
)
def test_broken_forms_are_refused(content_type, body, status, client, upstream: FakeUpstream):
    answer = client(config()).post("/v1/audio/transcriptions", content=body, headers={"content-type": content_type})
    assert answer.status_code == status
    assert upstream.requests == []
