"""Streams: real, invisible failover before the first content, and never a cut answer that looks finished."""

import pytest
from meshes import ask, config
from modelmesh_core import AllProvidersExhaustedError, Failure, FailureKind, ProviderError
from modelmesh_core.testing import FakeUpstream, answers

A, B = "https://a.test/v1", "https://b.test/v1"
CUT = Failure(FailureKind.STREAM_CUT, "connection reset")


def words(stream):
    return [choice.delta.content for chunk in stream for choice in chunk.choices if choice.delta.content]


def test_words_arrive_one_by_one(make_mesh, upstream: FakeUpstream):
    upstream.script(A, [answers.stream("The ", "capital ", "is ", "Paris")])
    stream = ask(make_mesh(config("a.one")), stream=True)
    assert words(stream) == ["The ", "capital ", "is ", "Paris"]
    assert stream.modelmesh.status == "success"
    assert stream.modelmesh.attempts[0].usage.output == 5


@pytest.mark.parametrize(
    "broken",
    [
        answers.error(500),
        answers.hang(),
        answers.reset(),
        answers.stream(finish=False, done=False),
        answers.stream(finish=False, done=False, failure=CUT),
        answers.Answer(
            200,
            chunks=[b'data: {"error": {"message": "overloaded", "type": "server_error"}}\n\n'],
            headers={"content-type": "text/event-stream"},
        ),
    ],
    ids=["500", "hang", "reset", "cut after the opening", "reset after the opening", "error under a 200"],
)
def test_a_failure_before_the_first_content_is_invisible(broken, make_mesh, upstream: FakeUpstream):
    upstream.script(A, [broken])
    upstream.script(B, [answers.stream("from ", "b")])
    stream = ask(make_mesh(config("a.one", "b.two")), stream=True)
    assert words(stream) == ["from ", "b"]
    assert stream.modelmesh.model == "b.two"
    assert upstream.open_streams == 0


@pytest.mark.parametrize("failure", [None, CUT], ids=["silent end", "reset"])
def test_a_cut_after_content_is_an_error_and_never_a_finished_answer(failure, make_mesh, upstream: FakeUpstream):
    upstream.script(A, [answers.stream("half ", "an", finish=False, done=False, failure=failure)])
    upstream.script(B, [answers.stream("never asked")])
    mesh = make_mesh(config("a.one", "b.two", pool={"on_stream_failure": "error"}))
    stream = ask(mesh, stream=True)
    heard = []
    with pytest.raises(ProviderError) as caught:
        for chunk in stream:
            heard.extend(choice.delta.content for choice in chunk.choices if choice.delta.content)
            assert not any(choice.finish_reason for choice in chunk.choices)
    assert heard == ["half ", "an"]
    assert caught.value.failure.kind is FailureKind.STREAM_CUT
    assert caught.value.model == "a.one"
    assert stream.modelmesh.status == "failed"
    assert mesh.pool_status()["chat"][0].consecutive_failures == 1
    assert upstream.requests_to(B) == []


def test_a_missing_done_after_the_finish_is_a_success(make_mesh, upstream: FakeUpstream):
    upstream.script(A, [answers.stream("whole", done=False)])
    stream = ask(make_mesh(config("a.one")), stream=True)
    assert words(stream) == ["whole"]
    assert stream.modelmesh.status == "success"


def test_a_reset_after_the_finish_is_a_success(make_mesh, upstream: FakeUpstream):
    upstream.script(A, [answers.stream("whole", done=False, failure=CUT)])
    stream = ask(make_mesh(config("a.one")), stream=True)
    assert words(stream) == ["whole"]
    assert stream.modelmesh.status == "success"


def test_usage_is_asked_for_upstream_and_hidden_unless_the_caller_asked(make_mesh, upstream: FakeUpstream):
    import json

    upstream.script(A, [answers.stream("hi")])
    mesh = make_mesh(config("a.one"))
    assert not any(chunk.usage for chunk in ask(mesh, stream=True))
    assert json.loads(upstream.requests[0].body)["stream_options"] == {"include_usage": True}
    with_usage = list(ask(mesh, stream=True, stream_options={"include_usage": True}))
    assert with_usage[-1].usage.completion_tokens == 5


def test_a_stream_without_usage_is_settled_with_an_estimate(make_mesh, upstream: FakeUpstream):
    upstream.script(A, [answers.stream("one ", "two ", "three", usage=None)])
    stream = ask(make_mesh(config("a.one")), stream=True)
    words(stream)
    usage = stream.modelmesh.attempts[0].usage
    assert usage.estimated
    assert usage.output == 3


def test_leaving_early_closes_the_upstream_and_settles(make_mesh, upstream: FakeUpstream):
    upstream.script(A, [answers.stream("one ", "two ", "three")])
    mesh = make_mesh(config("a.one"))
    stream = ask(mesh, stream=True)
    next(stream)
    stream.close()
    assert upstream.open_streams == 0
    assert stream.modelmesh.status == "cancelled"
    snapshot = mesh.pool_status()["chat"][0]
    assert snapshot.in_flight == 0
    assert snapshot.status.value == "active"


def test_a_stream_that_is_forgotten_is_closed_and_settled(make_mesh, upstream: FakeUpstream):
    import gc
    import time

    upstream.script(A, [answers.stream("one ", "two ", "three")])
    mesh = make_mesh(config("a.one"))
    for _chunk in ask(mesh, stream=True):
        break
    gc.collect()
    deadline = time.monotonic() + 5
    while upstream.open_streams and time.monotonic() < deadline:
        time.sleep(0.01)  # the mesh's own loop closes it
    assert upstream.open_streams == 0
    assert mesh.get_router().in_flight == 0
    assert mesh.pool_status()["chat"][0].in_flight == 0


def test_a_server_that_ignores_stream_is_told_as_a_stream(make_mesh, upstream: FakeUpstream):
    upstream.script(A, [answers.chat("all at once")])
    stream = ask(make_mesh(config("a.one")), stream=True)
    assert words(stream) == ["all at once"]
    assert stream.modelmesh.status == "success"


def test_in_flight_returns_to_zero_whatever_happens(make_mesh, upstream: FakeUpstream):
    upstream.script(A, [answers.stream("x", finish=False, done=False), answers.error(500), answers.stream("y")] * 5)
    mesh = make_mesh(config("a.one", pool={"deactivation": {"retry_limit": None, "error_rate_threshold": None}}))
    for _ in range(8):
        try:
            for _chunk in ask(mesh, stream=True):
                pass
        except (ProviderError, AllProvidersExhaustedError):
            continue
    assert mesh.get_router().in_flight == 0
    assert mesh.pool_status()["chat"][0].in_flight == 0
    assert upstream.open_streams == 0
