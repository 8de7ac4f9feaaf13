"""Errors, limits, hostile answers, and the list of models."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from modelmesh_cohere import provider_connectors
from modelmesh_cohere.provider import CohereProvider
from modelmesh_core import (
    EventKind,
    FailureKind,
    Headers,
    HttpResponse,
    LimitReport,
    Operation,
    ProviderCall,
    ProviderError,
    ProviderSettings,
    Secret,
    fold_chunks,
)

K = FailureKind
HEAD = HttpResponse(200, Headers([("content-type", "text/event-stream")]))


@pytest.fixture
def failure(provider, play, make_call):
    def failure(response):
        with pytest.raises(ProviderError) as caught:
            play(provider.execute(make_call()), response)
        return caught.value.failure

    return failure


# From Cohere's page on errors, and bodies that users have published: not recordings.
@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (400, "invalid request: list of documents must not be empty", K.INVALID_REQUEST),
        (400, "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 4292.",
         K.CONTEXT_LENGTH),
        (400, "too many tokens: max tokens must be less than or equal to 4096, the maximum output for this model -"
         " received 8192.", K.INVALID_REQUEST),
        (400, "model 'x' not found, make sure the correct model ID was used", K.MODEL_NOT_FOUND),
        (400, "invalid request: response_format is not supported with RAG.", K.INVALID_REQUEST),
        (401, "no api key supplied", K.AUTHENTICATION),
        (401, "invalid api token", K.AUTHENTICATION),
        (402, "Please add or update your payment method at https://dashboard.cohere.com/billing", K.AUTHENTICATION),
        (403, "your IP is blocked", K.AUTHENTICATION),
        (404, "model 'command-r' was removed on September 15, 2025.", K.MODEL_NOT_FOUND),
        (422, "invalid request: tools", K.INVALID_REQUEST),
        (429, "You are past the per minute request limit, please wait and try again later.", K.RATE_LIMIT),
        (429, "You are using a Trial key, which is limited to 10 API calls / minute.", K.RATE_LIMIT),
        (429, "You are using a Trial key, which is limited to 1000 API calls / month.", K.QUOTA),
        (498, "blocked input", K.CONTENT_FILTER),
        (499, "request cancelled", K.SERVER),
        (500, "internal server error", K.SERVER),
        (503, "service unavailable", K.SERVER),
        (504, "timeout", K.SERVER),
    ],
)  # fmt: skip
def test_documented_errors(failure, answer, status, message, kind):
    found = failure(answer({"id": "1", "message": message}, status, retry_after="7"))
    assert (found.kind, found.message, found.status) == (kind, message, status)
    assert found.retry_after == (7 if kind in (K.RATE_LIMIT, K.QUOTA, K.SERVER) and status != 499 else None)


def test_other_bodies(failure, answer):
    for body in (b"", b"<html>", b"[1]", b'{"message": 3}', b'{"error": {"message": 3}}'):
        assert failure(answer(body, 502)).kind is K.SERVER
    for body in (b"", b"[1]", b'{"id": "a"}', b'{"message": [1]}'):
        assert failure(answer(body)).kind is K.UNDECODABLE
    assert failure(answer({"message": {}, "finish_reason": "TIMEOUT"})).kind is K.SERVER
    assert failure(answer({"message": "slow down"})).message == "slow down"


def test_a_quoted_key_does_not_leave(failure, answer):
    found = failure(answer({"message": "bad key co-secret"}, 401))
    assert "co-secret" not in repr(found) and "***" in found.message


def test_limits_of_trial_keys(provider, play, make_call, answer):
    said = {"message": {"content": []}, "finish_reason": "COMPLETE"}
    head = {"x_trial_endpoint_call_limit": "40", "x_trial_endpoint_call_remaining": "39"}
    reply = play(provider.execute(make_call()), answer(said, x_endpoint_monthly_call_limit="1000", **head))[1]
    assert reply.headroom == {"requests": LimitReport(40, 39), "requests-month": LimitReport(1000)}


def test_endings_and_logprobs(provider, play, make_call, answer):
    expected = {"MAX_TOKENS": "length", "ERROR_TOXIC": "content_filter", "SOMETHING_NEW": "stop"}
    pieces = [{"text": "Hi", "logprobs": [-0.5, -0.25], "token_ids": [1, 2]}]
    for native, reason in expected.items():
        body = {"message": {"content": [{"type": "text", "text": "Hi"}]}, "finish_reason": native, "logprobs": pieces}
        choice = play(provider.execute(make_call()), answer(body))[1].body["choices"][0]
        assert (choice["finish_reason"], choice["native_finish_reason"]) == (reason, native)
        shown = {"token": "Hi", "logprob": -0.75, "bytes": [72, 105], "top_logprobs": []}
        assert choice["logprobs"] == {"content": [shown]}


def streamed(*events, head=HEAD):
    provider = CohereProvider(ProviderSettings("cohere", Secret("k")))
    body = {"messages": [{"role": "user", "content": "Hi"}]}
    flow = provider.execute(ProviderCall(Operation.CHAT, "m", body, stream=True))
    next(flow)
    with pytest.raises(StopIteration) as stop:
        flow.send(head)
    decoder = stop.value.value
    data = b"".join(b"data: %b\n\n" % (event if isinstance(event, bytes) else orjson.dumps(event)) for event in events)
    return [*decoder.feed(data), *decoder.finish()], decoder


def test_errors_within_a_stream():
    end = {"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "too many tokens"}}
    events, _ = streamed(b"{no json", {"type": "message-start"}, {"type": "news"}, end)
    assert events[-1].error.failure.kind is K.CONTEXT_LENGTH
    events, decoder = streamed({"message": "internal server error"}, b"[1]")
    assert (events[0].error.failure.message, decoder.skipped) == ("internal server error", 1)


def test_a_call_without_arguments_is_called_with_an_empty_object():
    call = {"id": "", "type": "function", "function": {"name": "now", "arguments": ""}}
    begin = {"type": "tool-call-start", "index": 3, "delta": {"message": {"tool_calls": call}}}
    end = {"type": "message-end", "delta": {"finish_reason": "TOOL_CALL"}}
    for stop in ([{"type": "tool-call-end", "index": 3}], []):
        events, _ = streamed(begin, *stop, end)
        message = fold_chunks(event.chunk for event in events)["choices"][0]["message"]
        function = {"name": "now", "arguments": "{}"}
        assert message["tool_calls"] == [{"id": "call_0", "type": "function", "function": function}]


def test_a_whole_answer_in_place_of_a_stream():
    provider = CohereProvider(ProviderSettings("cohere", Secret("k")))
    call = ProviderCall(Operation.CHAT, "m", {"messages": [{"role": "user", "content": "Hi"}]}, stream=True)
    for body, kind in ((b'{"message": {"content": "Hi"}}', EventKind.CONTENT), (b'{"message": "no"}', EventKind.ERROR)):
        flow = provider.execute(call)
        next(flow)
        with pytest.raises(StopIteration) as stop:
            flow.send(HttpResponse(200, Headers([("content-type", "application/json")])))
        assert stop.value.value.feed(body) == []
        assert [event.kind for event in stop.value.value.finish()] == [kind]


values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5) | st.just("https://a"),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["type", "text", "thinking", "content", "tool_calls", "function", "arguments", "name", "id", "citations",
             "sources", "start", "end", "document", "url", "delta", "message", "usage", "billed_units", "tokens",
             "input_tokens", "finish_reason", "tool_plan", "index", "logprobs", "error", "embeddings", "results",
             "meta", "float", "relevance_score", "content_index", "data"]
        ),
        inner,
        max_size=5,
    ),
    max_leaves=25,
)  # fmt: skip
KINDS = ["message-start", "content-start", "content-delta", "tool-plan-delta", "tool-call-start", "tool-call-delta",
         "tool-call-end", "citation-start", "message-end", "debug"]  # fmt: skip
messages = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(["content", "tool_calls", "citations", "tool_plan"], values)
)
deltas = st.fixed_dictionaries({"message": messages | values}, optional={"finish_reason": values, "usage": values})
events = st.fixed_dictionaries(
    {"type": st.sampled_from(KINDS)}, optional={"index": values, "delta": deltas | values, "logprobs": values}
)


@given(st.binary(max_size=100) | values.map(lambda value: json.dumps(value).encode()), st.sampled_from([200, 400, 429]))
def test_any_answer(body, status):
    provider = CohereProvider(ProviderSettings("cohere", Secret("k")))
    for operation, asked in (
        (Operation.CHAT, {"messages": [{"role": "user", "content": "Hi"}]}),
        (Operation.EMBEDDINGS, {"input": "a", "encoding_format": "base64"}),
        (Operation.RERANK, {"query": "a", "documents": ["b"]}),
        (Operation.TRANSCRIPTION, {"file": b"a"}),
    ):
        flow = provider.execute(ProviderCall(operation, "m", asked))
        next(flow)
        with pytest.raises((StopIteration, ProviderError)):
            flow.send(HttpResponse(status, Headers(), body))
    flow = provider.list_models()
    next(flow)
    with pytest.raises((StopIteration, ProviderError)):
        flow.send(HttpResponse(status, Headers(), body))


@given(st.lists(events | st.binary(max_size=20), max_size=8))
def test_any_stream(said):
    streamed(*(one if isinstance(one, bytes) else json.dumps(one).encode() for one in said))


@given(st.lists(st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "tool", "system"])},
       optional=dict.fromkeys(["content", "tool_calls", "tool_call_id", "reasoning_details"], values)), max_size=3),
       st.dictionaries(st.sampled_from(["tools", "tool_choice", "response_format", "thinking", "stop", "top_p",
                                        "documents", "reasoning_effort"]), values))  # fmt: skip
def test_any_request(said, rest):
    provider = CohereProvider(ProviderSettings("cohere", Secret("k")))
    try:
        request = next(provider.execute(ProviderCall(Operation.CHAT, "m", {"messages": said, **rest})))
    except ProviderError:
        return
    assert json.loads(request.body)["model"] == "m"


def test_values_nested_beyond_measure(provider, make_call):
    schema = {}
    for _ in range(900):
        schema = {"type": "object", "properties": {"a": schema}}
    asked = {"type": "json_schema", "json_schema": {"schema": schema}}
    with pytest.raises(ProviderError):
        next(provider.execute(make_call(response_format=asked)))


def test_models_are_listed_page_by_page(provider, play, answer):
    one = {"name": "command-x", "context_length": 9, "features": ["tools", "vision", "new"], "endpoints": ["chat"]}
    pages = [{"models": [one, {"name": "old", "is_deprecated": True}], "next_page_token": "a/b"}, {"models": [{}]}]
    requests, models = play(provider.list_models(), *map(answer, pages))
    assert requests[1].url == "https://api.cohere.com/v1/models?page_size=1000&page_token=a%2Fb"
    assert [(m.id, m.constraints.context_window, m.features) for m in models] == [
        ("cohere.command-x", 9, {"tool_calling", "vision"})
    ]


def test_the_catalogue_is_sound():
    (connector,) = provider_connectors()
    models = connector.models()
    assert len(models) >= 12
    assert all(model.id.startswith("cohere.") and model.source and model.as_of for model in models)
