"""fal, after its API reference, and the two transcription answers that were recorded."""

import base64
import json

import pytest
from modelmesh_core import FailureKind, Operation, ProviderCall, ProviderError

URL = "https://queue.fal.run"
PNG = b"\x89PNG\r\n\x1a\n..."
PNG_URL = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
HOME = "/fal-ai/flux/requests/r1"
QUEUED = {
    "status": "IN_QUEUE", "request_id": "r1", "queue_position": 2,
    "status_url": f"{URL}{HOME}/status", "response_url": f"{URL}{HOME}", "cancel_url": f"{URL}{HOME}/cancel",
}  # fmt: skip
COMPLETED = {"status": "COMPLETED", "request_id": "r1"}
RESULT = {"images": [{"url": "https://v3.fal.media/x.png", "width": 8}], "seed": 3, "has_nsfw_concepts": [False]}


@pytest.fixture
def provider(make):
    return make("fal.media-gen.v1")


def arguments_of(request):
    return json.loads(request.body)


def test_submit_poll_fetch(provider, draw, play, answer):
    polls = [answer(QUEUED, 202), answer({"status": "IN_PROGRESS"}, 202), answer(COMPLETED), answer(RESULT)]
    call = draw("fal-ai/flux/dev", size="1024x768", n=2, num_inference_steps=20, user="u")
    requests, reply = play(provider.execute(call), answer(QUEUED), *polls)
    assert [(one.method, one.url.removeprefix(URL)) for one in requests] == [
        ("POST", "/fal-ai/flux/dev"), *[("GET", f"{HOME}/status")] * 3, ("GET", HOME),
    ]  # fmt: skip
    assert arguments_of(requests[0]) == {
        "prompt": "A cat", "num_images": 2, "image_size": {"width": 1024, "height": 768}, "num_inference_steps": 20,
    }  # fmt: skip
    assert requests[0].headers["authorization"].startswith("Key key-") and requests[1].delay < requests[3].delay
    assert reply.body["data"] == [{"url": "https://v3.fal.media/x.png"}] and reply.usage.images == 1


@pytest.mark.parametrize(
    "url", ["https://evil.example/x", f"{URL}.evil.example/x", f"{URL}@evil.example/x", f"{URL}/a b", 3, None]
)
def test_the_key_goes_to_no_other_host(provider, draw, play, answer, url):
    queued = answer({**QUEUED, "status_url": url, "response_url": url, "request_id": "../r 1"})
    done = answer({**COMPLETED, "response_url": url})
    requests, _ = play(provider.execute(draw("fal-ai/flux/dev")), queued, done, answer(RESULT))
    home = f"{URL}/fal-ai/flux/requests/..%2Fr%201"
    assert [one.url for one in requests[1:]] == [f"{home}/status", home]


def test_without_the_queue(make, draw, play, answer):
    provider = make("fal.media-gen.v1", synchronous=True)
    call = draw("fal-ai/flux/schnell", response_format="b64_json")
    (request,), reply = play(provider.execute(call), answer({"image": {"url": PNG_URL}}))
    assert request.url == "https://fal.run/fal-ai/flux/schnell" and arguments_of(request)["sync_mode"] is True
    assert base64.b64decode(reply.body["data"][0]["b64_json"]) == PNG


@pytest.mark.parametrize(
    ("model", "body", "sent"),
    [
        ("fal-ai/flux-pro/kontext", {"image": PNG}, {"image_url": PNG_URL}),
        ("fal-ai/nano-banana/edit", {"image": PNG}, {"image_urls": [PNG_URL]}),
        ("fal-ai/flux/edit", {"images": [{"image_url": "https://a/x"}, PNG]}, {"image_urls": ["https://a/x", PNG_URL]}),
        ("fal-ai/inpaint", {"image": "https://a/x", "mask": PNG}, {"image_url": "https://a/x", "mask_url": PNG_URL}),
        ("fal-ai/imagen4/preview", {"size": "1000x1800"}, {"aspect_ratio": "9:16"}),
        ("fal-ai/flux/dev", {"size": "16:9"}, {"aspect_ratio": "16:9"}),
        ("openai/gpt-image-2.5/flare/edit", {"quality": "low"}, {"quality": "low"}),
    ],
)
def test_inputs(provider, draw, model, body, sent):
    assert arguments_of(next(provider.execute(draw(model, **body)))) == {"prompt": "A cat", **sent}


def test_flagged_pictures_are_withheld(make, draw, play, answer):
    provider = make("fal.media-gen.v1", synchronous=True)
    two = {"images": [{"url": "https://a/1"}, {"url": "https://a/2"}], "has_nsfw_concepts": [True, False]}
    _, reply = play(provider.execute(draw("m/x")), answer(two))
    assert reply.body["data"] == [{"url": "https://a/2"}]
    with pytest.raises(ProviderError) as caught:
        play(provider.execute(draw("m/x")), answer({**two, "has_nsfw_concepts": [True, True]}))
    assert caught.value.failure.kind is FailureKind.CONTENT_FILTER
    _, reply = play(provider.execute(draw("m/x", enable_safety_checker=False)), answer(two))
    assert len(reply.body["data"]) == 2


def test_the_recorded_transcription(provider, play, answer, recordings):
    queued, result = recordings("fal")
    raw = json.loads(result.body)
    body = {"file": b"RIFF....WAVE", "language": "en", "response_format": "verbose_json"}
    call = ProviderCall(Operation.TRANSCRIPTION, "fal-ai/wizper", body)
    _, reply = play(provider.execute(call), result.response)
    assert reply.body["text"] == raw["text"]
    requests, reply = play(provider.execute(call), queued.response, answer(COMPLETED), result.response)
    assert arguments_of(requests[0]) == {
        "task": "transcribe", "language": "en",
        "audio_url": f"data:audio/wav;base64,{base64.b64encode(b'RIFF....WAVE').decode()}",
    }  # fmt: skip
    assert [one.url for one in requests[1:]] == [
        json.loads(queued.body)[f"{what}_url"] for what in ("status", "response")
    ]
    assert (reply.body["text"], reply.body["language"]) == (raw["text"], raw["languages"][0])
    assert [(row["start"], row["end"], row["text"]) for row in reply.body["segments"]] == [
        (*chunk["timestamp"], chunk["text"]) for chunk in raw["chunks"]
    ]


@pytest.mark.parametrize(
    ("status", "detail", "kind"),
    [
        (401, "Authentication is required to access this application", FailureKind.AUTHENTICATION),
        (403, "User is locked. Reason: Exhausted balance.", FailureKind.AUTHENTICATION),
        (404, "Application 'x' not found", FailureKind.MODEL_NOT_FOUND),
        (422, [{"loc": ["prompt"], "msg": "no", "type": "content_policy_violation"}], FailureKind.CONTENT_FILTER),
        (422, [{"loc": ["image_url"], "msg": "small", "type": "image_too_small"}], FailureKind.INVALID_REQUEST),
        (429, "Too many concurrent requests", FailureKind.RATE_LIMIT),
        (504, [{"loc": ["body"], "msg": "timed out", "type": "generation_timeout"}], FailureKind.SERVER),
    ],
)  # fmt: skip
@pytest.mark.parametrize("before", [[], [QUEUED], [QUEUED, COMPLETED]])
def test_errors_at_every_step(provider, draw, play, answer, status, detail, kind, before):
    with pytest.raises(ProviderError) as caught:
        play(provider.execute(draw("fal-ai/x")), *map(answer, before), answer({"detail": detail}, status))
    assert caught.value.failure.kind is kind
    assert (detail if isinstance(detail, str) else detail[0]["msg"]) in caught.value.failure.message


@pytest.mark.parametrize(("status", "works"), [(404, True), (422, True), (200, True), (401, False), (503, False)])
def test_its_health(provider, play, answer, status, works):
    if works:
        play(provider.check_health(), answer({}, status))
        return
    with pytest.raises(ProviderError):
        play(provider.check_health(), answer({}, status))
