"""Perspective, after its API reference: nothing of it was recorded."""

import json

import pytest
from modelmesh_core import FailureKind, InvalidRequestError, Operation, ProviderError

MODERATE = Operation.MODERATION


def scored(**scores):
    return {
        "attributeScores": {
            name: {"summaryScore": {"value": value, "type": "PROBABILITY"}, "spanScores": []}
            for name, value in scores.items()
        },
        "languages": ["en"],
    }


@pytest.fixture
def provider(make):
    return make("google.moderation.v1", attributes=("TOXICITY", "INSULT"), thresholds={"INSULT": 0.95})


def test_every_text_is_judged(provider, ask, play, answer):
    call = ask(MODERATE, input=["you fool", "hello"])
    kind, rude = answer(scored(TOXICITY=0.1, INSULT=0.05)), answer(scored(TOXICITY=0.8, INSULT=0.9))
    requests, reply = play(provider.execute(call), rude, kind)
    assert [json.loads(one.body)["comment"]["text"] for one in requests] == ["you fool", "hello"]
    assert json.loads(requests[0].body) == {
        "comment": {"text": "you fool", "type": "PLAIN_TEXT"},
        "requestedAttributes": {"TOXICITY": {}, "INSULT": {}},
        "doNotStore": True,
    }
    assert requests[0].url == "https://commentanalyzer.googleapis.com/v1alpha1/comments:analyze"
    assert requests[0].headers["x-goog-api-key"].startswith("key-")
    assert reply.body["results"] == [
        {"flagged": True, "categories": {"toxicity": True, "insult": False},
         "category_scores": {"toxicity": 0.8, "insult": 0.9}},
        {"flagged": False, "categories": {"toxicity": False, "insult": False},
         "category_scores": {"toxicity": 0.1, "insult": 0.05}},
    ]  # fmt: skip


def test_options(make, ask):
    provider = make("google.moderation.v1", languages=("de",), store=True)
    request = next(
        provider.execute(ask(MODERATE, input=[{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]))
    )
    sent = json.loads(request.body)
    assert (sent["languages"], sent["doNotStore"], sent["comment"]["text"]) == (["de"], False, "ab")
    for wrong in ({"threshold": 2}, {"attributes": ()}, {"thresholds": {"INSULT": -1}}):
        with pytest.raises(ValueError, match="thresholds"):
            make("google.moderation.v1", **wrong)


@pytest.mark.parametrize("given", [None, "", [], ["x", ""], 3, [{"type": "image_url", "image_url": {"url": "x"}}]])
def test_what_is_no_text(provider, ask, given):
    with pytest.raises(InvalidRequestError):
        next(provider.execute(ask(MODERATE, input=given)))


@pytest.mark.parametrize(
    ("code", "status", "message", "kind"),
    [
        (400, "INVALID_ARGUMENT", "Attribute TOXICITY does not support la", FailureKind.INVALID_REQUEST),
        (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", FailureKind.AUTHENTICATION),
        (403, "PERMISSION_DENIED", "API has not been used in project 1", FailureKind.AUTHENTICATION),
        (429, "RESOURCE_EXHAUSTED", "Quota exceeded for quota metric", FailureKind.RATE_LIMIT),
        (503, "UNAVAILABLE", "The service is currently unavailable.", FailureKind.SERVER),
    ],
)  # fmt: skip
def test_errors(provider, ask, play, answer, code, status, message, kind):
    body = {"error": {"code": code, "message": message, "status": status, "details": []}}
    with pytest.raises(ProviderError, match=message) as caught:
        play(provider.execute(ask(MODERATE, input="x")), answer(body, code))
    assert (caught.value.failure.kind, caught.value.failure.code) == (kind, status)
