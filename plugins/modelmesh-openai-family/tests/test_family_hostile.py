"""Whatever a server sends, and whatever a caller puts into a body: nothing but ProviderError, and an end."""

import contextlib
import random

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from modelmesh_core import Headers, HttpResponse, Operation, ProviderCall, ProviderError
from modelmesh_openai_family.vendors import VENDORS

from .conftest import make

NAMES = """choices message delta content reasoning reasoning_content tool_calls function arguments usage cost error
code data finish_reason citations search_results url embedding results audio_data x_groq success errors result type
thinking metadata raw headers prompt_tokens total_tokens prompt_tokens_details prompt_filter_results index text"""
KEYS = st.sampled_from(NAMES.split())
PARAMETERS = "messages tools tool_choice response_format stop n thinking seed"
FIELDS = "role content tool_calls tool_call_id refusal reasoning_content reasoning_details"
ATOMS = st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.floats() | st.text(max_size=8)
WORDS = st.sampled_from(["stop", "error", "eos", "network_error", "thinking", "text", "429", "insufficient_quota"])
VALUES = st.recursive(
    ATOMS | WORDS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=15
)
BODIES = st.dictionaries(KEYS, VALUES, max_size=5)
IDS = st.sampled_from([vendor.id for vendor in VENDORS])
SLOW = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))


def run(flow, response):
    try:
        next(flow)
        flow.send(response)
    except StopIteration as stop:
        return stop.value
    except ProviderError:
        return None
    raise AssertionError("the flow wants more than one response")


def responses(body, status, kind="application/json"):
    return HttpResponse(status, Headers([("content-type", kind), ("x-ratelimit-reset-a", "nan")]), body, 1.0)


@SLOW
@given(IDS, BODIES | VALUES, st.sampled_from([200, 400, 403, 429, 498, 500]), st.sampled_from(list(Operation)))
def test_answers_of_any_shape(identity, body, status, operation):
    content = orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS)
    call = ProviderCall(operation, "m", {"model": "x", "input": "a", "query": "q", "file": b"x"})
    if operation is not Operation.TRANSCRIPTION:
        del call.body["file"]
    run(make(identity).execute(call), responses(content, status))


@SLOW
@given(IDS, st.lists(BODIES | st.binary(max_size=40), max_size=5), st.integers(1, 50))
def test_streams_of_any_shape(identity, chunks, size):
    lines = [b"data: " + (one if isinstance(one, bytes) else orjson.dumps(one)) + b"\n\n" for one in chunks]
    decoder = run(
        make(identity).execute(ProviderCall(Operation.CHAT, "m", {"model": "x"}, stream=True)),
        responses(b"", 200, "text/event-stream"),
    )
    data = b"".join(lines)
    for start in range(0, len(data), size):
        decoder.feed(data[start : start + size])
    decoder.finish()


@SLOW
@given(
    IDS,
    st.dictionaries(st.sampled_from(PARAMETERS.split()), VALUES),
)
def test_bodies_of_any_shape(identity, body):
    call = ProviderCall(Operation.CHAT, "m", {"model": "x", **body}, features=frozenset({"reasoning"}), prefill="a")
    before = repr(call.body)
    with contextlib.suppress(ProviderError):
        next(make(identity).execute(call))
    assert repr(call.body) == before


@SLOW
@given(IDS, st.lists(st.dictionaries(st.sampled_from(FIELDS.split()), VALUES)))
def test_messages_of_any_shape(identity, messages):
    call = ProviderCall(Operation.CHAT, "m", {"model": "x", "messages": messages}, features=frozenset({"reasoning"}))
    with contextlib.suppress(ProviderError):
        next(make(identity).execute(call))


@pytest.mark.parametrize("seed", range(5))
def test_mutated_recordings_raise_only_what_they_may(chats, seed):
    chance = random.Random(seed)
    for recording in chance.sample(chats, 60):
        body = bytearray(recording.sse if recording.stream and recording.status == 200 else recording.body)[:20_000]
        for _ in range(chance.randint(1, 20)):
            body[chance.randrange(len(body))] = chance.randrange(256)
        call = ProviderCall(Operation.CHAT, "m", {"model": "x"}, stream=recording.stream)
        flow = make(recording.connector).execute(call)
        if not recording.stream or recording.status != 200:
            call.stream = False
            run(flow, HttpResponse(recording.status, recording.headers, bytes(body)))
            continue
        decoder = run(flow, responses(b"", 200, "text/event-stream"))
        decoder.feed(bytes(body))
        decoder.finish()
