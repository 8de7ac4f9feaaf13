"""The error table, row by row. Bodies are as vendors publish them or as their users have; none is a recording."""

import pytest
from modelmesh_core import AuthenticationError, FailureKind, ProviderError, RateLimitError, Secret

KIND = FailureKind


def openai_error(message="It failed.", code=None, type="invalid_request_error"):
    return {"error": {"message": message, "type": type, "param": None, "code": code}}


@pytest.fixture
def failure(provider, play, answer, chat):
    """The failure that the chat flow raises for one response; a streamed call must fail the same way."""

    def failure(body, status, **more):
        failures = []
        for stream in (False, True):
            with pytest.raises(ProviderError) as raised:
                play(provider.execute(chat(stream=stream)), answer(body, status, **more))
            failures.append(raised.value.failure)
        assert failures[0] == failures[1]
        return failures[0]

    return failure


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, KIND.INVALID_REQUEST),
        (401, KIND.AUTHENTICATION),
        (402, KIND.AUTHENTICATION),
        (403, KIND.AUTHENTICATION),
        (404, KIND.MODEL_NOT_FOUND),
        (405, KIND.INVALID_REQUEST),
        (408, KIND.SERVER),
        (410, KIND.MODEL_NOT_FOUND),
        (413, KIND.CONTEXT_LENGTH),
        (422, KIND.INVALID_REQUEST),
        (429, KIND.RATE_LIMIT),
        (500, KIND.SERVER),
        (502, KIND.SERVER),
        (503, KIND.SERVER),
        (504, KIND.SERVER),
        (529, KIND.SERVER),
        (302, KIND.UNDECODABLE),
    ],
)
def test_each_status_has_its_kind(failure, status, kind):
    failed = failure(openai_error(), status)

    assert (failed.kind, failed.status, failed.message) == (kind, status, "It failed.")
    assert failed.body == openai_error()


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, openai_error("You exceeded your current quota", "insufficient_quota", "insufficient_quota"), KIND.QUOTA),
        (403, openai_error("Project does not have access", "model_not_found"), KIND.MODEL_NOT_FOUND),
        (400, openai_error("The requested model 'x' does not exist.", "model_not_found"), KIND.MODEL_NOT_FOUND),
        (404, {"error": {"code": "DeploymentNotFound", "message": "No such deployment"}}, KIND.MODEL_NOT_FOUND),
        (400, openai_error("Too long.", "context_length_exceeded"), KIND.CONTEXT_LENGTH),
        (500, openai_error("Too long.", "context_length_exceeded"), KIND.CONTEXT_LENGTH),
        (400, openai_error("Filtered.", "content_filter"), KIND.CONTENT_FILTER),
        (400, openai_error("Refused.", "content_policy_violation"), KIND.CONTENT_FILTER),
        (
            400,
            {"error": {"message": "m", "code": None, "innererror": {"code": "ResponsibleAIPolicyViolation"}}},
            KIND.CONTENT_FILTER,
        ),
        (413, openai_error("Request too large for model", "rate_limit_exceeded", "tokens"), KIND.CONTEXT_LENGTH),
        (429, openai_error("Rate limit reached", "rate_limit_exceeded", "tokens"), KIND.RATE_LIMIT),
    ],
)
def test_the_providers_own_code_says_more_than_the_status(failure, status, body, kind):
    assert failure(body, status).kind is kind


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens."),
        (400, "Your input exceeds the context window of this model. Please adjust your input and try again."),
        (400, "the request exceeds the available context size, try increasing it"),
        (400, "request (5031 tokens) exceeds the available context size (2048 tokens), try increasing it"),
        (400, "prompt too long; exceeded max context length by 1119046 tokens"),
        (400, "The total length of all messages is too long."),
        (400, "This model's maximum prompt length is 131072 but the request contains 537812 tokens."),
        (400, "Invalid 'input[0]': maximum input length is 8192 tokens."),
        (422, "Please reduce the length of the messages or completion."),
        (429, "Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 48000."),
        (400, "However, the model is loaded with context length of only 4096 tokens"),
    ],
)
def test_well_known_texts_mean_that_the_request_does_not_fit(failure, status, message):
    assert failure(openai_error(message), status).kind is KIND.CONTEXT_LENGTH


@pytest.mark.parametrize(
    "message",
    [
        "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
        "Invalid prompt: your prompt was flagged as potentially violating our usage policy.",
        "Your request was rejected as a result of our safety system.",
    ],
)
def test_well_known_texts_mean_a_refusal_by_policy(failure, message):
    assert failure(openai_error(message), 400).kind is KIND.CONTENT_FILTER


@pytest.mark.parametrize(
    "message",
    ["max_tokens is too large: 100000.", "Unknown parameter: 'context'.", "Invalid type for 'messages[0].content'."],
)
def test_other_bad_requests_stay_the_callers_fault(failure, message):
    assert failure(openai_error(message), 400).kind is KIND.INVALID_REQUEST


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        (openai_error("No.", "some_code"), "No.", "some_code"),
        ({"error": {"message": "No.", "type": "too_fast", "code": 400}}, "No.", "too_fast"),
        ({"error": "No."}, "No.", None),
        ({"object": "error", "message": "No.", "type": "BadRequestError", "code": 400}, "No.", "BadRequestError"),
        ({"detail": "No."}, "No.", None),
        ({"message": "No.", "request_id": "r"}, "No.", None),
        ({"detail": [{"loc": ["body"], "msg": "No."}]}, '[{"loc":["body"],"msg":"No."}]', None),
    ],
)
def test_every_shape_of_error_body_gives_its_message(failure, body, message, code):
    failed = failure(body, 400)

    assert (failed.message, failed.code, failed.body) == (message, code, body)


def test_a_body_without_a_message_is_described(failure):
    failed = failure(b"<html>Bad gateway</html>", 502)
    assert failed.message.startswith("HTTP 502 without an error message (application/json, 24 bytes")
    assert failed.body == "<html>Bad gateway</html>"

    assert "base_url may be wrong" in failure(b"404 page not found", 404).message


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "7"}, 7.0),
        ({"retry_after_ms": "1500", "retry_after": "7"}, 1.5),
        ({"retry_after": "Fri, 15 Jan 2027 08:00:10 GMT"}, 10.0),
        ({}, 18.642),
    ],
)
def test_the_wait_comes_from_the_headers_then_from_the_sentence(failure, headers, seconds):
    body = openai_error("Rate limit reached. Please try again in 18.642s.", "rate_limit_exceeded", "tokens")

    failed = failure(body, 429, now=1_800_000_000.0, **headers)

    assert failed.retry_after == pytest.approx(seconds)


def test_the_wait_comes_last_from_the_limit_that_is_used_up(failure):
    headers = {
        "x_ratelimit_remaining_requests": "0",
        "x_ratelimit_reset_requests": "6m0s",
        "x_ratelimit_remaining_tokens": "500",
        "x_ratelimit_reset_tokens": "9h",
    }
    assert failure(openai_error("Too fast"), 429, **headers).retry_after == 360.0
    assert failure(openai_error("Too fast"), 429).retry_after is None


def test_an_unavailable_server_may_name_its_wait_and_a_bad_request_may_not(failure):
    assert failure(openai_error(), 503, retry_after="3").retry_after == 3.0
    assert failure(openai_error(), 400, retry_after="3").retry_after is None


def test_errors_have_the_class_of_their_kind(provider, play, answer, chat):
    with pytest.raises(AuthenticationError):
        play(provider.execute(chat()), answer(openai_error(), 401))
    with pytest.raises(RateLimitError):
        play(provider.execute(chat()), answer(openai_error(code="insufficient_quota"), 429))


def test_a_key_that_the_server_quotes_back_is_not_repeated(failure):
    failed = failure(openai_error("Incorrect API key provided: sk-test."), 401)

    assert failed.message == "Incorrect API key provided: ***."
    assert "sk-test" not in repr(failed)
    assert Secret("sk-test") not in failed.body
