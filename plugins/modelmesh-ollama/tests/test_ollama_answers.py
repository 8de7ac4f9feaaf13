"""Answers, whole and streamed, against what their JSON plainly says."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modelmesh_core import (
    EventKind,
    FailureKind,
    Headers,
    HttpResponse,
    Operation,
    ProviderCall,
    ProviderError,
    ProviderSettings,
    fold_chunks,
)
from modelmesh_ollama.provider import OllamaProvider

HEAD = HttpResponse(200, Headers([("content-type", "application/x-ndjson")]), received_at=5.0)
K = FailureKind


def plain(lines):
    said = [line["message"] for line in lines]
    calls = [call["function"] for message in said for call in message.get("tool_calls", [])]
    return (
        "".join(message["content"] for message in said),
        "".join(message.get("thinking", "") for message in said),
        [(call["name"], call["arguments"]) for call in calls],
    )


def said_by(message):
    functions = [call["function"] for call in message.get("tool_calls", [])]
    calls = [(function["name"], json.loads(function["arguments"])) for function in functions]
    return message["content"] or "", message.get("reasoning_content", ""), calls


@pytest.fixture
def decode(provider, play, make_call):
    def decode(*pieces):
        decoder = play(provider.execute(make_call(stream=True)), HEAD)
        events = [event for piece in pieces for event in decoder.feed(piece)]
        return [*events, *decoder.finish()], decoder

    return decode


def test_recorded_whole_answers(provider, play, make_call, answer, recordings):
    found = [one for one in recordings if one.kind == "chat" and len(one.lines) == 1]
    assert len(found) == 5
    for recording in found:
        reply = play(provider.execute(make_call()), answer(recording.body))
        (line,) = recording.lines
        choice = reply.body["choices"][0]
        assert said_by(choice["message"]) == plain([line]), recording.id
        has_calls = "tool_calls" in line["message"]
        assert choice["finish_reason"] == reply.finish_reason == ("tool_calls" if has_calls else "stop")
        assert (reply.usage.input, reply.usage.output) == (line["prompt_eval_count"], line["eval_count"])
        assert reply.body["usage"]["total_duration"] == line["total_duration"]
        assert reply.body["model"] == line["model"]
        identities = [call["id"] for call in choice["message"].get("tool_calls", [])]
        assert len(set(identities)) == len(identities) and all(identities)
        assert reply == play(provider.execute(make_call()), answer(recording.body))


def test_recorded_streams_cut_anywhere(decode, recordings):
    def shown(events):
        return [(event.kind, event.chunk, event.finish_reason, event.usage) for event in events]

    found = [one for one in recordings if one.kind == "chat" and len(one.lines) > 1]
    assert len(found) == 3
    for recording in found:
        events, decoder = decode(recording.body)
        assert decoder.skipped == 0
        folded = fold_chunks(event.chunk for event in events if event.chunk)
        assert said_by(folded["choices"][0]["message"]) == plain(recording.lines), recording.id
        kinds = [event.kind for event in events]
        assert kinds[0] is EventKind.OPENING
        assert kinds[-3:] == [EventKind.FINISH, EventKind.USAGE, EventKind.DONE]
        last = recording.lines[-1]
        assert (events[-2].usage.input, events[-2].usage.output) == (last["prompt_eval_count"], last["eval_count"])
        assert all({"id", "object", "created", "model"} <= event.chunk.keys() for event in events if event.chunk)
        chance = random.Random(recording.id)
        for _ in range(30):
            cuts = sorted(chance.sample(range(len(recording.body)), 9))
            pieces = [recording.body[a:b] for a, b in zip([0, *cuts], [*cuts, None], strict=True)]
            assert shown(decode(*pieces)[0]) == shown(events)
        assert shown(decode(*(bytes([byte]) for byte in recording.body.rstrip()))[0]) == shown(events)


def test_recorded_embeddings(provider, play, make_call, answer, recordings):
    found = [one for one in recordings if one.kind == "embeddings"]
    assert len(found) == 4
    for recording in found:
        body = json.loads(recording.body)
        texts = ["a"] * len(body["embeddings"])
        call = make_call(Operation.EMBEDDINGS, input=texts if len(texts) > 1 else "a")
        reply = play(provider.execute(call), answer(recording.body))
        assert [row["embedding"] for row in reply.body["data"]] == body["embeddings"]
        assert reply.usage.input == body.get("prompt_eval_count", 0)


def test_parts_of_an_answer_that_no_recording_has(decode):
    lines = [
        {"model": "m", "created_at": "2026-01-01T00:00:00.123456789Z", "message": {"thinking": "Hm", "content": ""}},
        {"message": {"content": "Hi"}, "logprobs": [{"token": "Hi", "logprob": -0.5, "bytes": [72, 105]}]},
        {"message": {"tool_calls": [{"id": "call_x", "function": {"name": "a", "arguments": {"b": 1}}}]}},
        {"message": {"tool_calls": [{"function": {"name": "a", "arguments": None}}]}},
        {"message": {}, "done": True, "done_reason": "length", "eval_count": 3},
    ]
    events, _ = decode(b"\r\n".join(json.dumps(line).encode() for line in lines))
    folded = fold_chunks(event.chunk for event in events if event.chunk)
    choice = folded["choices"][0]
    assert said_by(choice["message"]) == ("Hi", "Hm", [("a", {"b": 1}), ("a", {})])
    assert choice["message"]["tool_calls"][0]["id"] == "call_x"
    assert (choice["finish_reason"], choice["native_finish_reason"]) == ("length", "length")
    assert choice["logprobs"]["content"][0]["logprob"] == -0.5
    assert folded["created"] == 1767225600


# Bodies that Ollama's source has, and users have published: not recordings.
@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (404, 'model "x" not found, try pulling it first', K.MODEL_NOT_FOUND),
        (400, '"llama3" does not support thinking', K.INVALID_REQUEST),
        (400, "registry.ollama.ai/library/x does not support tools", K.INVALID_REQUEST),
        (400, "the input length exceeds the context length", K.CONTEXT_LENGTH),
        (401, "unauthorized", K.AUTHENTICATION),
        (403, "this model requires a subscription", K.AUTHENTICATION),
        (429, "you've reached your hourly usage limit, please upgrade to continue", K.QUOTA),
        (429, "too many concurrent requests", K.RATE_LIMIT),
        (500, "model requires more system memory (9 GiB) than is available (4 GiB)", K.SERVER),
        (500, "llama runner process has terminated: exit status 2", K.SERVER),
        (503, "server busy, please try again. maximum pending requests exceeded", K.SERVER),
    ],
)
def test_documented_errors(provider, make_call, answer, decode, status, error, kind):
    flow = provider.execute(make_call())
    next(flow)
    with pytest.raises(ProviderError) as caught:
        flow.send(answer({"error": error}, status))
    assert (caught.value.failure.kind, caught.value.failure.message) == (kind, error)
    events, _ = decode(json.dumps({"StatusCode": status, "error": error}).encode())
    assert (events[0].kind, events[0].error.failure.kind) == (EventKind.ERROR, kind)
    flow = provider.execute(make_call())
    next(flow)
    with pytest.raises(ProviderError, match=r".+") as caught:
        flow.send(answer({"error": error + " ol-secret"}, 418))
    assert "ol-secret" not in repr(caught.value.failure)


def started(operation, stream, **body):
    provider = OllamaProvider(ProviderSettings("ollama"))
    flow = provider.execute(ProviderCall(operation, "m", body, stream=stream))
    next(flow)
    return flow


values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["message", "content", "thinking", "tool_calls", "function", "arguments", "name", "id", "done", "error",
             "done_reason", "eval_count", "prompt_eval_count", "created_at", "model", "embeddings", "logprobs",
             "StatusCode", "models", "type", "text", "image_url", "url"]
        ),
        inner, max_size=5,
    ),
    max_leaves=20,
)  # fmt: skip
lines = st.fixed_dictionaries(
    {"message": values},
    optional=dict.fromkeys(["done", "error", "eval_count", "created_at", "done_reason", "logprobs"], values),
)


@given(
    st.binary(max_size=60) | (lines | values).map(lambda value: json.dumps(value).encode()),
    st.sampled_from([200, 400, 500]),
)
def test_any_answer(body, status):
    messages = [{"role": "user", "content": "Hi"}]
    for flow in (
        started(Operation.CHAT, False, messages=messages),
        started(Operation.EMBEDDINGS, False, input="a", encoding_format="base64"),
    ):
        with pytest.raises((StopIteration, ProviderError)):
            flow.send(HttpResponse(status, Headers(), body))
    flow = started(Operation.CHAT, True, messages=messages)
    with pytest.raises(StopIteration) as stop:
        flow.send(HEAD)
    decoder = stop.value.value
    for event in [*decoder.feed(body + b"\n" + body), *decoder.finish()]:
        assert event.chunk is None or "id" in event.chunk


@given(
    st.lists(
        st.fixed_dictionaries(
            {"role": st.sampled_from(["user", "assistant", "tool"])},
            optional=dict.fromkeys(["content", "tool_calls", "tool_call_id", "reasoning_content"], values),
        ),
        max_size=3,
    ),
    st.dictionaries(st.sampled_from(["tools", "tool_choice", "response_format", "options", "stop", "think"]), values),
)
def test_any_request(said, rest):
    try:
        flow = started(Operation.CHAT, False, messages=said, **rest)
    except ProviderError:
        return
    flow.close()


def test_bodies_that_are_no_answer(provider, make_call, answer):
    for body in (b"", b"[1]", b"<html>", b'{"message": 3}', b'{"done": true}'):
        flow = provider.execute(make_call())
        next(flow)
        with pytest.raises(ProviderError) as caught:
            flow.send(answer(body))
        assert caught.value.failure.kind is K.UNDECODABLE


def test_lines_that_cannot_be_read_are_counted(decode):
    events, decoder = decode(b'{"half\n[1]\n\n{"message": {"content": "Hi"}}\n{"hello": 1}')
    assert decoder.skipped == 3
    assert [event.kind for event in events] == [EventKind.OPENING, EventKind.CONTENT]


def test_models_that_were_pulled_are_listed(provider, play, answer):
    rows = [{"name": "qwen3:14b", "model": "qwen3:14b"}, {"name": "b"}, {"size": 3}]
    models = play(provider.list_models(), answer({"models": rows}))
    assert [(model.id, model.upstream_model) for model in models] == [
        ("ollama.qwen3:14b", "qwen3:14b"), ("ollama.b", "b"),
    ]  # fmt: skip


def test_damaged_recordings(decode, provider, make_call, answer, recordings):
    chance = random.Random(7)
    for recording in recordings:
        for _ in range(8):
            body = bytearray(recording.body)
            for _ in range(chance.randint(1, 6)):
                body[chance.randrange(len(body))] = chance.randrange(256)
            cut = bytes(body[: chance.randint(1, len(body))])
            assert all(event.kind for event in decode(cut)[0])
            flow = provider.execute(make_call())
            next(flow)
            with pytest.raises((StopIteration, ProviderError)):
                flow.send(answer(cut))
