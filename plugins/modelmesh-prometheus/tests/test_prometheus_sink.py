"""The connector by itself: what it takes, what it keeps apart, and what it writes."""

import json
import math
from decimal import Decimal

import pytest
from modelmesh_core import AttemptRecord, ConfigurationError, DecisionRecord, MeshConfig, Usage
from modelmesh_core.testing import ObservabilityConformance
from modelmesh_prometheus import PrometheusOptions
from modelmesh_prometheus.sink import PrometheusSink
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open_metrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

OPEN = "application/openmetrics-text"


class TestPrometheus(ObservabilityConformance):
    def make(self, folder):
        return PrometheusSink()


def entry(key="team", model="a.one", usage=None, status="success", cost=None, started=100.0, ended=101.0):
    attempt = AttemptRecord(model, "a", "chat", started, None, ended, status, usage=usage, cost=cost)
    record = DecisionRecord("req_1", "chat", "chat", "synchronous", started, key, pool="chat", ended=ended)
    record.status, record.attempts = status, [attempt]
    return record


def samples(*snapshots, accept="", sink=None):
    """(name, labels as text) → value."""
    _, body = (sink or PrometheusSink()).render(snapshots, accept)
    parse = parse_open_metrics if accept == OPEN else parse_text
    return {
        (sample.name, *sorted(f"{name}={value}" for name, value in sample.labels.items())): sample.value
        for family in parse(body.decode())
        for sample in family.samples
    }


def total(found, name, *labels):
    return sum(value for (own, *pairs), value in found.items() if own == name and set(labels) <= set(pairs))


async def test_names_are_escaped():
    sink = PrometheusSink()
    odd = 'a "quoted" \\ name\nof two lines, {and=more}, «ключ»'
    sink.count([entry(key=odd)])
    for accept in ("", OPEN):
        assert total(samples(sink.snapshot([]), accept=accept), "modelmesh_requests_total", f"key={odd}") == 1


async def test_the_kinds_of_tokens_are_disjoint():
    sink = PrometheusSink()
    usage = Usage(input=1, output=2, cached_input=4, cache_write=8, reasoning=16, audio=32)
    sink.count([entry(usage=usage, cost=Decimal("0.1")), entry(usage=usage, cost=Decimal("0.2"))])
    found = samples(sink.snapshot([]))
    assert total(found, "modelmesh_tokens_total") == 2 * usage.total
    assert total(found, "modelmesh_tokens_total", "kind=reasoning") == 32
    assert total(found, "modelmesh_cost_usd_total") == pytest.approx(0.3)


async def test_series_are_bounded_and_what_is_too_much_is_counted_together():
    sink = PrometheusSink(PrometheusOptions(max_series=10))
    sink.count([entry(key=f"key-{number}", model=f"a.{number}") for number in range(100)])
    found = samples(sink.snapshot([]))
    assert total(found, "modelmesh_requests_total") == total(found, "modelmesh_attempts_total") == 100
    assert total(found, "modelmesh_requests_total", "key=other", "model=other") == 90
    assert total(found, "modelmesh_series_overflow_total") > 0
    assert sum(name == "modelmesh_requests_total" for name, *_ in found) == 11


def standby(model, resting):
    return {
        "type": "gauge",
        "at": 5.0,
        "scope": "standby",
        "pool": "chat",
        "model": model,
        "provider": "a",
        "standby": resting,
        "reason": None,
    }


async def test_beyond_the_bound_a_model_on_standby_is_still_seen():
    sink = PrometheusSink(PrometheusOptions(max_series=2))
    members = [standby(f"a.{number}", number < 3) for number in range(5)]
    found = samples(sink.snapshot(members))
    assert total(found, "modelmesh_standby", "model=other") == 1
    assert sum(name == "modelmesh_standby" for name, *_ in found) == 3


def quota(left, at):
    return {
        "type": "gauge",
        "at": at,
        "scope": "quota",
        "account": "model:a.one",
        "window": "day",
        "measure": "requests",
        "used": str(50 - left),
        "limit": "50",
        "left": str(left),
        "resets_at": 86400.0,
    }


async def test_snapshots_survive_json_and_are_merged_by_the_rule_of_each_metric():
    one, two = PrometheusSink(), PrometheusSink()
    one.count([entry(ended=100.2)])
    two.count([entry(ended=100.2), entry(ended=170.0)])
    older = one.snapshot([quota(9, 10.0), standby("a.one", True)])
    newer = two.snapshot([quota(7, 20.0), standby("a.one", False)])
    older, newer = json.loads(json.dumps(older)), json.loads(json.dumps(newer))
    for snapshots in ((older, newer), (newer, older)):
        found = samples(*snapshots)
        assert total(found, "modelmesh_requests_total") == 3
        assert total(found, "modelmesh_attempt_duration_seconds_bucket", "le=0.25") == 2
        assert total(found, "modelmesh_attempt_duration_seconds_bucket", "le=+Inf") == 3
        assert math.isclose(total(found, "modelmesh_attempt_duration_seconds_sum"), 70.4)
        assert total(found, "modelmesh_quota_left") == 7
        assert total(found, "modelmesh_standby") == 1


async def test_what_an_ended_process_counted_stays_and_its_gauges_go():
    ended, new = PrometheusSink(), PrometheusSink()
    ended.count([entry()])
    gone = ended.retired([ended.snapshot([standby("a.one", True), quota(1, 50.0)])])
    gone = ended.retired([gone, gone])
    found = samples(json.loads(json.dumps(gone)), new.snapshot([standby("a.one", False)]))
    assert total(found, "modelmesh_requests_total") == 2
    assert total(found, "modelmesh_standby") == 0
    assert total(found, "modelmesh_quota_left") == 0


async def test_a_clock_that_was_set_back_is_no_negative_duration():
    sink = PrometheusSink()
    sink.count([entry(started=100.0, ended=40.0)])
    assert total(samples(sink.snapshot([])), "modelmesh_attempt_duration_seconds_sum") == 0


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "text/plain; version=0.0.4"),
        ("*/*", "text/plain; version=0.0.4"),
        ("text/plain;version=0.0.4", "text/plain; version=0.0.4"),
        ("application/openmetrics-text;version=1.0.0;q=0.3, text/plain;version=0.0.4;q=0.9", "text/plain"),
        ("application/openmetrics-text;q=0", "text/plain"),
        ("application/openmetrics-text;q=1.2.3", "text/plain"),
        ("application/openmetrics-text; version=1.0.0; q=0.8, text/plain; q=0.5", OPEN),
        ("Application/OpenMetrics-Text", OPEN),
    ],
)
def test_the_form_that_the_scraper_likes_best(accept, expected):
    sink = PrometheusSink()
    media_type, body = sink.render([sink.snapshot([])], accept)
    assert media_type.startswith(expected)
    assert body.endswith(b"# EOF\n") is (expected == OPEN)


@pytest.mark.parametrize("options", [{"max_series": 0}, {"duration_buckets": [2, 1]}, {"duration_buckets": []}])
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(ConfigurationError):
        MeshConfig.from_dict({"observability": {"statistics": {"connector": "prometheus.metrics.v1", **options}}})


def test_buckets_can_be_chosen():
    config = {"connector": "prometheus.metrics.v1", "duration_buckets": [0.5, 2]}
    found = MeshConfig.from_dict({"observability": {"statistics": {"connector": config}}})
    assert found.observability.statistics.connector[0].options.duration_buckets == (0.5, 2.0)
