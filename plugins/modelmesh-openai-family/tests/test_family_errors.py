"""What vendors report as errors, and of their limits. Bodies are as the vendors document or users publish them."""

import orjson
import pytest
from modelmesh_core import EventKind, FailureKind, LimitReport, Operation, ProviderError

K = FailureKind
ROWS = [
    ("mistral.api.v1", 401, {"detail": "Invalid API Key"}, K.AUTHENTICATION),
    ("mistral.api.v1", 422, {"detail": [{"loc": ["body", "x"], "msg": "extra fields"}]}, K.INVALID_REQUEST),
    ("mistral.api.v1", 429, {"object": "error", "message": "Rate limit exceeded", "code": "1300"}, K.RATE_LIMIT),
    ("mistral.api.v1", 400, {"object": "error", "message": "Invalid model: x", "code": "1500"}, K.MODEL_NOT_FOUND),
    (
        "mistral.api.v1",
        400,
        {"message": "Prompt contains 40000 tokens, too large for model with 32768 maximum context length"},
        K.CONTEXT_LENGTH,
    ),
    ("deepseek.api.v1", 402, {"error": {"message": "Insufficient Balance", "code": "x"}}, K.AUTHENTICATION),
    ("groq.api.v1", 413, {"error": {"message": "Request too large", "code": "rate_limit_exceeded"}}, K.CONTEXT_LENGTH),
    ("groq.api.v1", 400, {"error": {"message": "gone", "code": "model_decommissioned"}}, K.MODEL_NOT_FOUND),
    ("groq.api.v1", 498, {"error": {"message": "capacity", "code": "capacity_exceeded"}}, K.RATE_LIMIT),
    ("together.api.v1", 429, {"error": {"message": "slow", "type": "dynamic_request_limited"}}, K.RATE_LIMIT),
    ("xai.grok.v1", 400, {"code": "invalid-argument", "error": "Incorrect API key provided."}, K.AUTHENTICATION),
    ("xai.grok.v1", 404, {"code": "not-found", "error": "The model x does not exist"}, K.MODEL_NOT_FOUND),
    ("openrouter.gateway.v1", 402, {"error": {"code": 402, "message": "Insufficient credits"}}, K.AUTHENTICATION),
    (
        "openrouter.gateway.v1",
        403,
        {"error": {"code": 403, "message": "flagged", "metadata": {"reasons": ["violence"], "flagged_input": "x"}}},
        K.CONTENT_FILTER,
    ),
    (
        "openrouter.gateway.v1",
        400,
        {
            "error": {
                "code": 400,
                "message": "Provider returned error",
                "metadata": {"provider_name": "Anthropic", "raw": '{"error":{"message":"prompt is too long: 9 > 8"}}'},
            }
        },
        K.CONTEXT_LENGTH,
    ),
    ("openrouter.gateway.v1", 502, {"error": {"code": 502, "message": "Bad gateway", "metadata": None}}, K.SERVER),
    (
        "cerebras.api.v1",
        400,
        {"message": "property 'x' is unsupported", "type": "invalid_request_error", "code": "wrong_api_format"},
        K.INVALID_REQUEST,
    ),
    ("cerebras.api.v1", 429, {"message": "too fast", "code": "token_quota_exceeded"}, K.RATE_LIMIT),
    ("huggingface.inference.v1", 402, {"error": "You have exceeded your monthly credits"}, K.AUTHENTICATION),
    ("huggingface.inference.v1", 503, {"error": "Model x is loading", "estimated_time": 20.0}, K.SERVER),
    (
        "cloudflare.workers-ai.v1",
        429,
        {"success": False, "errors": [{"code": 3036, "message": "daily free allocation used"}], "result": None},
        K.QUOTA,
    ),
    (
        "cloudflare.workers-ai.v1",
        400,
        {"success": False, "errors": [{"code": 5007, "message": "No such model @cf/x"}], "messages": []},
        K.MODEL_NOT_FOUND,
    ),
    ("azure.openai.v1", 429, {"error": {"code": "429", "message": "Please retry after 26 seconds."}}, K.RATE_LIMIT),
    ("azure.openai.v1", 400, {"error": {"code": "unknown_model", "message": "Unknown model: x"}}, K.MODEL_NOT_FOUND),
    (
        "azure.openai.v1",
        400,
        {
            "error": {
                "message": "The response was filtered",
                "code": "content_filter",
                "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {}},
            }
        },
        K.CONTENT_FILTER,
    ),
    ("moonshot.api.v1", 429, {"error": {"message": "q", "type": "exceeded_current_quota_error"}}, K.QUOTA),
    ("moonshot.api.v1", 400, {"error": {"message": "high risk", "type": "content_filter"}}, K.CONTENT_FILTER),
    ("zai.api.v1", 429, {"error": {"code": "1113", "message": "Insufficient balance"}}, K.QUOTA),
    ("zai.api.v1", 429, {"error": {"code": "1302", "message": "High concurrency"}}, K.RATE_LIMIT),
    ("zai.api.v1", 400, {"error": {"code": "1301", "message": "unsafe"}, "contentFilter": []}, K.CONTENT_FILTER),
    ("zai.api.v1", 400, {"error": {"code": "1261", "message": "Prompt too long"}}, K.CONTEXT_LENGTH),
]


def failure_for(play, provider, identity, call, response):
    with pytest.raises(ProviderError) as raised:
        play(provider(identity).execute(call), response)
    return raised.value.failure


@pytest.mark.parametrize(("identity", "status", "body", "kind"), ROWS)
def test_errors_have_their_kind_and_the_vendors_own_words(provider, play, call, answer, identity, status, body, kind):
    failure = failure_for(play, provider, identity, call(), answer(body, status))
    assert failure.kind is kind and failure.body == body and failure.status == status
    words = [text for text in orjson.dumps(body).decode().split('"') if " " in text]
    assert not words or any(text in failure.message or failure.message in text for text in words)


@pytest.mark.parametrize(
    ("identity", "body", "headers", "wait"),
    [
        ("groq.api.v1", {"error": {"message": "Please try again in 1m0.363142857s"}}, {}, pytest.approx(60.363, 1e-3)),
        ("groq.api.v1", {"error": {"message": "Please try again in 1m"}}, {"retry_after": "61"}, 61.0),
        ("azure.openai.v1", {"error": {"code": "429", "message": "Please retry after 26 seconds."}}, {}, 26.0),
        ("azure.openai.v1", {"error": {"code": "429", "message": "x"}}, {"x_ratelimit_remaining_requests": "-1"}, None),
        (
            "openrouter.gateway.v1",
            {"error": {"code": 429, "metadata": {"headers": {"X-RateLimit-Reset": "1787000030000"}}, "message": "x"}},
            {},
            30.0,
        ),
        (
            "cerebras.api.v1",
            {"message": "x", "code": "request_quota_exceeded"},
            {"x_ratelimit_remaining_requests_day": "0", "x_ratelimit_reset_requests_day": "33011.38"},
            33011.38,
        ),
    ],
)
def test_waiting_times_of_every_form_are_understood(provider, play, call, answer, identity, body, headers, wait):
    response = answer(body, 429, 1_787_000_000.0, **headers)
    assert failure_for(play, provider, identity, call(), response).retry_after == wait


@pytest.mark.parametrize(
    ("identity", "headers", "kind", "report"),
    [
        (
            "mistral.api.v1",
            {"x_ratelimit_limit_req_minute": "360", "x_ratelimit_remaining_req_minute": "354"},
            "requests",
            LimitReport(360, 354),
        ),
        ("mistral.api.v1", {"x_ratelimit_remaining_tokens_month": "9"}, "tokens-month", LimitReport(remaining=9)),
        (
            "cerebras.api.v1",
            {"x_ratelimit_remaining_tokens_minute": "9", "x_ratelimit_reset_tokens_minute": "11.4"},
            "tokens",
            LimitReport(remaining=9, reset_after=11.4),
        ),
        (
            "huggingface.inference.v1",
            {"ratelimit": '"api";r=999;t=295'},
            "requests",
            LimitReport(remaining=999, reset_after=295.0),
        ),
        (
            "huggingface.inference.v1",
            {"x_ratelimit_remaining_tokens": "9223372036854767616"},
            "tokens",
            LimitReport(remaining=9223372036854767616),
        ),
        (
            "azure.openai.v1",
            {
                "x_ratelimit_limit_requests": "120",
                "x_ratelimit_remaining_requests": "119",
                "x_ratelimit_reset_requests": "500",
                "x_ratelimit_renewalperiod_requests": "60",
            },
            "requests",
            LimitReport(120, 119, 0.5),
        ),
        (
            "azure.openai.v1",
            {
                "x_ratelimit_limit_requests": "50",
                "x_ratelimit_remaining_requests": "49",
                "x_ratelimit_reset_requests": "1",
                "x_ratelimit_renewalperiod_requests": "60",
            },
            "requests",
            LimitReport(50, 49, 1.0),
        ),
        (
            "together.api.v1",
            {"x_ratelimit_limit": "2", "x_ratelimit_reset": "2"},
            "requests",
            LimitReport(2, None, 2.0),
        ),
    ],
)
def test_limits_of_every_form_are_understood(provider, play, call, answer, identity, headers, kind, report):
    body = {"choices": [{"index": 0, "message": {"content": "x"}, "finish_reason": "stop"}]}
    response = answer(body, 200, 1_787_000_000.0, retry_after="9", **headers)
    _, reply = play(provider(identity).execute(call()), response)
    assert reply.headroom[kind] == report


def test_limits_below_nothing_are_not_limits(provider, play, call, answer):
    body = {"choices": [{"index": 0, "message": {"content": "x"}, "finish_reason": "stop"}]}
    headers = {"x_ratelimit_remaining_requests": "-1", "x_ratelimit_remaining_tokens": "-1"}
    _, reply = play(provider("azure.openai.v1").execute(call()), answer(body, **headers))
    assert reply.headroom == {}


@pytest.mark.parametrize(
    ("identity", "chunk", "kind", "said"),
    [
        (
            "deepseek.api.v1",
            {"choices": [{"index": 0, "delta": {}, "finish_reason": "insufficient_system_resource"}]},
            K.SERVER,
            "insufficient_system_resource",
        ),
        ("zai.api.v1", {"choices": [{"index": 0, "delta": {}, "finish_reason": "network_error"}]}, K.SERVER, "network"),
        ("zai.api.v1", {"error": {"code": "1302", "message": "concurrency"}}, K.RATE_LIMIT, "concurrency"),
        ("groq.api.v1", {"choices": [], "x_groq": {"id": "r", "error": "over capacity"}}, K.SERVER, "over capacity"),
        ("openrouter.gateway.v1", {"error": {"code": 429, "message": "slow down"}}, K.RATE_LIMIT, "slow down"),
        (
            "openrouter.gateway.v1",
            {"choices": [{"delta": {}, "finish_reason": "error", "error": {"code": 502, "message": "gone"}}]},
            K.SERVER,
            "gone",
        ),
        (
            "cloudflare.workers-ai.v1",
            {"success": False, "errors": [{"code": 3040, "message": "capacity"}]},
            K.RATE_LIMIT,
            "capacity",
        ),
    ],
)
def test_failures_within_a_success_are_failures(provider, play, call, answer, identity, chunk, kind, said):
    data = b"data: " + orjson.dumps(chunk) + b"\n\n"
    _, decoder = play(provider(identity).execute(call(stream=True)), answer(b"", kind="text/event-stream"))
    (event,) = decoder.feed(data)
    assert event.kind is EventKind.ERROR and event.error.failure.kind is kind and said in event.error.failure.message
    failure = failure_for(play, provider, identity, call(), answer(chunk))
    assert failure.kind is kind and said in failure.message


@pytest.mark.parametrize("operation", [Operation.RESPONSES, Operation.DOCUMENT_PARSING, Operation.RERANK])
def test_what_a_vendor_does_not_serve_is_refused_before_it_is_sent(provider, call, operation):
    with pytest.raises(ProviderError) as raised:
        next(provider("groq.api.v1").execute(call(operation)))
    assert raised.value.failure.kind is K.INVALID_REQUEST


def test_a_key_that_an_error_quotes_is_hidden(provider, play, call, answer):
    for identity in ("groq.api.v1", "azure.openai.v1", "openrouter.gateway.v1", "cloudflare.workers-ai.v1"):
        body = {"error": {"message": "bad key key-of-a-test", "metadata": {"raw": "key-of-a-test"}}}
        failure = failure_for(play, provider, identity, call(), answer(body, 401))
        assert "key-of-a-test" not in repr(failure)
