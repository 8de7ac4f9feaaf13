"""Errors, limits, and the list of models."""

import json

import pytest
from modelmesh_anthropic import provider_connectors
from modelmesh_core import FailureKind, ProviderError

K = FailureKind


@pytest.fixture
def failure(provider, play, chat):
    def failure(response):
        with pytest.raises(ProviderError) as caught:
            play(provider.execute(chat()), response)
        return caught.value.failure

    return failure


# What the vendor documents, and bodies that users have published: not recordings.
@pytest.mark.parametrize(
    ("status", "type_", "message", "kind"),
    [
        (400, "invalid_request_error", "max_tokens: Field required", K.INVALID_REQUEST),
        (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum", K.CONTEXT_LENGTH),
        (400, "invalid_request_error",
         "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000", K.CONTEXT_LENGTH),
        (400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API. Please go to Plans"
         " & Billing to upgrade or purchase credits.", K.AUTHENTICATION),
        (400, "invalid_request_error", "You have reached your specified API usage limits. You will regain access on"
         " 1970-01-02 at 00:00 UTC.", K.QUOTA),
        (400, "invalid_request_error", "Output blocked by content filtering policy", K.CONTENT_FILTER),
        (400, "invalid_request_error", "This model does not support assistant message prefill.", K.INVALID_REQUEST),
        (401, "authentication_error", "invalid x-api-key", K.AUTHENTICATION),
        (402, "billing_error", "Payment required", K.AUTHENTICATION),
        (403, "permission_error", "Not allowed", K.AUTHENTICATION),
        (404, "not_found_error", "model: claude-x", K.MODEL_NOT_FOUND),
        (413, "request_too_large", "Request exceeds the maximum size", K.CONTEXT_LENGTH),
        (429, "rate_limit_error", "This request would exceed your organization's rate limit", K.RATE_LIMIT),
        (500, "api_error", "Internal server error", K.SERVER),
        (504, "timeout_error", "Timed out", K.SERVER),
        (529, "overloaded_error", "Overloaded", K.SERVER),
        (429, "overloaded_error", "Overloaded", K.SERVER),
    ],
)  # fmt: skip
def test_documented_errors(failure, answer, status, type_, message, kind):
    body = {"type": "error", "error": {"type": type_, "message": message}, "request_id": "req_1"}
    found = failure(answer(body, status))
    assert (found.kind, found.message, found.code, found.status, found.body) == (kind, message, type_, status, body)
    if kind is K.QUOTA:
        assert found.retry_after == 86_400


def test_recorded_errors(failure, recordings):
    expected = {401: K.AUTHENTICATION, 404: K.MODEL_NOT_FOUND, 400: K.INVALID_REQUEST}
    errors = [one for one in recordings if one.status >= 400]
    assert len(errors) >= 4
    for recording in errors:
        told = json.loads(recording.body)["error"]
        found = failure(recording.response)
        too_long = "too long" in told["message"]
        assert found.kind is (K.CONTEXT_LENGTH if too_long else expected[recording.status])
        assert (found.message, found.code) == (told["message"], told["type"])


def test_waiting_times(failure, answer):
    body = {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}
    assert failure(answer(body, 429, retry_after="12")).retry_after == 12
    limits = {
        "anthropic_ratelimit_input_tokens_remaining": "0",
        "anthropic_ratelimit_input_tokens_reset": "1970-01-01T00:00:40Z",
    }
    assert failure(answer(body, 429, now=10.0, **limits)).retry_after == 30
    assert failure(answer(body, 429)).retry_after is None


@pytest.mark.parametrize(
    "body", [b"", b"<html>Bad gateway</html>", b'{"error": "x"}', b'{"error": {"message": 3}}', b"[1]"]
)
def test_errors_in_other_shapes(failure, answer, body):
    found = failure(answer(body, 502))
    assert found.kind is K.SERVER
    assert found.message


def test_an_error_in_place_of_an_answer(failure, answer):
    body = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    assert failure(answer(body)).kind is K.SERVER


def test_a_quoted_key_does_not_leave(failure, answer):
    found = failure(answer({"error": {"type": "authentication_error", "message": "bad key sk-ant-secret"}}, 401))
    assert "sk-ant-secret" not in repr(found)
    assert "***" in found.message


def test_models_are_listed_page_by_page(provider, play, answer):
    able = {"image_input": {"supported": True}, "pdf_input": {"supported": False}, "thinking": {"supported": True}}
    one = {"id": "claude-a", "type": "model", "max_input_tokens": 200_000, "max_tokens": 64_000, "capabilities": able}
    pages = [
        {"data": [one, {"id": 3}], "has_more": True, "last_id": "a/b"},
        {"data": [{"id": "claude-b"}], "has_more": False},
    ]
    requests, models = play(provider.list_models(), *map(answer, pages))
    assert [request.url for request in requests] == [
        "https://api.anthropic.com/v1/models?limit=1000", "https://api.anthropic.com/v1/models?limit=1000&after_id=a%2Fb"
    ]  # fmt: skip
    assert [model.upstream_model for model in models] == ["claude-a", "claude-b"]
    assert models[0].features == {"vision", "reasoning"}
    assert (models[0].constraints.context_window, models[0].constraints.max_output_tokens) == (200_000, 64_000)


def test_a_listing_that_never_ends_is_left(provider, play, answer):
    pages = [answer({"data": [{"id": f"m{n}"}], "has_more": True, "last_id": f"m{n}"}) for n in range(20)]
    assert len(play(provider.list_models(), *pages)[1]) == 20
    with pytest.raises(ProviderError):
        play(provider.list_models(), answer({"error": {"message": "no"}}, 401))


def test_the_catalogue_is_sound():
    (connector,) = provider_connectors()
    models = connector.models()
    assert len(models) >= 10
    for model in models:
        assert model.id.startswith("anthropic.claude-")
        assert model.pricing.output > model.pricing.input > model.pricing.cached_input
        assert model.constraints.max_output_tokens <= model.constraints.context_window
        assert {"tool_calling", "vision", "system_prompt"} <= model.features
        assert model.source and model.as_of
    able = {model.id for model in models if "prefill" in model.features}
    assert able == {"anthropic.claude-haiku-4-5", "anthropic.claude-sonnet-4-5", "anthropic.claude-opus-4-5"}
