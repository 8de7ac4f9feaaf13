"""Replicate, against what was recorded; what was not is as its API reference shows it."""

import json

import orjson
import pytest
from modelmesh_core import (
    FailureKind,
    InvalidRequestError,
    ModelMesh,
    ModelMeshError,
    Operation,
    ProviderCall,
    ProviderError,
    Request,
)
from modelmesh_core.testing import FakeUpstream, answers

URL = "https://api.replicate.com"
GIF_URL = "data:image/gif;base64,R0lGOA=="
STARTING = {"id": "p1", "status": "starting", "urls": {"get": "https://evil.example/p1"}}
DONE = {**STARTING, "status": "succeeded", "output": ["https://replicate.delivery/x.png"]}
SAID = {
    "id": "p2", "status": "succeeded", "model": "meta/llama", "created_at": "2024-02-12T16:45:41.730471035Z",
    "input": {"prompt": "x", "max_tokens": 512}, "output": ["Why ", "not?"],
    "metrics": {"input_token_count": 12, "output_token_count": 7, "predict_time": 1.5},
}  # fmt: skip


@pytest.fixture
def provider(make):
    return make("replicate.inference.v1")


@pytest.fixture
def chat():
    def chat(model="meta/llama", features=(), **body):
        body = {"model": "chat-completion", "messages": [{"role": "user", "content": "Hi"}], **body}
        return ProviderCall(Operation.CHAT, model, body, features=frozenset(features))

    return chat


def input_in(request):
    return json.loads(request.body)["input"]


def test_the_recorded_prediction(provider, draw, play, answer, recordings):
    made, *polled = [
        one for one in recordings("replicate") if "generation_legacy" in one.id and "/predictions" in one.url
    ]
    last = json.loads(polled[-1].body)
    done = answer({**last, "status": "succeeded", "output": ["https://replicate.delivery/x.png"]})
    sent = json.loads(made.request)
    call = draw(f"stability-ai/stable-diffusion:{sent['version']}", prompt="robots")
    requests, reply = play(provider.execute(call), made.response, *[one.response for one in polled], done)
    assert json.loads(requests[0].body) == sent and requests[0].url == made.url
    assert [one.url for one in requests[1:]] == [*[one.url for one in polled], polled[0].url]
    assert requests[0].headers["prefer"] == "wait" and requests[1].delay < requests[2].delay
    assert reply.body["data"] == [{"url": "https://replicate.delivery/x.png"}]
    assert reply.headroom["requests"].remaining == int(made.response.headers["ratelimit-remaining"])


def test_the_recorded_chat_request(provider, chat, recordings):
    (one,) = [one for one in recordings("replicate") if "llama" in one.id]
    sent = json.loads(one.request)
    messages = [{"role": "user", "content": sent["input"]["prompt"]}]
    request = next(provider.execute(chat("meta/llama-2-70b-chat", messages=messages)))
    assert request.url == one.url and json.loads(request.body) == {"input": sent["input"]}


def test_no_other_host_is_asked(provider, draw, play, answer):
    odd = answer({**STARTING, "id": "../p 1"}, 201)
    requests, _ = play(provider.execute(draw("a/b")), odd, answer(DONE))
    assert [one.url for one in requests] == [f"{URL}/v1/models/a/b/predictions", f"{URL}/v1/predictions/..%2Fp%201"]


def test_several_pictures_are_several_predictions(provider, draw, play, answer):
    call = draw("black-forest-labs/flux-dev", n=2, seed=4, size="1024x1536", guidance=3, response_format="b64_json")
    requests, reply = play(
        provider.execute(call), answer(DONE, 201), answer({**DONE, "output": DONE["output"][0]}, 201)
    )
    assert [input_in(one) for one in requests] == [
        {"prompt": "A cat", "aspect_ratio": "2:3", "guidance": 3, "seed": seed} for seed in (4, 5)
    ]
    assert reply.usage.images == 2 and call.dropped == ["response_format"]


@pytest.mark.parametrize(
    ("model", "body", "sent"),
    [
        ("x/flux-kontext-pro", {"image": "https://a/x"}, {"input_image": "https://a/x"}),
        ("google/nano-banana", {"image": "https://a/x"}, {"image_input": ["https://a/x"]}),
        ("openai/gpt-image-2", {"image": "https://a/x", "quality": "low"},
         {"input_images": ["https://a/x"], "quality": "low"}),
        ("x/inpaint", {"image": b"GIF8", "mask": b"GIF8"}, {"image": GIF_URL, "mask": GIF_URL}),
        ("stability-ai/sdxl", {"size": "768x512"}, {"width": 768, "height": 512}),
    ],
)  # fmt: skip
def test_inputs(provider, draw, model, body, sent):
    assert input_in(next(provider.execute(draw(model, **body)))) == {"prompt": "A cat", **sent}


@pytest.mark.parametrize(
    ("status", "told", "kind"),
    [
        ("failed", "NSFW content detected. Try running it again.", FailureKind.CONTENT_FILTER),
        ("failed", "The input or output was flagged as sensitive. (E005)", FailureKind.CONTENT_FILTER),
        ("failed", "Input validation error: prompt is required", FailureKind.INVALID_REQUEST),
        ("failed", "CUDA out of memory", FailureKind.SERVER),
        ("canceled", None, FailureKind.SERVER),
        ("aborted", None, FailureKind.SERVER),
    ],
)
def test_predictions_that_fail(provider, draw, play, answer, status, told, kind):
    with pytest.raises(ProviderError, match=r"detected|flagged|required|memory|canceled|aborted") as caught:
        play(provider.execute(draw("a/b")), answer(STARTING), answer({**STARTING, "status": status, "error": told}))
    assert caught.value.failure.kind is kind


@pytest.mark.parametrize(
    ("status", "body", "kind", "wait"),
    [
        (401, {"title": "Unauthenticated", "detail": "no valid token"}, FailureKind.AUTHENTICATION, None),
        (402, {"title": "Insufficient credit", "detail": "Buy some", "status": 402}, FailureKind.AUTHENTICATION, None),
        (404, {"detail": "The requested resource could not be found."}, FailureKind.MODEL_NOT_FOUND, None),
        (422, {"title": "Input validation failed", "detail": "- input: x"}, FailureKind.INVALID_REQUEST, None),
        (429, {"detail": "Request was throttled. Your rate limit resets in ~30s."}, FailureKind.RATE_LIMIT, 30),
        (500, {"detail": "Internal server error"}, FailureKind.SERVER, None),
    ],
)  # fmt: skip
def test_errors(provider, draw, play, answer, status, body, kind, wait):
    with pytest.raises(ProviderError, match=body["detail"][:9]) as caught:
        play(provider.execute(draw("a/b")), answer(body, status))
    assert (caught.value.failure.kind, caught.value.retry_after) == (kind, wait)


def test_chat(provider, chat, play, answer):
    (request,), reply = play(
        provider.execute(chat(max_tokens=512, temperature=0.2, stop=["END"], n=1)), answer(SAID, 201)
    )
    assert input_in(request) == {"prompt": "Hi", "max_tokens": 512, "temperature": 0.2, "stop_sequences": "END"}
    choice = reply.body["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"], reply.finish_reason) == ("Why not?", "stop", "stop")
    assert (reply.body["id"], reply.body["created"], reply.body["model"]) == ("p2", 1707756341, "meta/llama")
    assert (reply.usage.input, reply.usage.output, reply.body["usage"]["total_tokens"]) == (12, 7, 19)
    full = {**SAID, "metrics": {"input_token_count": 12, "output_token_count": 512}}
    assert play(provider.execute(chat()), answer(full))[1].finish_reason == "length"


def test_conversations(provider, chat):
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "Bye"},
    ]
    told = "User: Hi\n\nAssistant: Hello\n\nUser: Bye\n\nAssistant:"
    request = next(provider.execute(chat(messages=messages, features=["system_prompt"])))
    assert input_in(request) == {"system_prompt": "Be brief.", "prompt": told}
    assert input_in(next(provider.execute(chat(messages=messages)))) == {"prompt": f"Be brief.\n\n{told}"}


def test_parameters_of_chat(provider, chat):
    call = chat("openai/gpt-5", max_completion_tokens=9, reasoning_effort="low", stop="a,b", tools=[{}], logprobs=False)
    assert input_in(next(provider.execute(call))) == {
        "prompt": "Hi", "max_completion_tokens": 9, "reasoning_effort": "low",
    }  # fmt: skip
    assert sorted(call.dropped) == ["stop", "tools"]


@pytest.mark.parametrize(
    "message",
    [
        {"role": "tool", "content": "x", "tool_call_id": "1"},
        {"role": "assistant", "tool_calls": [{}]},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a/x"}}]},
        {"role": "system", "content": "x"},
    ],
)
def test_conversations_that_are_more_than_text(provider, chat, message):
    with pytest.raises(InvalidRequestError, match="messages"):
        next(provider.execute(chat(messages=[message])))


async def test_a_prediction_that_never_ends_ends_with_the_requests_deadline():
    upstream = FakeUpstream()
    never = answers.Answer(201, orjson.dumps(STARTING), {"content-type": "application/json"})
    upstream.script(URL, lambda request: never)
    config = {
        "providers": {"replicate": {"connector": "replicate.inference.v1", "api_key": "k"}},
        "pools": {"art": {"models": ["replicate.black-forest-labs/flux-dev"], "deadline": "60s"}},
    }
    async with ModelMesh(config, clock=upstream.clock, make_transport=upstream.make_transport) as mesh:
        with pytest.raises(ModelMeshError, match=r"no answer within the 60 s"):
            await mesh.get_router().complete(Request(Operation.IMAGES, "art", {"prompt": "A cat"}))
    assert 55 < sum(upstream.clock.slept) < 65
