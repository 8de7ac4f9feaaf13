"""Whole answers: usage in disjoint buckets, limits from headers, bodies that make no sense."""

from decimal import Decimal

import pytest
from modelmesh_core import FailureKind, LimitReport, Operation, ProviderCall, ProviderError, Usage
from modelmesh_core.openai_dialect.limits import advised_wait, reset_seconds
from modelmesh_core.openai_dialect.usage import usage_of


def reply_to(body, **more):
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}
    return {"id": "c1", "object": "chat.completion", "choices": [choice], **body, **more}


def test_a_reply_is_the_servers_body_and_bytes_untouched(provider, play, answer, chat):
    response = answer(reply_to({"acme_extra": [1]}))

    _, reply = play(provider.execute(chat()), response)

    assert reply.body["acme_extra"] == [1]
    assert reply.raw == response.body
    assert reply.finish_reason == "stop"
    assert reply.usage is None


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}, Usage(input=10, output=5)),
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "total_tokens": 150,
                "prompt_tokens_details": {"cached_tokens": 60, "audio_tokens": 10},
                "completion_tokens_details": {"reasoning_tokens": 30, "audio_tokens": 5},
            },
            Usage(input=30, cached_input=60, output=15, reasoning=30, audio=15),
        ),
        (
            {"prompt_tokens": 100, "completion_tokens": 1, "prompt_tokens_details": {"cache_write_tokens": 90}},
            Usage(input=10, cache_write=90, output=1),
        ),
        # xAI counts reasoning beside completion_tokens; Gemini does too and does not name it.
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 45,
                "completion_tokens_details": {"reasoning_tokens": 30},
            },
            Usage(input=10, output=5, reasoning=30),
        ),
        ({"prompt_tokens": 66, "completion_tokens": 6, "total_tokens": 100}, Usage(input=66, output=6, reasoning=28)),
        ({"prompt_tokens": 8, "total_tokens": 8}, Usage(input=8)),
        ({"total_tokens": 12}, Usage(input=12)),
        ({"prompt_tokens": 32, "completion_tokens": 1, "prompt_cache_hit_tokens": 30}, Usage(2, 1, 30)),
        ({"prompt_tokens": 8, "completion_tokens": 9, "cost": 4.01e-05}, Usage(8, 9, cost=Decimal("0.0000401"))),
        ({"prompt_tokens": 8, "completion_tokens": 9, "cost": 0}, Usage(8, 9, cost=Decimal(0))),
        ({"prompt_tokens": 1, "cost": {"total_cost": 0.005}}, Usage(1, cost=Decimal("0.005"))),
        ({"prompt_tokens": 1, "cost": -1}, Usage(1)),
        # Details that contradict the totals must not be billed twice.
        (
            {"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 99, "audio_tokens": 10}},
            Usage(cached_input=10),
        ),
        ({"prompt_tokens": None, "completion_tokens": "7", "prompt_tokens_details": None}, Usage()),
    ],
)
def test_usage_buckets_are_disjoint(reported, expected):
    assert usage_of(reported) == expected


@pytest.mark.parametrize("absent", [None, {}, [], "many"])
def test_no_usage_is_none_and_not_zero(absent):
    assert usage_of(absent) is None


def test_headroom_is_read_from_the_headers(provider, play, answer, chat):
    headers = {
        "x_ratelimit_limit_requests": "10000",
        "x_ratelimit_remaining_requests": "9999",
        "x_ratelimit_reset_requests": "8.64s",
        "x_ratelimit_limit_tokens": "9223372036854767616",
        "x_ratelimit_remaining_tokens": "-1",
        "x_ratelimit_limit_input_images": "-1",
        "x_ratelimit_remaining_tokens_minute": "59",
        "x_ratelimit_limit_requests_day": "1000",
        "x_ratelimit_abusepenalty_active": "False",
    }
    _, reply = play(provider.execute(chat()), answer(reply_to({}), **headers))

    assert reply.headroom == {
        "requests": LimitReport(10000, 9999, 8.64),
        "tokens": LimitReport(9223372036854767616, 59),
        "requests-day": LimitReport(1000),
    }


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("12ms", 0.012),
        ("6m0s", 360.0),
        ("17.399999999s", 17.399999999),
        ("1h2m3.5s", 3723.5),
        ("0s", 0.0),
        ("60", 60.0),
        ("0.25", 0.25),
        ("1800000060", 60.0),
        ("1800000060000", 60.0),
        ("-1", None),
        ("nan", None),
        ("soon", None),
        ("", None),
        ("12 parsecs", None),
        (None, None),
    ],
)
def test_reset_times_come_in_many_spellings(text, seconds):
    assert reset_seconds(text, now=1_800_000_000.0) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("Rate limit reached for gpt-4o ... Please try again in 18.642s.", 18.642),
        ("Please try again in 1m0.363142857s. Need more tokens?", 60.363142857),
        ("Please try again in 20ms.", 0.02),
        ("Please retry after 30 seconds.", 30.0),
        ("Please retry in 6 minutes", 360.0),
        ("Please try again in a moment.", None),
        ("try again in 5 steps", None),
        ("It took 18.6s.", None),
    ],
)
def test_an_advised_wait_is_read_from_the_sentence(message, seconds):
    assert advised_wait(message) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    "body", [b"<html>hello</html>", b"", b"[]", b"null", b'{"id": "x"}', b'{"choices": []}', b'{"choices": 5}']
)
def test_a_success_that_makes_no_sense_is_undecodable(provider, play, answer, chat, body):
    with pytest.raises(ProviderError) as raised:
        play(provider.execute(chat()), answer(body))
    assert raised.value.failure.kind is FailureKind.UNDECODABLE


def test_embeddings_without_data_are_undecodable(provider, play, answer):
    call = ProviderCall(Operation.EMBEDDINGS, "e", {"model": "x", "input": "a"})
    with pytest.raises(ProviderError, match="has no data") as raised:
        play(provider.execute(call), answer(reply_to({})))
    assert raised.value.failure.kind is FailureKind.UNDECODABLE


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"error": {"message": "slow down", "code": 429}}, FailureKind.RATE_LIMIT),
        ({"error": {"message": "upstream broke", "code": 502}}, FailureKind.SERVER),
        ({"error": {"message": "something"}}, FailureKind.SERVER),
        ({"error": "model overloaded"}, FailureKind.SERVER),
        ({"object": "error", "message": "maximum context length is 10", "code": 400}, FailureKind.CONTEXT_LENGTH),
        ({"error": {"message": "used up", "code": "insufficient_quota"}}, FailureKind.QUOTA),
        ({"choices": [{"finish_reason": "error", "error": {"code": 503, "message": "gone"}}]}, FailureKind.SERVER),
    ],
)
def test_an_error_in_place_of_an_answer_is_that_error(provider, play, answer, chat, body, kind):
    with pytest.raises(ProviderError) as raised:
        play(provider.execute(chat()), answer(body))
    assert raised.value.failure.kind is kind
    assert raised.value.failure.body == body
