"""The connector by itself: what is sent, sent again, given up, and never shown."""

import logging

import pytest
from modelmesh_core import (
    AttemptRecord,
    ConfigurationError,
    ConnectorError,
    DecisionRecord,
    MeshConfig,
    ModelMeshError,
    Secret,
    Usage,
    trace_context,
)
from modelmesh_core.testing import FakeClock, ObservabilityConformance
from modelmesh_opentelemetry import OtlpOptions
from modelmesh_opentelemetry.sink import OtlpSink
from otlp_receiver import OtlpReceiver, plain

FLUSHED = {"type": "gauge", "at": 5.0, "scope": "mesh", "in_flight": 3}


@pytest.fixture(scope="module")
def taker():
    with OtlpReceiver() as receiver:
        yield receiver


class TestOtlp(ObservabilityConformance):
    @pytest.fixture(autouse=True)
    def _receiver(self, taker):
        self.url = taker.url

    def make(self, folder):
        return OtlpSink(OtlpOptions(endpoint=self.url))


@pytest.fixture
def receiver():
    with OtlpReceiver() as receiver:
        yield receiver


@pytest.fixture
def make(receiver):
    def made(**options):
        options = {"endpoint": receiver.url, "max_attempts": 2, **options}
        return OtlpSink(OtlpOptions(**options), FakeClock())

    return made


def entry(request_id="req_1", usage=None, traceparent=None, key=None):
    attempt = AttemptRecord(
        "a.one", "a", "chat", 100.0, None, 101.0, "success", usage=usage or Usage(input=3, output=4)
    )
    record = DecisionRecord(request_id, "chat", "chat", "synchronous", 100.0, key, pool="chat", ended=101.0)
    record.status, record.attempts, record.traceparent = "success", [attempt], traceparent
    return record.to_dict()


async def test_a_batch_that_was_refused_is_counted_once_when_it_is_offered_again(make, receiver):
    sink = make()
    receiver.answer = lambda path: 400
    batch = [entry()]
    with pytest.raises(ModelMeshError):
        await sink.write(batch)
    receiver.answer = lambda path: 200
    await sink.write(batch)
    await sink.write([FLUSHED])
    assert len(receiver.spans) == 2
    (point,) = receiver.metrics["modelmesh.requests"].sum.data_points
    assert point.as_int == 1
    await sink.close()


@pytest.mark.parametrize(("status", "tries"), [(429, 2), (503, 2), (400, 1), (401, 1), (500, 1)])
async def test_only_what_may_pass_is_tried_again(make, receiver, status, tries):
    sink = make()
    receiver.answer = lambda path: status
    with pytest.raises(ModelMeshError, match=str(status)):
        await sink.write([entry()])
    assert receiver.tries == tries
    await sink.close()


async def test_metrics_that_were_lost_are_in_the_next_sums(make, receiver):
    sink = make(traces=False)
    receiver.answer = lambda path: 400
    with pytest.raises(ModelMeshError):
        await sink.write([entry(), FLUSHED])
    receiver.answer = lambda path: 200
    await sink.write([entry(), FLUSHED])
    (point,) = receiver.metrics["modelmesh.requests"].sum.data_points
    assert point.as_int == 2
    (level,) = receiver.metrics["modelmesh.requests.in_flight"].gauge.data_points
    assert level.as_int == 3
    await sink.close()


async def test_metrics_go_out_though_traces_are_refused(make, receiver):
    sink = make()
    receiver.answer = lambda path: 404 if path == "/v1/traces" else 200
    with pytest.raises(ModelMeshError, match="404"):
        await sink.write([entry(), FLUSHED])
    assert "modelmesh.requests" in receiver.metrics
    await sink.close()


async def test_each_signal_can_be_switched_off(make, receiver):
    silent = make(traces=False, metrics=False)
    await silent.write([entry(), FLUSHED])
    assert receiver.exports == []
    await silent.close()


async def test_the_share_of_traces_that_is_sent(make, receiver):
    sink = make(sample=0.25)
    entries = [entry(f"req_{number}") for number in range(2000)]
    await sink.write(entries)
    assert 0.2 < len(receiver.spans) / 2 / 2000 < 0.3
    before = len(receiver.spans)
    await sink.write([entry("req_x", traceparent=f"00-{'f' * 32}-{'1' * 16}-01")])
    assert len(receiver.spans) == before + 2, "the caller decided that this one is sampled"
    await sink.close()


async def test_the_same_record_has_the_same_ids_wherever_it_is_seen(make, receiver):
    sink = make()
    await sink.write([entry("req_7")])
    context = trace_context("req_7", 100.0)
    request, attempt = receiver.spans
    assert request.trace_id.hex() == context.trace_id
    assert attempt.span_id.hex() == context.attempt_span(0)
    await sink.close()


async def test_headers_resource_and_large_bodies(make, receiver):
    sink = make(
        headers={"Authorization": Secret("Bearer tell-nobody")}, service_name="team", attributes={"deployment": "test"}
    )
    await sink.write([entry(f"req_{number}") for number in range(50)])
    assert receiver.headers["authorization"] == "Bearer tell-nobody"
    assert receiver.headers["content-encoding"] == "gzip"
    resource = plain(receiver.exports[0][1].resource_spans[0].resource.attributes)
    assert (resource["service.name"], resource["deployment"]) == ("team", "test")
    assert len(receiver.spans) == 100
    await sink.close()


async def test_nothing_secret_shows(make, receiver, caplog):
    options = OtlpOptions(endpoint=receiver.url + "/tell-nobody", headers={"authorization": Secret("tell-nobody")})
    assert "tell-nobody" not in repr(options)
    sink = make(endpoint="http://tell-nobody:pass@127.0.0.1:9", headers={"authorization": "tell-nobody"})
    with caplog.at_level(logging.DEBUG, "modelmesh"), pytest.raises(ModelMeshError) as caught:
        await sink.write([entry()])
    assert "tell-nobody" not in str(caught.value)
    assert "tell-nobody" not in caplog.text
    await sink.close()


async def test_text_that_is_no_unicode_is_no_trouble(make, receiver):
    sink = make()
    odd = entry(key="half \ud800 a pair")
    odd["requested"], odd["status"], odd["error"] = "\udfff", "failed", "\ud800 «»"
    await sink.write([odd, entry("req_2", key="ключ")])
    assert receiver.spans[0].status.message == "? «»"
    assert plain(receiver.spans[2].attributes)["modelmesh.key"] == "ключ"
    await sink.close()


async def test_attributes_of_a_metric_are_bounded(make, receiver):
    sink = make(max_series=10, traces=False)
    await sink.write([*[entry(key=f"key-{number}") for number in range(50)], FLUSHED])
    points = receiver.metrics["modelmesh.requests"].sum.data_points
    assert len(points) == 11
    assert sum(point.as_int for point in points) == 50
    (rest,) = [point for point in points if plain(point.attributes).get("otel.metric.overflow")]
    assert rest.as_int == 40
    await sink.close()


async def test_cached_and_reasoning_tokens_are_part_of_what_the_conventions_count(make, receiver):
    sink = make()
    await sink.write([entry(usage=Usage(input=1, output=2, cached_input=4, cache_write=8, reasoning=16))])
    told = plain(receiver.spans[1].attributes)
    assert told["gen_ai.usage.input_tokens"] == 13
    assert told["gen_ai.usage.output_tokens"] == 18
    assert told["gen_ai.usage.cache_read.input_tokens"] == 4
    await sink.close()


@pytest.mark.parametrize("endpoint", ["", "localhost:4318", "ftp://x", "http://"])
def test_an_endpoint_that_is_none_is_refused(endpoint):
    with pytest.raises(ConnectorError, match="endpoint"):
        OtlpSink(OtlpOptions(endpoint=endpoint))


@pytest.mark.parametrize("options", [{"sample": 1.5}, {"max_attempts": 0}, {"max_series": 0}])
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(ConfigurationError):
        MeshConfig.from_dict({"observability": {"logging": {"connector": "opentelemetry.otlp.v1", **options}}})
