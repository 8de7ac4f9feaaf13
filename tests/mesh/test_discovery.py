"""Discovery: what providers list, and whether they are there. Nobody is called unless that is switched on."""

import asyncio
import json
import time
from decimal import Decimal

import pytest
from meshes import ask, config
from modelmesh_core import (
    CatalogueModel,
    ConnectorRegistry,
    DiscoveryConnector,
    DiscoveryService,
    FreeTier,
    HttpRequest,
    ModelMesh,
    OpenAICompatible,
    Pricing,
    ProviderConnector,
    QuotaSettings,
)
from modelmesh_core.builtin.discovery_health_monitor import HealthMonitor
from modelmesh_core.builtin.discovery_registry_sync import RegistrySync
from modelmesh_core.testing import answers

A, B = "https://a.test/v1", "https://b.test/v1"


def listing(*names, **more):
    rows = [{"id": name, "object": "model", **more} for name in names]
    body = json.dumps({"object": "list", "data": rows}).encode()
    return answers.Answer(200, body, {"content-type": "application/json"})


def both(upstream, base_url, listed, reply=None):
    """``base_url`` lists models, and answers chats."""
    upstream.script(base_url, lambda request: listed() if request.method == "GET" else (reply or answers.chat)("hi"))


def heard(mesh, name):
    events = []
    mesh.subscribe(events.append, name)
    return events


def eventually(check):
    deadline = time.monotonic() + 5
    while not (seen := check()) and time.monotonic() < deadline:
        time.sleep(0.01)  # the background loop is at work
    assert seen


# --- what is listed --------------------------------------------------------------------------------------------------


def synced(make_mesh, upstream, **sync):
    settings = config("a.one", discovery={"sync": {"enabled": False, **sync}})
    mesh = make_mesh(settings)
    service = RegistrySync(mesh)
    return mesh, lambda: mesh.background.run(service.round())


def test_a_new_model_is_registered_and_serves(make_mesh, upstream):
    both(upstream, A, lambda: listing("one", "two", "text-embedding-x", "gpt-realtime-x"))
    mesh, sync = synced(make_mesh, upstream)
    events = heard(mesh, "discovery_models_updated")
    [changes] = sync()
    assert changes.new == ("a.two", "a.text-embedding-x")
    assert changes.unclear == ("a.gpt-realtime-x",), "nothing says what it can do"
    assert set(mesh.engine.pools["chat"].members) == {"a.one", "a.two"}
    assert mesh.engine.models.find("a.text-embedding-x").capabilities[0].endswith("text-embeddings")
    assert ask(mesh, "a.two").modelmesh.model == "a.two"
    assert json.loads(upstream.requests[-1].body)["model"] == "two"
    eventually(lambda: [event.data["new"] for event in events] == [["a.two", "a.text-embedding-x"]])
    assert sync() == [], "it is known now"


@pytest.mark.parametrize("sync", [{"on_new_model": "notify"}, {"auto_register": False}])
def test_a_new_model_can_be_told_only(make_mesh, upstream, sync):
    both(upstream, A, lambda: listing("one", "two"))
    mesh, run = synced(make_mesh, upstream, **sync)
    events = heard(mesh, "discovery_models_updated")
    run()
    assert list(mesh.engine.pools["chat"].members) == ["a.one"]
    eventually(lambda: [event.data["new"] for event in events] == [["a.two"]])


def test_what_is_to_be_ignored_is_not_told(make_mesh, upstream):
    both(upstream, A, lambda: listing("one", "two"))
    mesh, sync = synced(make_mesh, upstream, on_new_model="ignore")
    events = heard(mesh, "discovery_models_updated")
    sync()
    mesh.shutdown()
    assert events == []


def test_a_model_that_is_listed_no_more_goes_on_standby_until_it_is_back(make_mesh, upstream):
    lists = iter([["one", "two"], ["two"], ["two"], ["one", "two"]])
    both(upstream, A, lambda: listing(*next(lists)))
    mesh, sync = synced(make_mesh, upstream, on_deprecated_model="deactivate")
    sync()
    [changes] = sync()
    assert changes.deprecated == ("a.one",)
    assert ask(mesh).modelmesh.model == "a.two"
    assert sync() == []
    [changes] = sync()
    assert changes.returned == ("a.one",)
    assert "a.one" in mesh.engine.pools["chat"].get_active_models()


def test_a_model_that_was_never_listed_is_left_alone(make_mesh, upstream):
    both(upstream, A, lambda: listing("two"))
    mesh, sync = synced(make_mesh, upstream, on_deprecated_model="deactivate")
    sync()
    sync()
    assert "a.one" in mesh.engine.pools["chat"].get_active_models()


def test_a_provider_that_cannot_be_asked_changes_nothing(make_mesh, upstream, caplog):
    upstream.script(A, [listing("one"), answers.error(500)])
    mesh, sync = synced(make_mesh, upstream, on_deprecated_model="deactivate")
    sync()
    assert sync() == []
    assert "a.one" in mesh.engine.pools["chat"].get_active_models()
    assert "the models of provider a could not be listed" in caplog.text


def test_who_took_a_model_out_by_hand_brings_it_back_by_hand(make_mesh, upstream):
    lists = iter([["one", "two"], ["two"], ["one", "two"]])
    both(upstream, A, lambda: listing(*next(lists)))
    mesh, sync = synced(make_mesh, upstream, on_deprecated_model="deactivate")
    sync()
    mesh.engine.pools["chat"].deactivate("a.one", "the invoice is open")
    sync()
    sync()
    assert mesh.engine.pools["chat"].get_standby_models() == ["a.one"]


def test_a_model_that_is_back_after_a_reload_serves_again(make_mesh, upstream):
    lists = iter([["one", "two"], ["two"], ["one", "two"]])
    both(upstream, A, lambda: listing(*next(lists)))
    mesh, sync = synced(make_mesh, upstream, on_deprecated_model="deactivate")
    sync()
    sync()
    mesh.reload_config()
    assert mesh.engine.pools["chat"].get_standby_models() == ["a.one"]
    [changes] = mesh.background.run(RegistrySync(mesh).round())  # a reload makes services anew
    assert changes.returned == ("a.one",)
    assert mesh.engine.pools["chat"].get_standby_models() == []


def test_a_model_under_a_name_of_ones_own_is_deprecated_with_its_upstream(make_mesh, upstream):
    lists = iter([["one", "two"], ["two"], ["one", "two"]])
    both(upstream, A, lambda: listing(*next(lists)))
    settings = config("a.mine", discovery={"sync": {"on_deprecated_model": "deactivate", "on_new_model": "notify"}})
    settings["models"]["a.mine"]["upstream_model"] = "one"
    mesh = make_mesh(settings)
    service = RegistrySync(mesh)
    for standby in ([], ["a.mine"], []):
        mesh.background.run(service.round())
        assert mesh.engine.pools["chat"].get_standby_models() == standby


class Priced(OpenAICompatible):
    """Lists what ``upstream`` says a token costs, as some vendors do."""

    def list_models(self):
        response = yield HttpRequest("GET", self.models_url(), self.headers)
        return [
            CatalogueModel(
                f"{self.name}.{row['id']}",
                capabilities=("chat-completion",),
                upstream_model=row["id"],
                pricing=Pricing(input=Decimal(row["input"]), output=Decimal(2)),
            )
            for row in response.json()["data"]
        ]


def priced(upstream, prices, on_repriced_model, *, free_tier=False, stated=False):
    """What ``a.one``, known to cost 1, costs after each of ``prices`` was listed; and what was told each time."""
    known = CatalogueModel("a.one", ("chat-completion",), pricing=Pricing(input=Decimal(1), output=Decimal(2)))
    registry, rows = ConnectorRegistry(), iter(prices)
    tier = FreeTier("https://a.test/limits", "2026-11-23", QuotaSettings(requests_per_minute=9))
    registry.register(
        ProviderConnector("acme.priced.v1", Priced, models=lambda: [known], free_tier=lambda: tier, default_name="a")
    )
    both(upstream, A, lambda: listing("one", input=next(rows)))
    settings = config("a.one", discovery={"sync": {"on_repriced_model": on_repriced_model}})
    settings["providers"]["a"] |= {"connector": "acme.priced.v1", "free_tier": free_tier}
    settings["models"] = {"a.one": {"pricing": {"input": 1, "output": 2}}} if stated else {}
    with ModelMesh(settings, registry=registry, environ={}, make_transport=upstream.make_transport) as mesh:
        service, seen = RegistrySync(mesh), []
        for _ in prices:
            told = [changes.repriced["a.one"]["input"] for changes in mesh.background.run(service.round())]
            seen.append((told, int(mesh.engine.models.get_model("a.one").pricing.input)))
    return seen


def test_a_price_that_differs_is_told_once(upstream):
    assert priced(upstream, [1, 3, 3, 1, 3], "notify") == [([], 1), (["3"], 1), ([], 1), ([], 1), (["3"], 1)]


def test_a_price_that_differs_is_taken_over(upstream):
    assert priced(upstream, [3, 3, 1], "update") == [(["3"], 3), ([], 3), (["1"], 1)]


def test_a_price_of_ones_own_stays(upstream):
    assert priced(upstream, [3, 3], "update", stated=True) == [(["3"], 1), ([], 1)]


def test_what_a_free_tier_gives_for_nothing_stays_so(upstream):
    assert priced(upstream, [1, 3], "update", free_tier=True) == [([], 0), ([], 0)]


def broken(mesh, monkeypatch, method):
    """Of the providers, ``a`` has a bug in ``method``."""

    async def fails(remaining=0.0):
        raise RuntimeError("a bug")

    monkeypatch.setattr(mesh.engine.providers["a"], method, fails)


def test_a_connector_with_a_bug_does_not_keep_the_others_from_being_listed(make_mesh, upstream, monkeypatch, caplog):
    both(upstream, B, lambda: listing("two", "three"))
    mesh = make_mesh(config("a.one", "b.two"))
    broken(mesh, monkeypatch, "get_models")
    [changes] = mesh.background.run(RegistrySync(mesh).round())
    assert changes.new == ("b.three",)
    assert "the models of provider a could not be listed" in caplog.text


# --- whether they are there ------------------------------------------------------------------------------------------


def watched(make_mesh, upstream, **health):
    mesh = make_mesh(
        config("a.one", "b.two", discovery={"health": {"enabled": False, "failure_threshold": 2, **health}})
    )
    monitor = HealthMonitor(mesh)

    def look():
        upstream.requests.clear()
        mesh.background.run(monitor.round())
        return [(request.method, request.url.partition("//")[2][0]) for request in upstream.requests]

    return mesh, look


def test_a_provider_that_fails_is_left_out_and_comes_back(make_mesh, upstream):
    both(upstream, A, lambda: answers.error(503))
    both(upstream, B, lambda: listing("two"))
    mesh, look = watched(make_mesh, upstream)
    events = heard(mesh, "provider_health_changed")
    assert sorted(look()) == [("GET", "a"), ("GET", "b")]
    assert mesh.pool_status()["chat"][0].status.value == "active", "once is not enough"
    look()
    assert mesh.pool_status()["chat"][0].status.value == "standby"
    assert ask(mesh).modelmesh.model == "b.two"
    both(upstream, A, lambda: listing("one"))
    look()
    assert mesh.pool_status()["chat"][0].status.value == "active"
    eventually(lambda: [(e.data["provider"], e.data["healthy"]) for e in events] == [("a", False), ("a", True)])


def test_who_was_asked_by_real_traffic_is_not_called(make_mesh, upstream):
    both(upstream, A, lambda: listing("one"))
    both(upstream, B, lambda: listing("two"))
    mesh, look = watched(make_mesh, upstream, interval="60s")
    ask(mesh)
    assert look() == [("GET", "b")]
    upstream.clock.advance(61)
    assert sorted(look()) == [("GET", "a"), ("GET", "b")]


def test_a_refused_key_is_noticed_before_anybody_needs_it(make_mesh, upstream):
    both(upstream, A, lambda: answers.error(401))
    both(upstream, B, lambda: answers.error(401))
    mesh, look = watched(make_mesh, upstream, failure_threshold=1, providers=["a"])
    assert look() == [("GET", "a")], "b is not to be watched"
    snapshot = mesh.pool_status()["chat"][0]
    assert (snapshot.status.value, snapshot.deactivation_reason.value) == ("standby", "auth")


def test_a_connector_with_a_bug_does_not_keep_the_others_from_being_watched(make_mesh, upstream, monkeypatch, caplog):
    both(upstream, B, lambda: answers.error(503))
    mesh, look = watched(make_mesh, upstream, failure_threshold=1)
    broken(mesh, monkeypatch, "get_health")
    assert look() == [("GET", "b")]
    assert [snapshot.status.value for snapshot in mesh.pool_status()["chat"]] == ["active", "standby"]
    assert "the health check of provider a could not be made" in caplog.text


# --- as services -----------------------------------------------------------------------------------------------------


def test_nobody_is_called_unless_it_is_switched_on(make_mesh, upstream):
    both(upstream, A, lambda: listing("one"))
    mesh = make_mesh(config("a.one"))
    time.sleep(0.1)  # the background loop has had its chance
    mesh.shutdown()
    assert upstream.requests == []


def test_services_run_in_the_background_and_follow_a_reload(make_mesh, upstream):
    both(upstream, A, lambda: listing("one", "two"))
    settings = config("a.one", discovery={"sync": {"enabled": True, "interval": "50ms"}})
    mesh = make_mesh(settings)
    eventually(lambda: "a.two" in mesh.engine.pools["chat"].members)
    mesh.reload_config(config("a.one"))
    assert "a.two" not in mesh.engine.pools["chat"].members
    asked = len(upstream.requests)
    time.sleep(0.2)  # several intervals
    assert len(upstream.requests) == asked


def test_a_service_of_ones_own_is_started_again_when_it_fails(upstream):
    runs = []

    class Fragile(DiscoveryService):
        async def run(self):
            runs.append(1)
            if len(runs) < 3:
                raise RuntimeError("a bug")
            await asyncio.sleep(3600)

    registry = ConnectorRegistry()
    registry.register(DiscoveryConnector("acme.watcher.v1", lambda options, mesh: Fragile()))
    section = {"enabled": True, "interval": "10ms", "connector": "acme.watcher.v1"}
    settings = config("a.one", discovery={"health": section})
    with ModelMesh(settings, registry=registry, environ={}, make_transport=upstream.make_transport):
        eventually(lambda: len(runs) == 3)
