"""Speech, transcription, images and moderation through the clients."""

import io
import json

import pytest
from meshes import providers
from modelmesh_core.testing import FakeUpstream, answers

A, B = "https://a.test/v1", "https://b.test/v1"
CAPABILITIES = ("text-to-speech", "speech-to-text", "text-to-image", "image-to-image", "content-moderation")


@pytest.fixture
def client(make_mesh):
    models = {
        f"{provider}.{name}": {"provider": provider, "capabilities": [name]}
        for name in CAPABILITIES
        for provider in ("a", "b")
    }
    pools = {name: {"capability": name, "retry": {"max_attempts": 1}} for name in CAPABILITIES}
    return make_mesh({"providers": providers("a", "b"), "models": models, "pools": pools}).get_client()


def json_answer(body):
    return answers.Answer(200, json.dumps(body).encode(), {"content-type": "application/json"})


def test_speech_rotates_like_everything_else(client, upstream: FakeUpstream, tmp_path):
    upstream.script(A, [answers.error(500)])
    upstream.script(B, [answers.Answer(200, b"ID3", {"content-type": "audio/mpeg"})])
    reply = client.audio.speech.create(model="text-to-speech", input="Hi", voice="alloy")
    assert (reply.read(), reply.media_type, reply.modelmesh.model) == (b"ID3", "audio/mpeg", "b.text-to-speech")
    reply.write_to_file(tmp_path / "hi.mp3")
    assert (tmp_path / "hi.mp3").read_bytes() == b"ID3"


@pytest.mark.parametrize("kind", ["bytes", "open file", "path", "named", "named and typed"])
def test_a_file_may_come_in_any_form_that_the_sdk_takes(kind, client, upstream: FakeUpstream, tmp_path):
    path = tmp_path / "talk.wav"
    path.write_bytes(b"RIFF1234")
    file = {
        "bytes": b"RIFF1234",
        "open file": io.BytesIO(b"RIFF1234"),
        "path": path,
        "named": ("talk.wav", b"RIFF1234"),
        "named and typed": ("talk.wav", io.BytesIO(b"RIFF1234"), "audio/wav"),
    }[kind]
    upstream.script(A, [json_answer({"text": "hello", "language": "en"})])
    reply = client.audio.transcriptions.create(model="speech-to-text", file=file)
    assert (reply.text, reply.language) == ("hello", "en")
    assert b"RIFF1234" in upstream.requests[0].body
    if kind in ("path", "named", "named and typed"):
        assert b'filename="talk.wav"' in upstream.requests[0].body


def test_images_and_moderations(client, upstream: FakeUpstream):
    upstream.script(A, [json_answer({"created": 1, "data": [{"url": "https://x.test/1.png"}]})])
    assert client.images.generate(model="text-to-image", prompt="a cat").data[0].url.endswith("1.png")
    assert client.images.edit(model="image-to-image", prompt="a hat", image=b"\x89PNG").data[0].url
    upstream.script(A, [json_answer({"id": "m", "model": "x", "results": [{"flagged": False, "categories": {}}]})])
    assert client.moderations.create(input="Hi").results[0].flagged is False
    assert client.usage.requests == 3
