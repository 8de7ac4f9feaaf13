"""What Google's models do beside chat: embeddings, speech and images."""

import base64
import json

import pytest
from modelmesh_core import ContentFilterError, FailureKind, InvalidRequestError, Operation, ProviderError

BASE = "https://generativelanguage.googleapis.com/v1beta"


def embedding(*vectors):
    return {"embeddings": [{"values": list(vector)} for vector in vectors], "usageMetadata": {"promptTokenCount": 3}}


def test_embeddings_of_gemini(gemini, play, answer, chat):
    call = chat(
        "gemini-embedding-001", operation=Operation.EMBEDDINGS, input=["a", "b"], dimensions=2, input_type="query"
    )
    requests, reply = play(gemini.execute(call), answer(embedding([0.5, 1], [2, 3])))

    assert requests[0].url == f"{BASE}/models/gemini-embedding-001:batchEmbedContents"
    one = {"model": "models/gemini-embedding-001", "taskType": "RETRIEVAL_QUERY", "outputDimensionality": 2}
    assert json.loads(requests[0].body)["requests"] == [
        {**one, "content": {"parts": [{"text": text}]}} for text in "ab"
    ]
    assert [row["embedding"] for row in reply.body["data"]] == [[0.5, 1], [2, 3]] and reply.usage.input == 3


def test_embeddings_in_base64_and_by_prefix(gemini, play, answer, chat):
    call = chat(
        "gemini-embedding-2", operation=Operation.EMBEDDINGS, input="a", input_type="document", encoding_format="base64"
    )
    requests, reply = play(gemini.execute(call), answer(embedding([0.5, 1])))

    (one,) = json.loads(requests[0].body)["requests"]
    assert one == {"model": "models/gemini-embedding-2", "content": {"parts": [{"text": "title: none | text: a"}]}}
    assert base64.b64decode(reply.body["data"][0]["embedding"]) == b"\0\0\0?\0\0\x80?"


def test_many_embeddings_are_asked_for_in_batches(gemini, vertex, play, answer, chat):
    many = chat("gemini-embedding-001", operation=Operation.EMBEDDINGS, input=["x"] * 150)
    requests, reply = play(gemini.execute(many), answer(embedding(*[[1]] * 100)), answer(embedding(*[[2]] * 50)))
    assert [row["index"] for row in reply.body["data"]] == list(range(150)) and reply.usage.input == 6

    two = chat(
        "gemini-embedding-001", operation=Operation.EMBEDDINGS, input=["a", "b"], dimensions=8, input_type="query"
    )
    one = answer({"predictions": [{"embeddings": {"values": [1], "statistics": {"token_count": 4}}}]})
    requests, reply = play(vertex.execute(two), one, one)
    assert json.loads(requests[1].body) == {
        "instances": [{"content": "b", "task_type": "RETRIEVAL_QUERY"}],
        "parameters": {"outputDimensionality": 8},
    }
    assert requests[0].url.endswith("gemini-embedding-001:predict") and reply.usage.input == 8


def test_embeddings_that_are_missing_or_cannot_be_asked(gemini, play, answer, chat):
    with pytest.raises(ProviderError, match="2 inputs") as raised:
        play(gemini.execute(chat("e", operation=Operation.EMBEDDINGS, input=["a", "b"])), answer(embedding([1])))
    assert raised.value.failure.kind is FailureKind.UNDECODABLE
    for wrong in ([1, 2], [[1, 2]], None, 7):
        with pytest.raises(InvalidRequestError):
            next(gemini.execute(chat("e", operation=Operation.EMBEDDINGS, input=wrong)))


def test_speech(gemini, play, answer, chat):
    said = {
        "inlineData": {"mimeType": "audio/L16;codec=pcm;rate=24000", "data": base64.b64encode(b"\1\0\2\0").decode()}
    }
    usage = {"promptTokenCount": 5, "candidatesTokenCount": 20, "totalTokenCount": 25,
             "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 20}]}  # fmt: skip
    spoken = answer({"candidates": [{"content": {"parts": [said]}, "finishReason": "STOP"}], "usageMetadata": usage})
    model, speech = "gemini-2.5-flash-preview-tts", {"operation": Operation.SPEECH, "input": "Hello"}

    call = chat(model, **speech, voice="alloy", instructions="Cheerfully:", response_format="mp3", speed=2)
    requests, reply = play(gemini.execute(call), spoken)
    _, raw = play(gemini.execute(chat(model, **speech, voice="Puck", response_format="pcm")), spoken)

    assert json.loads(requests[0].body) == {
        "contents": [{"role": "user", "parts": [{"text": "Cheerfully: Hello"}]}],
        "generationConfig": {
            "responseModalities": ["AUDIO"],
            "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}},
        },
    }
    assert sorted(call.dropped) == ["response_format", "speed", "voice"]
    assert reply.media_type == "audio/wav" and reply.content[:4] == b"RIFF" and reply.content[44:] == b"\1\0\2\0"
    assert int.from_bytes(reply.content[24:28], "little") == 24000
    assert (reply.usage.input, reply.usage.output, reply.usage.audio) == (5, 20, 0)
    assert raw.content == b"\1\0\2\0" and raw.media_type.startswith("audio/L16")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"promptFeedback": {"blockReason": "SAFETY"}}, FailureKind.CONTENT_FILTER),
        ({"candidates": [{"finishReason": "OTHER"}]}, FailureKind.SERVER),
        ({"x": 1}, FailureKind.UNDECODABLE),
    ],
)
def test_speech_that_did_not_come(gemini, play, answer, chat, body, kind):
    with pytest.raises(ProviderError) as raised:
        play(gemini.execute(chat("tts", operation=Operation.SPEECH, input="x")), answer(body))
    assert raised.value.failure.kind is kind


def test_images_of_imagen(gemini, play, answer, chat):
    call = chat(
        "imagen-4.0-generate-001", operation=Operation.IMAGES, prompt="A cat", n=2, size="1792x1024", quality="hd"
    )
    made = {"predictions": [{"bytesBase64Encoded": "AAA=", "prompt": "A fine cat"}, {"raiFilteredReason": "people"}]}
    requests, reply = play(gemini.execute(call), answer(made))

    assert requests[0].url.endswith("imagen-4.0-generate-001:predict")
    assert json.loads(requests[0].body)["parameters"] == {"sampleCount": 2, "aspectRatio": "16:9"}
    assert reply.body["data"] == [{"b64_json": "AAA=", "revised_prompt": "A fine cat"}]
    assert reply.usage.images == 1 and call.dropped == ["quality"]
    with pytest.raises(InvalidRequestError, match="new images only"):
        next(gemini.execute(chat("imagen-4", operation=Operation.IMAGES, prompt="x", image=b"\x89PNG")))


def test_images_of_gemini(gemini, play, answer, chat):
    call = chat("gemini-3-pro-image-preview", operation=Operation.IMAGES, prompt="Paint it", n=2, size="2048x2048",
                image=[b"\x89PNG1", "https://a.example/x.jpg"])  # fmt: skip
    parts = [{"text": "Here"}, {"inlineData": {"mimeType": "image/png", "data": "AAA="}}]
    usage = {"promptTokenCount": 5, "candidatesTokenCount": 1290, "totalTokenCount": 1295}
    made = answer({"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}], "usageMetadata": usage})
    requests, reply = play(gemini.execute(call), made, made)

    body = json.loads(requests[0].body)
    assert [next(iter(part)) for part in body["contents"][0]["parts"]] == ["text", "inlineData", "fileData"]
    assert body["generationConfig"]["imageConfig"] == {"aspectRatio": "1:1", "imageSize": "2K"}
    assert reply.body["data"] == [{"b64_json": "AAA="}] * 2
    assert (reply.usage.images, reply.usage.output) == (2, 2580)


@pytest.mark.parametrize(
    ("model", "body"),
    [
        ("imagen-4", {"predictions": [{"raiFilteredReason": "Not this."}]}),
        ("gemini-image", {"candidates": [{"finishReason": "IMAGE_SAFETY", "finishMessage": "Not this."}]}),
        ("gemini-image", {"promptFeedback": {"blockReason": "OTHER", "blockReasonMessage": "Not this."}}),
    ],
)
def test_images_that_are_withheld(gemini, play, answer, chat, model, body):
    with pytest.raises(ContentFilterError, match=r"Not this\."):
        play(gemini.execute(chat(model, operation=Operation.IMAGES, prompt="x")), answer(body))


def test_what_google_cannot_do(gemini, chat):
    with pytest.raises(InvalidRequestError, match="moderation"):
        next(gemini.execute(chat(operation=Operation.MODERATION, input="x")))
