"""Traces: a request's spans at an OTLP receiver, and ``traceparent`` from the caller to the provider."""

import time

import pytest
from meshes import config
from modelmesh_core.testing import answers
from otlp_receiver import OtlpReceiver, plain

BASE, OTHER = "https://a.test/v1", "https://b.test/v1"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


@pytest.fixture
def receiver():
    with OtlpReceiver() as receiver:
        yield receiver


@pytest.fixture
def traced(receiver):
    def made(**options):
        sink = {"connector": "opentelemetry.otlp.v1", "endpoint": receiver.url, **options}
        return config(
            "a.one", "b.two", observability={"logging": {"connector": sink}}, pool={"retry": {"max_attempts": 1}}
        )

    return made


def points(metric, attribute):
    """Value of ``attribute`` → data point of a histogram."""
    return {plain(point.attributes)[attribute]: point for point in metric.histogram.data_points}


def test_one_span_a_request_and_one_an_attempt(client, upstream, chat_body, receiver, traced):
    upstream.script(BASE, [answers.error(503, "overloaded")])
    upstream.script(OTHER, [answers.chat("The secret answer", tokens=(100, 7), seconds=0.5)])
    gateway = client(traced())
    body = chat_body()
    body["messages"][0]["content"] = "The secret question"
    response = gateway.post("/v1/chat/completions", json=body, headers={"traceparent": TRACEPARENT})
    assert response.status_code == 200
    request, failed, answered = receiver.wait_for(3)

    assert {span.trace_id.hex() for span in receiver.spans} == {TRACE}
    assert request.parent_span_id.hex() == PARENT
    assert failed.parent_span_id == answered.parent_span_id == request.span_id
    assert len({span.span_id for span in receiver.spans}) == 3
    assert (request.name, failed.name, answered.name) == ("chat chat", "chat one", "chat two")
    assert (request.kind, answered.kind) == (request.SPAN_KIND_SERVER, request.SPAN_KIND_CLIENT)
    assert answered.end_time_unix_nano - answered.start_time_unix_nano == pytest.approx(0.5e9, abs=1e6)
    assert request.start_time_unix_nano <= failed.start_time_unix_nano <= answered.start_time_unix_nano

    whole = plain(request.attributes)
    assert whole["modelmesh.request_id"] == response.headers["x-request-id"]
    assert whole["modelmesh.model"] == "b.two"
    assert whole["modelmesh.replaced_model"] == "a.one"
    assert "gen_ai.usage.input_tokens" not in whole, "the attempts say it: a sum over spans would count it twice"
    good, bad = plain(answered.attributes), plain(failed.attributes)
    assert good["gen_ai.operation.name"] == "chat"
    assert good["gen_ai.provider.name"] == "b"
    assert good["gen_ai.request.model"] == "two"
    assert (good["gen_ai.usage.input_tokens"], good["gen_ai.usage.output_tokens"]) == (100, 7)
    assert "error.type" not in good
    assert bad["http.response.status_code"] == 503
    assert bad["error.type"] in ("server", "overloaded")
    assert failed.status.code == failed.status.STATUS_CODE_ERROR
    assert request.status.code == request.status.STATUS_CODE_UNSET

    everything = b"".join(request.SerializeToString() for _, request in receiver.exports)
    assert b"secret" not in everything, "prompts and answers stay here"


def test_a_caller_who_names_no_trace_begins_one(client, upstream, chat_body, receiver, traced):
    upstream.script(BASE, [answers.chat()])
    gateway = client(traced())
    gateway.post("/v1/chat/completions", json=chat_body())
    gateway.post("/v1/chat/completions", json=chat_body(), headers={"traceparent": "00-xyz"})
    spans = receiver.wait_for(4)
    roots = [span for span in spans if not span.parent_span_id]
    assert len(roots) == 2
    assert len({span.trace_id for span in roots}) == 2


def test_a_caller_who_does_not_sample_is_obeyed(client, upstream, chat_body, receiver, traced):
    upstream.script(BASE, [answers.chat()])
    gateway = client(traced())
    gateway.post("/v1/chat/completions", json=chat_body(), headers={"traceparent": TRACEPARENT[:-2] + "00"})
    gateway.post("/v1/chat/completions", json=chat_body())
    assert TRACE not in {span.trace_id.hex() for span in receiver.wait_for(2)}


def test_providers_are_told_of_the_trace_only_where_that_is_wanted(client, upstream, chat_body, receiver, traced):
    upstream.script(BASE, [answers.chat()])
    for propagate in (False, True):
        gateway = client(traced(propagate=propagate))
        headers = {"traceparent": TRACEPARENT, "tracestate": "vendor=1"}
        gateway.post("/v1/chat/completions", json=chat_body(), headers=headers)
    silent, told = upstream.requests
    assert "traceparent" not in silent.headers
    assert "tracestate" not in silent.headers
    assert told.headers["tracestate"] == "vendor=1"
    version, trace, span, flags = told.headers["traceparent"].split("-")
    assert (version, trace, flags) == ("00", TRACE, "01")
    attempts = [one for one in receiver.wait_for(4) if one.kind == one.SPAN_KIND_CLIENT]
    assert span == attempts[1].span_id.hex(), "the provider's spans hang below the attempt that called it"


def test_providers_are_told_of_it_where_no_model_is_asked_either(client, upstream, receiver, traced):
    upstream.script(BASE, [answers.Answer(200, b'{"id": "file-1"}', {"content-type": "application/json"})])
    gateway = client(traced(propagate=True))
    assert gateway.get("/v1/files/file-1", headers={"traceparent": TRACEPARENT}).status_code == 200
    (told,) = upstream.requests
    _, trace, span, _ = told.headers["traceparent"].split("-")
    attempt = next(one for one in receiver.wait_for(2) if one.kind == one.SPAN_KIND_CLIENT)
    assert (trace, span) == (TRACE, attempt.span_id.hex())


def test_a_stream_is_one_span_that_ends_with_it(client, upstream, chat_body, receiver, traced):
    upstream.script(BASE, [answers.stream("Hel", "lo", usage=(9, 2), seconds=0.25)])
    gateway = client(traced())
    gateway.post("/v1/chat/completions", json=chat_body(stream=True))
    _, attempt = receiver.wait_for(2)
    told = plain(attempt.attributes)
    assert told["gen_ai.usage.output_tokens"] == 2
    assert told["gen_ai.response.time_to_first_chunk"] == pytest.approx(0.25)


def test_metrics_come_with_the_flush_of_statistics(client, upstream, chat_body, receiver, traced):
    upstream.script(BASE, [answers.error(500)])
    upstream.script(OTHER, [answers.chat(tokens=(100, 7), seconds=0.5)])
    configuration = traced()
    configuration["observability"]["statistics"] = {"flush_interval": "100ms"}
    configuration["models"]["b.two"]["limits"] = {"requests_per_day": 10}
    gateway = client(configuration)
    gateway.post("/v1/chat/completions", json=chat_body())
    receiver.wait_for(3)
    upstream.clock.advance(1)  # statistics are flushed by the mesh's own clock
    deadline = time.monotonic() + 10
    while "modelmesh.quota.left" not in receiver.metrics and time.monotonic() < deadline:
        time.sleep(0.05)
    metrics = receiver.metrics
    usage = {
        plain(p.attributes)["gen_ai.token.type"]: p for p in metrics["gen_ai.client.token.usage"].histogram.data_points
    }
    assert (usage["input"].sum, usage["output"].sum) == (100, 7)
    assert usage["input"].count == sum(usage["input"].bucket_counts) == 1
    assert len(usage["input"].bucket_counts) == len(usage["input"].explicit_bounds) + 1
    duration = {
        plain(p.attributes)["gen_ai.request.model"]: p
        for p in metrics["gen_ai.client.operation.duration"].histogram.data_points
    }
    assert duration["two"].sum == pytest.approx(0.5)
    assert plain(duration["one"].attributes)["error.type"] == "server"
    (left,) = metrics["modelmesh.quota.left"].gauge.data_points
    assert left.as_double == 9
    (rotations,) = metrics["modelmesh.rotations"].sum.data_points
    assert rotations.as_int == 1
    assert metrics["modelmesh.rotations"].sum.is_monotonic


def test_a_receiver_that_hangs_costs_a_request_nothing(client, upstream, chat_body, receiver, traced):
    upstream.script(BASE, [answers.chat()])

    def hang(path):
        time.sleep(1)
        return 503

    receiver.answer = hang
    gateway = client(traced(timeout="300ms", max_attempts=2), live=False)
    gateway.post("/v1/chat/completions", json=chat_body())
    started = time.monotonic()
    for _ in range(50):
        assert gateway.post("/v1/chat/completions", json=chat_body()).status_code == 200
    assert time.monotonic() - started < 5, "50 requests, while every export takes a second and fails"


def test_a_receiver_that_is_not_there_is_no_trouble_and_what_is_lost_is_counted(client, upstream, chat_body, traced):
    upstream.script(BASE, [answers.chat()])
    configuration = traced(max_attempts=1)
    configuration["observability"]["logging"]["connector"]["endpoint"] = "http://127.0.0.1:9"
    configuration["observability"]["statistics"] = {"connector": "prometheus.metrics.v1"}
    gateway = client(configuration)
    assert gateway.post("/v1/chat/completions", json=chat_body()).status_code == 200
    lost = 'modelmesh_queue_dropped_total{sink="opentelemetry.otlp.v1"} 1'
    deadline = time.monotonic() + 10
    while lost not in (text := gateway.get("/metrics").text) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert lost in text
