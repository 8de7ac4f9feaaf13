"""One provider breaks in many ways; every single call is answered by the other."""

import pytest
from meshes import ask, config
from modelmesh_core import AllProvidersExhaustedError, FailureKind, InvalidRequestError
from modelmesh_core.testing import FakeUpstream, answers

A, B = "https://a.test/v1", "https://b.test/v1"

BROKEN = {
    "500": (answers.error(500), FailureKind.SERVER, 2),
    "503": (answers.error(503), FailureKind.SERVER, 2),
    "529": (answers.error(529), FailureKind.SERVER, 2),
    "429 with a long wait": (answers.error(429, retry_after="60"), FailureKind.RATE_LIMIT, 1),
    "429 without a time": (answers.error(429), FailureKind.RATE_LIMIT, 1),
    "quota": (answers.error(429, code="insufficient_quota", type="insufficient_quota"), FailureKind.QUOTA, 1),
    "hang": (answers.hang(), FailureKind.TIMEOUT, 1),
    "reset": (answers.reset(), FailureKind.CONNECTION, 2),
    "401": (answers.error(401), FailureKind.AUTHENTICATION, 1),
    "404": (answers.error(404), FailureKind.MODEL_NOT_FOUND, 1),
    "not JSON": (answers.Answer(200, b"<html>", {"content-type": "text/html"}), FailureKind.UNDECODABLE, 2),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_provider_is_replaced_and_asked_a_bounded_number_of_times(name, make_mesh, upstream: FakeUpstream):
    broken, kind, calls = BROKEN[name]
    upstream.script(A, [broken])
    upstream.script(B, [answers.chat("from b")])
    mesh = make_mesh(config("a.one", "b.two"))

    reply = ask(mesh)

    assert reply.choices[0].message.content == "from b"
    assert len(upstream.requests_to(A)) == calls
    assert len(upstream.requests_to(B)) == 1
    story = reply.modelmesh
    assert [attempt.model for attempt in story.attempts] == ["a.one"] * calls + ["b.two"]
    assert story.attempts[0].failure.kind is kind
    assert story.replaced_model == "a.one"
    assert story.model == "b.two"
    assert "rotate" in story.attempts[-2].follow_up


def test_a_short_retry_after_is_waited_for(make_mesh, upstream: FakeUpstream):
    upstream.script(A, [answers.error(429, retry_after="2"), answers.chat("at last")])
    upstream.script(B, [answers.chat("never asked")])
    mesh = make_mesh(config("a.one", "b.two"))

    reply = ask(mesh)

    assert reply.choices[0].message.content == "at last"
    assert upstream.clock.slept == [2.0]


def test_a_server_that_asks_to_be_left_alone_is_left_alone(make_mesh, upstream: FakeUpstream):
    upstream.script(A, [answers.error(503, retry_after="120"), answers.chat("back")])
    upstream.script(B, [answers.chat("from b")])
    mesh = make_mesh(config("a.one", "b.two", pool={"strategy": "priority-selection", "model_priority": ["a.one"]}))

    assert ask(mesh).modelmesh.model == "b.two"
    assert len(upstream.requests_to(A)) == 1
    upstream.clock.advance(119)
    assert ask(mesh).modelmesh.model == "b.two"
    upstream.clock.advance(2)
    assert ask(mesh).modelmesh.model == "a.one"


def test_a_rejected_request_goes_back_with_the_providers_body_and_marks_nobody(make_mesh, upstream: FakeUpstream):
    upstream.script(A, [answers.error(400, "temperature must be below 2", type="invalid_request_error")])
    upstream.script(B, [answers.chat("never asked")])
    mesh = make_mesh(config("a.one", "b.two"))

    for _ in range(5):
        with pytest.raises(InvalidRequestError) as caught:
            ask(mesh, temperature=9)

    assert caught.value.status_code == 400
    assert caught.value.body["error"]["message"] == "temperature must be below 2"
    assert upstream.requests_to(B) == []
    assert [s.status.value for s in mesh.pool_status()["chat"]] == ["active", "active"]
    assert mesh.pool_status()["chat"][0].consecutive_failures == 0


def test_when_all_fail_the_error_tells_the_story(make_mesh, upstream: FakeUpstream):
    upstream.script(A, [answers.error(500, "a is down")])
    upstream.script(B, [answers.error(503, "b is down")])
    mesh = make_mesh(config("a.one", "b.two"))

    with pytest.raises(AllProvidersExhaustedError) as caught:
        ask(mesh)

    assert [attempt.model for attempt in caught.value.attempts] == ["a.one", "a.one", "b.two", "b.two"]
    assert "a is down" in str(caught.value)
    assert "b is down" in str(caught.value)
    assert caught.value.status_code == 503


def test_rotations_are_bounded(make_mesh, upstream: FakeUpstream):
    names = [f"p{number}.m" for number in range(8)]
    for number in range(8):
        upstream.script(f"https://p{number}.test/v1", [answers.error(500)])
    mesh = make_mesh(config(*names, pool={"retry": {"max_attempts": 1, "max_rotations": 3}}))

    with pytest.raises(AllProvidersExhaustedError):
        ask(mesh)

    assert len(upstream.requests) == 4


def test_one_deadline_covers_every_attempt(make_mesh, upstream: FakeUpstream):
    upstream.script(A, [answers.hang()])
    upstream.script(B, [answers.hang()])
    mesh = make_mesh(config("a.one", "b.two"))
    before = upstream.clock.monotonic()

    with pytest.raises(AllProvidersExhaustedError) as caught:
        ask(mesh, timeout=30)

    assert upstream.clock.monotonic() - before <= 30
    assert caught.value.status_code == 504


def test_a_retry_budget_keeps_an_outage_from_being_amplified(make_mesh, upstream: FakeUpstream):
    upstream.script(A, [answers.error(500)])
    never = {"retry_limit": None, "error_rate_threshold": None}
    mesh = make_mesh(config("a.one", pool={"deactivation": never, "provider_deactivation": []}))

    for _ in range(100):
        with pytest.raises(AllProvidersExhaustedError):
            ask(mesh)

    assert len(upstream.requests) <= 100 + 10 + 100 * 0.2


def test_a_context_overflow_goes_to_a_larger_context_only(make_mesh, upstream: FakeUpstream):
    overflow = answers.error(400, "too long", code="context_length_exceeded")
    for name in "abc":
        upstream.script(f"https://{name}.test/v1", [overflow if name != "c" else answers.chat("it fits")])
    settings = config("a.one", "b.two", "c.three")
    for model, window in (("a.one", 8000), ("b.two", 8000), ("c.three", 100_000)):
        settings["models"][model]["constraints"] = {"context_window": window}
    mesh = make_mesh(settings)

    reply = ask(mesh)

    assert reply.modelmesh.model == "c.three"
    assert upstream.requests_to(B) == []


def test_a_content_refusal_goes_back_to_the_caller(make_mesh, upstream: FakeUpstream):
    upstream.script(A, [answers.error(400, "flagged", code="content_filter")])
    upstream.script(B, [answers.chat("willing")])

    with pytest.raises(InvalidRequestError):
        ask(make_mesh(config("a.one", "b.two")))
    rotating = make_mesh(config("a.one", "b.two", pool={"rotate_on_content_filter": True}))
    assert ask(rotating).modelmesh.model == "b.two"


def test_explain_agrees_with_what_then_happens(make_mesh, upstream: FakeUpstream):
    upstream.script(A, [answers.error(429, retry_after="60")])
    upstream.script(B, [answers.chat("from b")])
    mesh = make_mesh(config("a.one", "b.two"))
    assert mesh.explain("chat").decision.model.id == "a.one"
    ask(mesh)

    explanation = mesh.explain("chat")

    assert explanation.decision.model.id == "b.two"
    assert [(drop.model, drop.stage) for drop in explanation.dropped] == [("a.one", "filter_state")]
    assert "rate limit" in explanation.dropped[0].reason
    assert ask(mesh).modelmesh.model == "b.two"
    calls = len(upstream.requests)
    mesh.explain("chat")
    assert len(upstream.requests) == calls
