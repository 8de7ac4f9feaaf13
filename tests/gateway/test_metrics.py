"""``/metrics``: what a scraper reads after real requests."""

import asyncio
import json
import re
import subprocess
import time

import httpx
import pytest
from documents import DOCS, blocks
from meshes import config
from modelmesh_core import ModelMesh
from modelmesh_core.cli import main
from modelmesh_core.gateway import GatewayApp
from modelmesh_core.testing import FakeUpstream, answers
from modelmesh_prometheus.families import FAMILIES
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open_metrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_server import PrometheusServer, binary

BASE, OTHER = "https://a.test/v1", "https://b.test/v1"
PROMETHEUS = {"statistics": {"connector": "prometheus.metrics.v1"}}
OPEN_METRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"


def values(text, parse=parse_text):
    """(sample, labels) → value. Raises for what no scraper would take."""
    found = {}
    for family in parse(text):
        for sample in family.samples:
            place = (sample.name, tuple(sorted(sample.labels.items())))
            assert place not in found, f"{place} stands there twice"
            found[place] = sample.value
    return found


def only(found, name, **labels):
    """The one value of ``name`` with at least these labels."""
    fitting = [value for (own, pairs), value in found.items() if own == name and labels.items() <= dict(pairs).items()]
    assert len(fitting) == 1, f"{name} {labels}: {fitting}"
    return fitting[0]


def scrape(client, until="modelmesh_requests_total", **headers):
    """The metrics, once ``until`` is among them: entries are handed over in the background."""
    deadline = time.monotonic() + 10
    while True:
        response = client.get("/metrics", headers=headers)
        assert response.status_code == 200, response.text
        if re.search(until, response.text) or time.monotonic() > deadline:
            return response
        time.sleep(0.05)


@pytest.fixture
def metered():
    return config("a.one", "b.two", observability=PROMETHEUS, pool={"retry": {"max_attempts": 1}})


def test_requests_attempts_tokens_and_rotations_are_counted(client, upstream, chat_body, metered):
    upstream.script(BASE, [answers.error(500)])
    upstream.script(OTHER, [answers.chat(tokens=(100, 7), seconds=0.3)])
    gateway = client(metered)
    for _ in range(3):
        assert gateway.post("/v1/chat/completions", json=chat_body()).status_code == 200
    found = values(scrape(gateway, r"requests_total\{.* 3\n").text)

    place = {"pool": "chat", "model": "b.two", "provider": "b"}
    assert only(found, "modelmesh_requests_total", **place, outcome="success", operation="chat", key="") == 3
    failed = only(found, "modelmesh_attempts_total", model="a.one", outcome="server")
    assert failed == only(found, "modelmesh_rotations_total", model="a.one", reason="server") >= 1
    assert only(found, "modelmesh_tokens_total", **place, kind="input") == 300
    assert only(found, "modelmesh_tokens_total", **place, kind="output") == 21
    assert only(found, "modelmesh_attempt_duration_seconds_count", model="b.two") == 3
    assert only(found, "modelmesh_attempt_duration_seconds_sum", model="b.two") == pytest.approx(0.9)
    assert only(found, "modelmesh_attempt_duration_seconds_bucket", model="b.two", le="0.25") == 0
    assert only(found, "modelmesh_attempt_duration_seconds_bucket", model="b.two", le="0.5") == 3
    assert only(found, "modelmesh_request_duration_seconds_count", model="b.two", outcome="success") == 3
    assert only(found, "modelmesh_routing_duration_seconds_count", pool="chat") == 3


def test_the_time_to_the_first_token_of_a_stream(client, upstream, chat_body, metered):
    upstream.script(BASE, [answers.stream("Hel", "lo", seconds=1.5)])
    gateway = client(metered)
    gateway.post("/v1/chat/completions", json=chat_body(stream=True))
    found = values(scrape(gateway).text)
    assert only(found, "modelmesh_time_to_first_token_seconds_count", model="a.one") == 1
    assert only(found, "modelmesh_time_to_first_token_seconds_sum", model="a.one") == pytest.approx(1.5)


def test_a_scraper_that_asks_for_openmetrics_gets_it(client, upstream, chat_body, metered):
    upstream.script(BASE, [answers.chat()])
    gateway = client(metered)
    gateway.post("/v1/chat/completions", json=chat_body())
    plain = scrape(gateway)
    strict = scrape(gateway, accept=OPEN_METRICS)
    assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert strict.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert strict.text.endswith("# EOF\n")
    assert "# TYPE modelmesh_requests counter" in strict.text
    one, other = values(plain.text), values(strict.text, parse_open_metrics)
    assert only(one, "modelmesh_requests_total") == only(other, "modelmesh_requests_total") == 1
    assert set(one) == set(other)


def test_cost_and_quotas(client, upstream, chat_body, metered):
    upstream.script(BASE, [answers.chat(tokens=(1_000_000, 0))])
    metered["models"]["a.one"]["pricing"] = {"input": 2.5, "output": 10}
    metered["models"]["a.one"]["limits"] = {"requests_per_day": 50}
    metered["models"]["a.one"]["budget"] = {"daily_limit": 10}
    gateway = client(metered)
    gateway.post("/v1/chat/completions", json=chat_body())
    found = values(scrape(gateway).text)
    assert only(found, "modelmesh_cost_usd_total", model="a.one") == pytest.approx(2.5)
    assert only(found, "modelmesh_quota_limit", window="day", measure="requests") == 50
    assert only(found, "modelmesh_quota_left", window="day", measure="requests") == 49
    assert only(found, "modelmesh_quota_left", window="day", measure="USD") == pytest.approx(7.5)
    assert only(found, "modelmesh_quota_reset_timestamp_seconds", measure="USD") > 1_600_000_000


def test_standby_shows_at_once_and_ends(client, upstream, chat_body, metered):
    metered["pools"]["chat"]["deactivation"] = {"retry_limit": 1}
    metered["pools"]["chat"]["recovery"] = {"cooldown": "60s"}
    upstream.script(BASE, [answers.error(500), answers.chat()])
    upstream.script(OTHER, [answers.chat()])
    gateway = client(metered)
    gateway.post("/v1/chat/completions", json=chat_body())
    found = values(scrape(gateway, "standby_events_total").text)
    assert only(found, "modelmesh_standby", pool="chat", model="a.one", provider="a") == 1
    assert only(found, "modelmesh_standby", pool="chat", model="b.two", provider="b") == 0
    assert only(found, "modelmesh_standby_events_total", pool="chat", model="a.one") == 1


def test_without_a_connector_that_can_be_read_the_answer_names_one(client):
    response = client(config("a.one")).get("/metrics")
    assert response.status_code == 404
    assert "prometheus.metrics.v1" in response.json()["error"]["message"]


def test_a_scraper_needs_a_token_as_anybody_does(client, metered):
    gateway = client({**metered, "proxy": {"auth": {"tokens": ["scraper-token"]}}})
    assert gateway.get("/metrics").status_code == 401
    scrape(gateway, "build_info", authorization="Bearer scraper-token")


@pytest.mark.parametrize(("endpoints", "status"), [((), 403), (("/v1/chat/completions",), 403), (("/metrics",), 200)])
def test_a_key_reads_what_all_keys_use_only_if_it_may(client, metered, tmp_path, capsys, endpoints, status):
    metered["storage"] = {"connector": "modelmesh.sqlite.v1", "path": str(tmp_path / "state.db")}
    metered["proxy"] = {"auth": {"keys": True}}
    file = tmp_path / "modelmesh.yaml"
    file.write_text(json.dumps(metered))
    words = ["keys", "create", "--name", "team", "--config", str(file), "--json"]
    assert main([*words, "--endpoints", *endpoints] if endpoints else words) == 0
    token = json.loads(capsys.readouterr().out)["token"]
    response = client(metered).get("/metrics", headers={"x-api-key": token})
    assert response.status_code == status, response.text


def test_one_connector_named_in_several_sections_counts_once(client, upstream, chat_body, metered):
    upstream.script(BASE, [answers.chat()])
    metered["observability"] = {
        section: {"connector": "prometheus.metrics.v1"} for section in ("routing", "logging", "statistics")
    }
    gateway = client(metered)
    gateway.post("/v1/chat/completions", json=chat_body())
    found = values(scrape(gateway).text)
    assert only(found, "modelmesh_requests_total") == 1
    assert only(found, "modelmesh_queue_dropped_total", sink="prometheus.metrics.v1") == 0


async def test_metrics_are_the_sum_over_the_processes():
    upstream = FakeUpstream()
    upstream.script(BASE, [answers.chat(tokens=(10, 1))])
    meshes = [
        ModelMesh(
            config("a.one", observability=PROMETHEUS),
            environ={},
            clock=upstream.clock,
            make_transport=upstream.make_transport,
        )
        for _ in range(3)
    ]
    async with meshes[0] as first, meshes[1] as second, meshes[2] as ended:
        for mesh, count in ((first, 1), (second, 2), (ended, 4)):
            client = mesh.get_async_client()
            for _ in range(count):
                await client.chat.completions.create(model="chat", messages=[{"role": "user", "content": "Hi"}])
        app = GatewayApp(first)
        first.get_router().get_pool("chat").deactivate("a.one", "the invoice is open")

        async def peers():
            sink = ended.get_observability().metrics
            gone = [ended.get_observability().metrics_snapshot()]
            return [second.get_observability().metrics_snapshot(), sink.retired(gone)]

        app.metrics_peers = peers
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as caller:
            for _ in range(100):
                found = values((await caller.get("/metrics")).text)
                if any(value == 7 for value in found.values()):
                    break
                await asyncio.sleep(0.05)
        assert only(found, "modelmesh_requests_total", outcome="success") == 7
        assert only(found, "modelmesh_tokens_total", kind="input") == 70
        assert only(found, "modelmesh_attempt_duration_seconds_count") == 7
        assert only(found, "modelmesh_standby", pool="chat", model="a.one") == 1
        assert only(found, "modelmesh_build_info") == 1


def test_debians_prometheus_scrapes_the_gateway(client, live, chat_body, tmp_path):
    configuration = {**live.config(), "observability": PROMETHEUS, "proxy": {"auth": {"tokens": ["scraper-token"]}}}
    gateway = client(configuration, live=True)
    gateway.headers["authorization"] = "Bearer scraper-token"
    for _ in range(5):
        assert gateway.post("/v1/chat/completions", json=chat_body()).status_code == 200
    job = {
        "job_name": "modelmesh",
        "scrape_interval": "500ms",
        "scrape_timeout": "500ms",
        "authorization": {"credentials": "scraper-token"},
        "static_configs": [{"targets": [str(gateway.base_url).rstrip("/").removeprefix("http://")]}],
    }
    with PrometheusServer(tmp_path, {"scrape_configs": [job]}) as server:
        assert server.value('sum(modelmesh_requests_total{pool="chat",outcome="success"})', 5) == 5
        assert server.value('sum(modelmesh_attempt_duration_seconds_bucket{le="+Inf"})', 5) == 5
        assert server.value('up{job="modelmesh"}', 1) == 1
        gateway.post("/v1/chat/completions", json=chat_body())
        assert server.value('sum(modelmesh_requests_total{pool="chat",outcome="success"})', 6) == 6


def test_the_rules_of_the_page_are_rules_of_metrics_that_exist(client, upstream, chat_body, metered, tmp_path):
    (rules,) = [block.code for block in blocks(DOCS / "telemetry.md", "yaml") if "alert:" in block.code]
    (tmp_path / "rules.yml").write_text(rules)
    command = [binary("promtool"), "check", "rules", tmp_path / "rules.yml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

    upstream.script(BASE, [answers.chat()])
    metered["models"]["a.one"]["budget"] = {"daily_limit": 10}
    gateway = client(metered)
    gateway.post("/v1/chat/completions", json=chat_body())
    told = {name for name, _ in values(scrape(gateway).text)}
    assert set(re.findall(r"modelmesh_\w+", rules)) <= told


def test_the_page_names_every_metric():
    page = (DOCS / "telemetry.md").read_text(encoding="utf-8")
    for family in FAMILIES.values():
        name = family.name + ("_total" if family.kind == "counter" else "")
        row = re.search(rf"^\| `{name}` \| {family.kind} \|(.*?)\|", page, re.MULTILINE)
        assert row, name
        assert row[1].replace(",", " ").split() == list(family.labels), name


def test_promtool_finds_nothing_to_say(client, upstream, chat_body, metered):
    upstream.script(BASE, [answers.chat()])
    gateway = client(metered)
    gateway.post("/v1/chat/completions", json=chat_body())
    text = scrape(gateway).text
    command = [binary("promtool"), "check", "metrics"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
