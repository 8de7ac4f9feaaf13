"""What AWS's errors mean."""

import pytest
from modelmesh_core import FailureKind, ProviderError, Secret

CORAL = ":http://internal.amazon.com/coral/com.amazon.bedrock/"


@pytest.fixture
def failure(provider, play, make_call, answer):
    def failure(status, body, name=None, provider=provider, **headers):
        own = {"x_amzn_errortype": name} if name else {}
        with pytest.raises(ProviderError) as caught:
            play(provider.execute(make_call()), answer(body, status, **own, **headers))
        return caught.value.failure

    return failure


def test_recorded_errors(chats, provider, play, make_call):
    errors = [one for one in chats if one.status != 200]
    assert len(errors) == 11
    for one in errors:
        with pytest.raises(ProviderError) as caught:
            play(provider.execute(make_call(model=one.model, stream=one.stream)), one.response)
        found = caught.value.failure
        assert found.status == one.status
        assert found.body["message"] == found.message
        expected = FailureKind.INVALID_REQUEST
        if one.status == 403:
            expected = FailureKind.AUTHENTICATION
        elif "identifier is invalid" in found.message:
            expected = FailureKind.MODEL_NOT_FOUND
        elif "Tokens Exceeded" in found.message:
            expected = FailureKind.CONTEXT_LENGTH
        assert found.kind is expected, (one.id, found)
        if "x-amzn-errortype" in one.headers:
            assert found.code in ("ValidationException", "UnrecognizedClientException")


@pytest.mark.parametrize(
    ("status", "name", "message", "kind"),
    [
        (429, "ThrottlingException", "Too many tokens, please wait before trying again.", FailureKind.RATE_LIMIT),
        (429, "ThrottlingException", "Too many requests, please wait before trying again.", FailureKind.RATE_LIMIT),
        (429, "ThrottlingException", "Too many tokens per day, please wait before trying again.", FailureKind.QUOTA),
        (400, "ServiceQuotaExceededException", "Your request exceeds the service quota.", FailureKind.QUOTA),
        (429, "ModelNotReadyException", "Model is not ready for inference.", FailureKind.SERVER),
        (408, "ModelTimeoutException", "Model has timed out in processing the request.", FailureKind.SERVER),
        (424, "ModelErrorException", "The system encountered an unexpected error.", FailureKind.SERVER),
        (500, "InternalServerException", "Try again.", FailureKind.SERVER),
        (503, "ServiceUnavailableException", "Bedrock is unable to process your request.", FailureKind.SERVER),
        (403, "AccessDeniedException", "User: x is not authorized to perform: y", FailureKind.AUTHENTICATION),
        (
            403,
            "AccessDeniedException",
            "You don't have access to the model with the specified model ID.",
            FailureKind.MODEL_NOT_FOUND,
        ),
        (403, "ExpiredTokenException", "The security token included is expired", FailureKind.AUTHENTICATION),
        (403, "InvalidSignatureException", "The request signature does not match", FailureKind.AUTHENTICATION),
        (404, "ResourceNotFoundException", "Could not resolve the foundation model", FailureKind.MODEL_NOT_FOUND),
        (
            400,
            "ValidationException",
            "Invocation of model ID anthropic.claude with on-demand throughput isn’t supported. Retry your request",
            FailureKind.MODEL_NOT_FOUND,
        ),
        (400, "ValidationException", "Input is too long for requested model.", FailureKind.CONTEXT_LENGTH),
        (400, "ValidationException", "prompt is too long: 9 tokens > 8 maximum", FailureKind.CONTEXT_LENGTH),
        (
            400,
            "ValidationException",
            "This model's maximum context length is 8192 tokens. Please reduce the length of the prompt",
            FailureKind.CONTEXT_LENGTH,
        ),
        (400, "ValidationException", "Too many input tokens. Max input tokens: 8192", FailureKind.CONTEXT_LENGTH),
        (
            400,
            "ValidationException",
            "Malformed input request: expected maxLength: 50000, actual: 61204, please reformat your input.",
            FailureKind.CONTEXT_LENGTH,
        ),
        (
            400,
            "ValidationException",
            "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000",
            FailureKind.CONTEXT_LENGTH,
        ),
        (400, "ValidationException", "Operation not allowed", FailureKind.AUTHENTICATION),
        (400, "ValidationException", "The text field is blank.", FailureKind.INVALID_REQUEST),
    ],
)
def test_exceptions_by_name(failure, status, name, message, kind):
    """Names and sentences as AWS documents them or users have published them: these are no recordings."""
    for found in (
        failure(status, {"message": message}, name),
        failure(status, {"message": message}, name + CORAL),
        failure(status, {"message": message, "__type": f"com.amazon.coral.service#{name}"}),
    ):
        assert (found.kind, found.message, found.code, found.status) == (kind, message, name, status)


@pytest.mark.parametrize(
    ("original", "kind"), [(429, FailureKind.RATE_LIMIT), (400, FailureKind.INVALID_REQUEST), (500, FailureKind.SERVER)]
)
def test_models_own_status_decides(failure, original, kind):
    body = {"message": "The model failed.", "originalStatusCode": original, "resourceName": "arn"}
    assert failure(424, body, "ModelErrorException").kind is kind


def test_waiting_time(failure):
    found = failure(429, {"message": "Too many requests"}, "ThrottlingException", retry_after="7")
    assert found.retry_after == 7


@pytest.mark.parametrize("body", [b"", b"<html>Bad gateway</html>", b"[]", b'{"message":5}', b"\xff\xfe"])
def test_body_of_a_proxy(failure, body):
    found = failure(502, body)
    assert found.kind is FailureKind.SERVER and found.message


def test_secrets_in_errors_are_hidden(failure, make_provider):
    text = "The Canonical String was x-amz-security-token:SESSION-TOKEN for AKIDEXAMPLE"
    provider = make_provider(session_token=Secret("SESSION-TOKEN"))
    found = failure(403, {"message": text}, "InvalidSignatureException", provider=provider)
    assert found.message == "The Canonical String was x-amz-security-token:*** for ***"
    assert "SESSION" not in repr(found)
    found = failure(403, {"message": "Bearer key-123 is bad"}, provider=make_provider("key-123"))
    assert "key-123" not in repr(found)
