"""Google's errors → failures of one kind, with the vendor's own message, code and waiting time.

The bodies are not recordings: they are as Google documents them and as users have published them.
"""

import pytest
from modelmesh_core import FailureKind, ProviderError


def status(code, word, message, *details):
    return {
        "error": {"code": code, "message": message, "status": word, **({"details": list(details)} if details else {})}
    }


def quota(name, value="10"):
    return {
        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
        "violations": [{"quotaId": name, "quotaValue": value}],
    }


def retry(delay):
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}


def info(reason):
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}


KEY = "AIzaSyTestTestTestTest"
BUSY = "Resource has been exhausted (e.g. check quota)."
DAY, MINUTE = (
    "GenerateRequestsPerDayPerProjectPerModel-FreeTier",
    "GenerateRequestsPerMinutePerProjectPerModel-FreeTier",
)
K = FailureKind


A, F, C = "INVALID_ARGUMENT", "FAILED_PRECONDITION", "RESOURCE_EXHAUSTED"
ROWS = [
    (400, status(400, A, "API key expired. Please renew the API key.", info("API_KEY_INVALID")), K.AUTHENTICATION),
    (400, status(400, A, "API Key not found. Please pass a valid API key."), K.AUTHENTICATION),
    (401, status(401, "UNAUTHENTICATED", "Request had invalid authentication credentials."), K.AUTHENTICATION),
    (403, status(403, "PERMISSION_DENIED", "Your API key was reported as leaked."), K.AUTHENTICATION),
    (
        403,
        status(403, "PERMISSION_DENIED", "Vertex AI API has not been used", info("SERVICE_DISABLED")),
        K.AUTHENTICATION,
    ),
    (400, status(400, F, "User location is not supported for the API use."), K.AUTHENTICATION),
    (400, status(400, A, "Invalid JSON payload received. Unknown name"), K.INVALID_REQUEST),
    (404, status(404, "NOT_FOUND", "models/x is not found for API version v1beta"), K.MODEL_NOT_FOUND),
    (
        400,
        status(400, A, "The input token count (9) exceeds the maximum number of tokens allowed (8)."),
        K.CONTEXT_LENGTH,
    ),
    (400, status(400, A, "The input token count is 9 but model only supports up to 8."), K.CONTEXT_LENGTH),
    (400, status(400, A, "Request payload size exceeds the limit: 20971520 bytes."), K.CONTEXT_LENGTH),
    (413, b"<html>413</html>", K.CONTEXT_LENGTH),
    (400, status(400, A, "Image generation failed: the prompt violates our usage guidelines"), K.CONTENT_FILTER),
    (429, status(429, C, BUSY), K.RATE_LIMIT),
    (429, status(429, C, BUSY, quota(MINUTE), retry("48s")), K.RATE_LIMIT),
    (429, status(429, C, BUSY, quota(DAY), retry("48s")), K.QUOTA),
    (429, status(429, C, BUSY, quota(MINUTE, "0")), K.QUOTA),
    (429, status(429, C, "Your prepayment credits are depleted."), K.QUOTA),
    (500, status(500, "INTERNAL", "An internal error has occurred."), K.SERVER),
    (503, status(503, "UNAVAILABLE", "The model is overloaded. Please try again later."), K.SERVER),
    (504, status(504, "DEADLINE_EXCEEDED", "Deadline expired before operation could complete."), K.SERVER),
    (499, status(499, "CANCELLED", "The operation was cancelled."), K.SERVER),
    (501, status(501, "UNIMPLEMENTED", "Not here."), K.INVALID_REQUEST),
    (502, b"Bad Gateway", K.SERVER),
    (302, b"", K.UNDECODABLE),
    (200, [status(429, C, BUSY)], K.RATE_LIMIT),
]


@pytest.mark.parametrize(("code", "body", "kind"), ROWS)
def test_kinds(gemini, play, answer, chat, code, body, kind):
    for sent in (body, [body]) if isinstance(body, dict) else (body,):
        with pytest.raises(ProviderError) as raised:
            play(gemini.execute(chat()), answer(sent, code))
        failure = raised.value.failure
        assert (
            failure.kind is kind
            and failure.message
            and failure.body == (sent if not isinstance(sent, bytes) else sent.decode())
        )
        if isinstance(body, dict):
            assert failure.message == body["error"]["message"]
            details = body["error"].get("details", [])
            reasons = [detail["reason"] for detail in details if "reason" in detail]
            assert failure.code == (reasons or [body["error"]["status"]])[0] and failure.status == code


@pytest.mark.parametrize(
    ("details", "message", "headers", "wait"),
    [
        ([retry("48s")], BUSY, {}, 48),
        ([retry("48.939935699s")], BUSY, {}, 48.939935699),
        ([retry({"seconds": "3", "nanos": 500000000})], BUSY, {}, 3.5),
        ([], "Quota exceeded. Please retry in 1m2.5s.", {}, 62.5),
        ([], "Please retry in 803.5ms.", {}, 0.8035),
        ([retry("2s")], BUSY, {"retry_after": "7"}, 7),
        ([retry("soon"), retry(None), retry([1])], BUSY, {}, None),
        ([quota(DAY), retry("30s")], BUSY, {}, None),
        ([quota(DAY), retry("7200s")], BUSY, {}, 7200),
    ],
)
def test_waiting_times(gemini, play, answer, chat, details, message, headers, wait):
    with pytest.raises(ProviderError) as raised:
        play(gemini.execute(chat()), answer(status(429, "RESOURCE_EXHAUSTED", message, *details), 429, **headers))
    assert raised.value.failure.retry_after == (None if wait is None else pytest.approx(wait))


def test_a_success_that_asks_to_wait_is_a_success(gemini, play, answer, chat):
    said = {"candidates": [{"content": {"parts": [{"text": "ok"}]}, "finishReason": "STOP"}]}
    _, reply = play(gemini.execute(chat()), answer(said, retry_after="30"))
    assert reply.body["choices"][0]["message"]["content"] == "ok"


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"null", b"[]", b"7", b'{"candidates": []}', b'{"usageMetadata": {}}']
)
def test_a_success_that_makes_no_sense_is_named(gemini, play, answer, chat, body):
    with pytest.raises(ProviderError) as raised:
        play(gemini.execute(chat()), answer(body))
    assert raised.value.failure.kind is FailureKind.UNDECODABLE and raised.value.failure.status == 200


def test_a_quoted_key_is_not_shown(gemini, play, answer, chat):
    body = status(400, "INVALID_ARGUMENT", f"API key not valid: {KEY}")
    with pytest.raises(ProviderError) as raised:
        play(gemini.execute(chat()), answer(body, 400))
    assert KEY not in str(raised.value) + repr(raised.value.failure)

    _, decoder = play(gemini.execute(chat(stream=True)), answer(b"", media_type="text/event-stream"))
    (event,) = decoder.feed(b'data: {"error": {"message": "bad key ' + KEY.encode() + b'"}}\n\n')
    assert KEY not in str(event.error) + repr(event.error.failure)
