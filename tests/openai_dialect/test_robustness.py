"""Whatever JSON a server sends, the dialect answers with events, a reply, or a ProviderError."""

import orjson
from hypothesis import given
from hypothesis import strategies as st
from modelmesh_core import Headers, HttpResponse, ProviderError, StreamEvent, Usage
from modelmesh_core.openai_dialect import OpenAIStreamDecoder, fold_chunks
from modelmesh_core.openai_dialect.codec import decode_chat
from modelmesh_core.openai_dialect.errors import failure_of_response
from modelmesh_core.openai_dialect.usage import usage_of

scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=5)
words = [
    "choices",
    "delta",
    "index",
    "finish_reason",
    "usage",
    "error",
    "message",
    "code",
    "content",
    "tool_calls",
    "logprobs",
    "prompt_tokens",
    "cost",
    "completion_tokens",
    "total_tokens",
    "prompt_tokens_details",
    "cached_tokens",
    "object",
    "type",
    "detail",
    "innererror",
]
anything = st.recursive(
    scalars | st.sampled_from(["error", "stop", "assistant"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(words), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(anything, max_size=4))
def test_any_stream_gives_events_that_fold(payloads):
    decoder = OpenAIStreamDecoder()
    data = b"".join(b"data: " + orjson.dumps(payload) + b"\n\n" for payload in payloads)

    events = [*decoder.feed(data), *decoder.finish()]

    assert len(events) + decoder.skipped == len(payloads)
    assert all(isinstance(event, StreamEvent) for event in events)
    fold_chunks(event.chunk for event in events if event.chunk)


@given(anything, st.sampled_from([200, 400, 404, 429, 500]))
def test_any_body_is_a_reply_or_a_provider_error(payload, status):
    response = HttpResponse(status, Headers(), orjson.dumps(payload))
    try:
        decode_chat(response)
    except ProviderError as error:
        assert error.failure.message
    assert failure_of_response(response).message


@given(anything)
def test_any_usage_adds_up_to_what_was_billed(payload):
    usage = usage_of(payload)

    assert usage is None or (isinstance(usage, Usage) and min(usage.input, usage.output, usage.reasoning) >= 0)
