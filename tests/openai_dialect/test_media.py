"""Speech, transcription, images, moderation and rankings: what is sent, and what answers mean."""

import base64
import json
from email.parser import BytesParser
from email.policy import HTTP

import orjson
import pytest
from modelmesh_core import EventKind, FailureKind, Headers, HttpResponse, Operation, ProviderCall, ProviderError, Usage
from modelmesh_core.wire.forms import FormFile, encode_form

PNG = b"\x89PNG\r\n\x1a\nrest"
WAV = b"RIFF\x24\0\0\0WAVEfmt "


def ask(operation, stream=False, **body):
    return ProviderCall(operation, "m-1", {"model": "asked", **body}, stream=stream)


def parts_of(request):
    """The parts of a form, by another parser: (name, filename, type, content)."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + request.body)
    return [
        (
            part.get_param("name", header="content-disposition"),
            part.get_filename(),
            part.get_content_type(),
            part.get_payload(decode=True),
        )
        for part in message.iter_parts()
    ]


def bytes_answer(content, kind="audio/mpeg", status=200):
    return HttpResponse(status, Headers([("content-type", kind)]), content)


def test_audio_to_transcribe_is_sent_as_a_form_with_every_field_of_the_body(provider):
    call = ask(
        Operation.TRANSCRIPTION,
        file=WAV,
        filename="talk.wav",
        media_type="audio/wav",
        language="de",
        temperature=0.2,
        timestamp_granularities=["word", "segment"],
        own_field={"deep": True},
        diarize=True,
        prompt=None,
    )

    request = next(provider.execute(call))

    assert request.url.endswith("/v1/audio/transcriptions")
    assert parts_of(request) == [
        ("model", None, "text/plain", b"m-1"),
        ("language", None, "text/plain", b"de"),
        ("temperature", None, "text/plain", b"0.2"),
        ("timestamp_granularities[]", None, "text/plain", b"word"),
        ("timestamp_granularities[]", None, "text/plain", b"segment"),
        ("own_field", None, "text/plain", b'{"deep":true}'),
        ("diarize", None, "text/plain", b"true"),
        ("file", "talk.wav", "audio/wav", WAV),
    ]


@pytest.mark.parametrize(
    ("content", "name", "kind"),
    [
        (WAV, "file.wav", "audio/wav"),
        (b"ID3rest", "file.mp3", "audio/mpeg"),
        (b"\0\0\0\x20ftypM4A ", "file.m4a", "audio/mp4"),
        (b"OggSrest", "file.ogg", "audio/ogg"),
        (b"anything", "file.bin", "application/octet-stream"),
        ("data:audio/flac;base64," + base64.b64encode(b"fLaCx").decode(), "file.flac", "audio/flac"),
    ],
)
def test_a_file_without_a_name_gets_one_that_says_its_format(provider, content, name, kind):
    (_, part) = parts_of(next(provider.execute(ask(Operation.TRANSCRIPTION, file=content))))
    assert part[:3] == ("file", name, kind)


@pytest.mark.parametrize("nothing", [None, "a path", 3, {"name": "x"}, "data:audio/wav;base64,%%%"])
def test_what_is_no_file_is_refused_before_it_is_sent(provider, nothing):
    with pytest.raises(ProviderError, match="file must hold") as raised:
        next(provider.execute(ask(Operation.TRANSCRIPTION, file=nothing)))
    assert raised.value.failure.kind is FailureKind.INVALID_REQUEST


def test_names_and_types_of_files_cannot_break_out_of_their_header():
    evil = 'a"; x="y\r\ncontent-type: text/html\r\n\r\nboo\n.wav'
    kind, body = encode_form([('n"\r\na: b', FormFile(b"sound", evil, "audio/wav\r\nx: y")), ("t", "text")])

    boundary = kind.partition("boundary=")[2].encode()
    first, second = body.split(b"--" + boundary)[1:3]
    head, _, content = first.strip(b"\r\n").partition(b"\r\n\r\n")
    assert content == b"sound" and head.count(b"\r\n") == 1
    assert head.endswith(b"content-type: application/octet-stream") and b"\ntext/html" not in head
    assert second.endswith(b"\r\n\r\ntext\r\n")


def test_a_file_may_hold_what_looks_like_the_end_of_a_form():
    kinds = {encode_form([("file", FormFile(b"--modelmesh-\r\n--", "x"))])[0] for _ in range(5)}
    assert len(kinds) == 5, "the boundary cannot be foreseen"


def test_a_header_of_the_settings_does_not_replace_the_boundary(provider):
    provider.headers["content-type"] = "application/json"
    request = next(provider.execute(ask(Operation.TRANSCRIPTION, file=WAV)))
    assert request.headers["content-type"].startswith("multipart/form-data; boundary=")


@pytest.mark.parametrize(
    ("body", "usage"),
    [
        ({"text": "Hi"}, None),
        ({"text": "Hi", "usage": {"type": "duration", "seconds": 4}}, Usage(seconds=4.0)),
        ({"text": "Hi", "language": "en", "duration": 36.7, "segments": [], "words": []}, Usage(seconds=36.7)),
        (
            {
                "text": "Hi",
                "usage": {
                    "type": "tokens",
                    "total_tokens": 49,
                    "input_tokens": 37,
                    "input_token_details": {"text_tokens": 2, "audio_tokens": 35},
                    "output_tokens": 12,
                },
            },
            Usage(input=2, audio=35, output=12),
        ),
    ],
)
def test_a_transcript_keeps_all_that_came_and_says_what_was_used(provider, play, answer, body, usage):
    _, reply = play(provider.execute(ask(Operation.TRANSCRIPTION, file=WAV)), answer(body))
    assert reply.body == body and json.loads(reply.raw) == body and reply.usage == usage


def test_subtitles_are_text_and_content(provider, play):
    srt = "1\n00:00:00,000 --> 00:00:01,000\nÜber\n".encode()
    call = ask(Operation.TRANSCRIPTION, file=WAV, response_format="srt")
    _, reply = play(provider.execute(call), bytes_answer(srt, "text/plain; charset=utf-8"))
    assert (reply.body, reply.content, reply.media_type) == ({"text": srt.decode()}, srt, "text/plain")


def test_a_page_in_place_of_subtitles_is_no_transcript(provider, play):
    call = ask(Operation.TRANSCRIPTION, file=WAV, response_format="vtt")
    with pytest.raises(ProviderError) as raised:
        play(provider.execute(call), bytes_answer(b"<html>login</html>", "text/html"))
    assert raised.value.failure.kind is FailureKind.UNDECODABLE


def test_speech_is_bytes_and_counts_characters(provider, play):
    call = ask(Operation.SPEECH, input="Grüße", voice="alloy")
    (request,), reply = play(provider.execute(call), bytes_answer(b"\xff\xf3sound"))
    assert orjson.loads(request.body) == {"model": "m-1", "input": "Grüße", "voice": "alloy"}
    assert (reply.content, reply.media_type, reply.usage) == (b"\xff\xf3sound", "audio/mpeg", Usage(characters=5))


@pytest.mark.parametrize(
    "response",
    [
        bytes_answer(b""),
        bytes_answer(b"<html>", "text/html"),
        bytes_answer(b"{}", "application/json"),
        bytes_answer(b"half", "application/json"),
        bytes_answer(b'{"audio":"%"}', "application/json"),
    ],
)
def test_what_is_no_sound_is_no_speech(provider, play, response):
    with pytest.raises(ProviderError) as raised:
        play(provider.execute(ask(Operation.SPEECH, input="x")), response)
    assert raised.value.failure.kind is FailureKind.UNDECODABLE


def test_pictures_are_asked_for_in_json_and_counted(provider, play, answer):
    body = {"created": 1, "data": [{"b64_json": "AA=="}, {"url": "https://x/y.png"}]}
    usage = {"input_tokens": 10, "output_tokens": 90, "total_tokens": 100}
    call = ask(Operation.IMAGES, prompt="a cat", n=2)
    (request,), reply = play(provider.execute(call), answer({**body, "usage": usage}))
    assert request.url.endswith("/images/generations")
    assert orjson.loads(request.body) == {"model": "m-1", "prompt": "a cat", "n": 2}
    assert reply.usage == Usage(input=10, output=90, images=2) and reply.body["data"] == body["data"]


def test_pictures_to_edit_are_sent_as_a_form(provider):
    call = ask(Operation.IMAGES, prompt="green", image=[PNG, b"\xff\xd8\xffjpeg"], mask=PNG, n=1)
    request = next(provider.execute(call))
    assert request.url.endswith("/images/edits")
    assert [part[:3] for part in parts_of(request)] == [
        ("model", None, "text/plain"),
        ("prompt", None, "text/plain"),
        ("image[]", "image.png", "image/png"),
        ("image[]", "image.jpg", "image/jpeg"),
        ("mask", "mask.png", "image/png"),
        ("n", None, "text/plain"),
    ]


def test_pictures_by_their_address_are_edited_in_json(provider):
    images = [{"image_url": "https://x/y.png"}]
    request = next(provider.execute(ask(Operation.IMAGES, prompt="green", images=images)))
    assert request.url.endswith("/images/edits")
    assert orjson.loads(request.body) == {"model": "m-1", "prompt": "green", "images": images}


@pytest.mark.parametrize(
    ("body", "results"),
    [
        (
            {"results": [{"index": 1, "relevance_score": 0.8, "document": {"text": "b"}}]},
            [{"index": 1, "relevance_score": 0.8, "document": {"text": "b"}}],
        ),
        (
            {"object": "list", "data": [{"index": 0, "relevance_score": 0.1, "document": "a"}]},
            [{"index": 0, "relevance_score": 0.1, "document": {"text": "a"}}],
        ),
        (
            {"results": [{"index": 2, "score": 0.5}]},
            [{"index": 2, "score": 0.5, "relevance_score": 0.5}],
        ),
    ],
)
def test_rankings_of_all_shapes_are_one(provider, play, answer, body, results):
    call = ask(Operation.RERANK, query="q", documents=["a", "b"], top_n=1)
    (request,), reply = play(provider.execute(call), answer({**body, "usage": {"total_tokens": 17}}))
    assert request.url.endswith("/rerank")
    assert reply.body["results"] == results and reply.usage == Usage(input=17)
    assert (reply.raw is None) == (reply.body.get("results") != body.get("results"))


def test_a_moderation_without_results_makes_no_sense(provider, play, answer):
    with pytest.raises(ProviderError) as raised:
        play(provider.execute(ask(Operation.MODERATION, input="x")), answer({"id": "modr-1"}))
    assert raised.value.failure.kind is FailureKind.UNDECODABLE


def test_streams_of_other_operations_are_asked_for_and_handed_on_as_they_come(provider, play):
    lines = b'data: {"type":"transcript.text.delta","delta":"Hi"}\n\ndata: {"type":"transcript.text.done","text":"Hi",'
    lines += b'"usage":{"type":"tokens","input_tokens":3,"output_tokens":1,"total_tokens":4}}\n\ndata: [DONE]\n\n'
    call = ask(Operation.TRANSCRIPTION, stream=True, file=WAV)
    (request,), decoder = play(provider.execute(call), bytes_answer(b"", "text/event-stream"))
    events = [event for byte in lines for event in decoder.feed(bytes([byte]))] + [*decoder.finish()]
    assert ("stream", None, "text/plain", b"true") in parts_of(request)
    assert [event.kind for event in events] == [EventKind.CONTENT, EventKind.FINISH, EventKind.DONE]
    assert events[1].usage == Usage(input=3, output=1) and events[0].chunk["delta"] == "Hi"


def test_a_server_that_streams_the_sound_itself_is_understood(provider, play):
    call = ask(Operation.SPEECH, stream=True, input="x")
    (request,), decoder = play(provider.execute(call), bytes_answer(b"", "audio/mpeg"))
    events = [*decoder.feed(b"\x01\x02"), *decoder.finish()]
    assert orjson.loads(request.body)["stream_format"] == "sse"
    assert base64.b64decode(events[0].chunk["audio"]) == b"\x01\x02" and events[-1].kind is EventKind.FINISH


@pytest.mark.parametrize("operation", [Operation.SPEECH, Operation.TRANSCRIPTION, Operation.IMAGES])
def test_errors_of_every_operation_have_their_kind(provider, play, answer, operation):
    error = {"error": {"message": "no such model", "type": "invalid_request_error", "code": "model_not_found"}}
    file = {"file": WAV} if operation is Operation.TRANSCRIPTION else {}
    for status in (404, 200):
        with pytest.raises(ProviderError) as raised:
            play(provider.execute(ask(operation, **file, input="x", prompt="y")), answer(error, status))
        assert raised.value.failure.kind is FailureKind.MODEL_NOT_FOUND


def test_audio_tokens_beside_the_prompt_are_not_taken_for_reasoning(provider, play, answer):
    usage = {"prompt_tokens": 3, "total_tokens": 389, "completion_tokens": 11, "prompt_audio_seconds": 3}
    usage["prompt_tokens_details"] = {"cached_tokens": 0, "audio_tokens": 375}
    _, reply = play(provider.execute(ask(Operation.TRANSCRIPTION, file=WAV)), answer({"text": "Hi", "usage": usage}))
    assert reply.usage == Usage(input=3, audio=375, output=11, seconds=3.0) and reply.usage.total == 389
