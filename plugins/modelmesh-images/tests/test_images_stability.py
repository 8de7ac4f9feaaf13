"""Stability AI, after its API reference: nothing of it was recorded."""

import email
import email.policy
import json

import pytest
from modelmesh_core import FailureKind, InvalidRequestError, ProviderError

PNG = b"\x89PNG\r\n\x1a\n..."
MADE = {"image": "aW1n", "finish_reason": "SUCCESS", "seed": 7}
FILTERED = {"image": "YmxhY2s=", "finish_reason": "CONTENT_FILTERED", "seed": 8}


@pytest.fixture
def provider(make):
    return make("stability.image-gen.v1")


def form_in(request):
    head = f"content-type: {request.headers['content-type']}\r\n\r\n".encode()
    message = email.message_from_bytes(head + request.body, policy=email.policy.HTTP)
    parts = {
        p.get_param("name", header="content-disposition"): p.get_payload(decode=True) for p in message.iter_parts()
    }
    return {name: part if name in ("image", "mask", "init_image") else part.decode() for name, part in parts.items()}


def test_a_picture(provider, draw, play, answer):
    (request,), reply = play(provider.execute(draw(size="1792x1024", negative_prompt="dogs", user="u")), answer(MADE))
    assert request.url == "https://api.stability.ai/v2beta/stable-image/generate/core"
    assert request.headers["accept"] == "application/json" and request.headers["authorization"].startswith("Bearer key")
    assert form_in(request) == {"prompt": "A cat", "aspect_ratio": "16:9", "negative_prompt": "dogs"}
    assert reply.body["data"] == [{"b64_json": "aW1n", "seed": 7}] and reply.usage.images == 1


@pytest.mark.parametrize(
    ("model", "body", "path", "form"),
    [
        ("stable-image-ultra", {}, "generate/ultra", {"prompt": "A cat"}),
        ("ultra", {"image": PNG}, "generate/ultra", {"prompt": "A cat", "strength": "0.7", "image": PNG}),
        ("sd3.5-large", {"seed": 3}, "generate/sd3", {"model": "sd3.5-large", "prompt": "A cat", "seed": "3"}),
        ("sd3.5-flash", {"image": PNG, "strength": 0.2}, "generate/sd3",
         {"model": "sd3.5-flash", "mode": "image-to-image", "prompt": "A cat", "strength": "0.2", "image": PNG}),
        ("core", {"image": [PNG], "mask": PNG}, "edit/inpaint", {"prompt": "A cat", "image": PNG, "mask": PNG}),
        ("ultra", {"image": PNG, "mask": PNG}, "edit/inpaint", {"prompt": "A cat", "image": PNG, "mask": PNG}),
        ("core", {"image": PNG}, "edit/inpaint", {"prompt": "A cat", "image": PNG}),
        ("remove-background", {"image": PNG}, "edit/remove-background", {"image": PNG}),
        ("outpaint", {"image": PNG, "left": 9}, "edit/outpaint", {"prompt": "A cat", "left": "9", "image": PNG}),
        ("style-transfer", {"image": PNG}, "control/style-transfer", {"prompt": "A cat", "init_image": PNG}),
        ("generate/../x", {}, "generate/x", {"prompt": "A cat"}),
    ],
)  # fmt: skip
def test_models_and_edits(provider, draw, model, body, path, form):
    request = next(provider.execute(draw(model, **body)))
    assert request.url.removeprefix("https://api.stability.ai/v2beta/stable-image/") == path
    assert form_in(request) == form


def test_several_pictures_are_several_requests(provider, draw, play, answer):
    requests, reply = play(provider.execute(draw(n=3, seed=5)), answer(MADE), answer(FILTERED), answer(MADE))
    assert [form_in(request)["seed"] for request in requests] == ["5", "6", "7"]
    assert len(reply.body["data"]) == reply.usage.images == 2


def test_what_is_withheld_whole_is_an_error(provider, draw, play, answer):
    with pytest.raises(ProviderError, match="no image was made: Stability AI's content filter") as caught:
        play(provider.execute(draw(n=2)), answer(FILTERED), answer(FILTERED))
    assert caught.value.failure.kind is FailureKind.CONTENT_FILTER


def test_what_takes_long_is_polled(provider, draw, play, answer):
    running = answer({"id": "a/b", "status": "in-progress"}, 202)
    done = answer({"result": "aW1n", "finish_reason": "SUCCESS"})
    requests, reply = play(provider.execute(draw("creative", image=PNG)), answer({"id": "a/b"}), running, running, done)
    assert [request.url.partition("v2beta")[2] for request in requests] == [
        "/stable-image/upscale/creative", *["/results/a%2Fb"] * 3,
    ]  # fmt: skip
    assert 0 < requests[1].delay < requests[2].delay and reply.body["data"] == [{"b64_json": "aW1n"}]


def test_what_it_lacks_is_dropped(provider, draw):
    call = draw("ultra", image=[PNG, PNG], size="1024x1024", quality="high", response_format="url", background="x")
    next(provider.execute(call))
    assert sorted(call.dropped) == ["background", "image", "quality", "response_format", "size"]


@pytest.mark.parametrize(
    "body",
    [{"prompt": ""}, {"prompt": 3}, {"n": 0}, {"n": True}, {"size": "big"}, {"size": "0x9"}, {"image": "/etc/x"}],
)
def test_a_callers_mistakes(provider, draw, body):
    with pytest.raises(InvalidRequestError):
        next(provider.execute(draw(**body)))
    with pytest.raises(InvalidRequestError, match="works on a picture"):
        next(provider.execute(draw("erase")))


@pytest.mark.parametrize(
    ("status", "name", "kind"),
    [
        (400, "bad_request", FailureKind.INVALID_REQUEST),
        (401, "unauthorized", FailureKind.AUTHENTICATION),
        (402, "payment_required", FailureKind.AUTHENTICATION),
        (403, "content_moderation", FailureKind.CONTENT_FILTER),
        (404, "not_found", FailureKind.MODEL_NOT_FOUND),
        (422, "invalid_language", FailureKind.INVALID_REQUEST),
        (429, "rate_limit_exceeded", FailureKind.RATE_LIMIT),
        (500, "internal_error", FailureKind.SERVER),
    ],
)
def test_errors(provider, draw, play, answer, status, name, kind):
    body = {"id": "1", "name": name, "errors": ["first thing", "second thing"]}
    with pytest.raises(ProviderError, match="first thing; second thing") as caught:
        play(provider.execute(draw()), answer(body, status))
    assert (caught.value.failure.kind, caught.value.failure.code) == (kind, name)
    assert json.loads(json.dumps(caught.value.failure.body))["errors"] == body["errors"]


def test_its_health_is_the_balance(provider, play, answer):
    (request,), _ = play(provider.check_health(), answer({"credits": 1}))
    assert request.url.endswith("/v1/user/balance")
