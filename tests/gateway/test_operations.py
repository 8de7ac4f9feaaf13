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
    "text-completion",
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


def event_stream(*events):
    lines = [f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n".encode() for event in events]
    return answers.Answer(200, b"", {"content-type": "text/event-stream"}, lines)


def test_variations_are_asked_for_where_they_are_made(sdk, upstream: FakeUpstream):
    upstream.script(A, [json_answer({"created": 1, "data": [{"url": "https://x.test/1.png"}]})])
    made = sdk.images.create_variation(model="image-to-image", image=b"\x89PNG1", n=2)
    assert made.data[0].url.endswith("1.png")
    assert upstream.requests[0].url == A + "/images/variations"
    assert b'name="n"\r\n\r\n2\r\n' in upstream.requests[0].body


PARTIAL = {"type": "image_generation.partial_image", "b64_json": "AA", "partial_image_index": 0}
WHOLE = {"type": "image_generation.completed", "b64_json": "BB", "usage": {"input_tokens": 3, "output_tokens": 9}}


def test_pictures_are_streamed(sdk, upstream: FakeUpstream):
    upstream.script(A, [event_stream(PARTIAL, WHOLE, WHOLE)])
    events = list(sdk.images.generate(model="text-to-image", prompt="a cat", n=2, stream=True, partial_images=1))
    assert [(event.type, event.b64_json) for event in events] == [
        ("image_generation.partial_image", "AA"),
        ("image_generation.completed", "BB"),
        ("image_generation.completed", "BB"),
    ]
    assert json.loads(upstream.requests[0].body)["stream"] is True


def test_an_edit_is_streamed(sdk, upstream: FakeUpstream):
    upstream.script(A, [event_stream({**WHOLE, "type": "image_edit.completed"}, "[DONE]")])
    (event,) = sdk.images.edit(model="image-to-image", prompt="a hat", image=b"\x89PNG1", stream=True)
    assert event.type == "image_edit.completed"
    assert upstream.requests[0].url == A + "/images/edits"
    assert b'name="stream"\r\n\r\ntrue\r\n' in upstream.requests[0].body


def test_pictures_from_a_provider_that_does_not_stream_are_told_as_a_stream(sdk, upstream: FakeUpstream):
    upstream.script(A, [json_answer({"created": 7, "size": "1x1", "data": [{"b64_json": "A"}, {"b64_json": "B"}]})])
    events = list(sdk.images.generate(model="text-to-image", prompt="a cat", stream=True))
    assert [event.b64_json for event in events] == ["A", "B"]
    assert {(event.type, event.created_at, event.size) for event in events} == {
        ("image_generation.completed", 7, "1x1")
    }


def test_a_stream_of_pictures_that_breaks_raises(sdk, upstream: FakeUpstream):
    upstream.script(A, [event_stream(PARTIAL)])
    seen = []
    with pytest.raises(openai.APIError, match="before the answer was whole"):
        for event in sdk.images.generate(model="text-to-image", prompt="a cat", stream=True):
            seen.append(event.type)
    assert seen == ["image_generation.partial_image"]


def test_a_transcript_is_streamed(sdk, upstream: FakeUpstream):
    deltas = [{"type": "transcript.text.delta", "delta": word} for word in ("hel", "lo")]
    upstream.script(A, [event_stream(*deltas, {"type": "transcript.text.done", "text": "hello"})])
    events = list(sdk.audio.transcriptions.create(model="speech-to-text", file=b"RIFF", stream=True))
    assert [event.type for event in events][-1] == "transcript.text.done"
    assert "".join(event.delta for event in events[:-1]) == events[-1].text == "hello"


def test_speech_is_streamed_as_events(client, upstream: FakeUpstream):
    upstream.script(A, [answers.Answer(200, b"", {"content-type": "audio/mpeg"}, [b"ID", b"3"])])
    body = {"model": "text-to-speech", "voice": "alloy", "input": "Hi", "stream_format": "sse"}
    answer = client(config()).post("/v1/audio/speech", json=body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    assert [event["type"] for event in events] == ["speech.audio.delta"] * 2 + ["speech.audio.done"]
    assert [event.get("audio") for event in events] == ["SUQ=", "Mw==", None]


def test_a_recording_is_translated(sdk, upstream: FakeUpstream):
    upstream.script(A, [json_answer({"text": "hello"})])
    assert sdk.audio.translations.create(model="speech-to-text", file=b"RIFF").text == "hello"
    assert upstream.requests[0].url == A + "/audio/translations"


@pytest.mark.parametrize("prompt", ["Once", ["Once", "upon"], [1, 2, 3]])
def test_a_text_is_completed(sdk, upstream: FakeUpstream, prompt):
    choice = {"index": 0, "text": " upon a time", "finish_reason": "stop", "logprobs": None}
    usage = {"prompt_tokens": 1, "completion_tokens": 3, "total_tokens": 4}
    upstream.script(A, [json_answer({"id": "c", "object": "text_completion", "choices": [choice], "usage": usage})])
    reply = sdk.completions.create(model="text-completion", prompt=prompt, echo=True)
    assert (reply.choices[0].text, reply.usage.total_tokens) == (" upon a time", 4)
    assert upstream.requests[0].url == A + "/completions"
    assert json.loads(upstream.requests[0].body) == {"model": "text-completion", "prompt": prompt, "echo": True}


def text_chunk(text, finish=None, **more):
    return {"object": "text_completion", "choices": [{"index": 0, "text": text, "finish_reason": finish}], **more}


@pytest.mark.parametrize("asked", [True, False])
def test_a_text_is_completed_as_a_stream(sdk, upstream: FakeUpstream, asked):
    usage = {"object": "text_completion", "choices": [], "usage": {"prompt_tokens": 2, "completion_tokens": 2}}
    upstream.script(A, [event_stream(text_chunk("up"), text_chunk("on"), text_chunk("", "stop"), usage, "[DONE]")])
    options = {"stream_options": {"include_usage": True}} if asked else {}
    chunks = list(sdk.completions.create(model="text-completion", prompt="Once", stream=True, **options))
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == "upon"
    assert [chunk.usage.prompt_tokens for chunk in chunks if chunk.usage] == ([2] if asked else [])
    assert json.loads(upstream.requests[0].body)["stream_options"] == {"include_usage": True}


def test_a_text_from_a_provider_that_does_not_stream_is_told_as_a_stream(sdk, upstream: FakeUpstream):
    upstream.script(A, [json_answer(text_chunk("upon", "stop"))])
    chunks = list(sdk.completions.create(model="text-completion", prompt="Once", stream=True))
    assert [(chunk.choices[0].text, chunk.choices[0].finish_reason) for chunk in chunks] == [("upon", "stop")]


def test_a_field_that_only_looks_like_a_number_stays_as_it_is(sdk, upstream: FakeUpstream):
    upstream.script(A, [json_answer({"text": "hello"})])
    sdk.audio.transcriptions.create(
        model="speech-to-text", file=b"RIFF", extra_body={"known_speaker_names": ["1e3", "007"]}
    )
    assert b"\r\n\r\n1e3\r\n" in upstream.requests[0].body
    assert b"\r\n\r\n007\r\n" in upstream.requests[0].body


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
        ("/v1/completions", {"model": "text-completion"}, "prompt"),
        ("/v1/completions", {"model": "text-completion", "prompt": 5}, "prompt"),
        ("/v1/images/variations", {}, "image"),
        ("/v1/audio/translations", {}, "file"),
        ("/v1/images/generations", {"prompt": "x", "stream": "yes"}, "stream"),
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
