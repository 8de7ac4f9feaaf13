"""Standby and return, by reason, on a fake clock."""

import pytest
from meshes import ask, config
from modelmesh_core import AllProvidersExhaustedError, NoActiveModelError
from modelmesh_core.testing import FakeUpstream, answers

A, B = "https://a.test/v1", "https://b.test/v1"
ONE_TRY = {"retry": {"max_attempts": 1}}


def standing(mesh, model="a.one", pool="chat"):
    return next(s for s in mesh.pool_status()[pool] if s.model == model)


def reason(mesh, model="a.one"):
    snapshot = standing(mesh, model)
    return snapshot.deactivation_reason.value if snapshot.deactivation_reason else None


def fail_until_standby(mesh, upstream, times=3):
    upstream.script(A, [answers.error(500)])
    for _ in range(times):
        ask(mesh)


@pytest.fixture
def pair(make_mesh, upstream: FakeUpstream):
    """a.one fails when told to, b.two always answers; a is preferred whenever it is active."""

    def make(**pool):
        upstream.script(A, [answers.chat("from a")])
        upstream.script(B, [answers.chat("from b")])
        preferred = {"strategy": "priority-selection", "model_priority": ["a.one"]}
        return make_mesh(config("a.one", "b.two", pool={**ONE_TRY, **preferred, **pool}))

    return make


def test_three_consecutive_failures_put_a_model_on_standby(pair, upstream):
    mesh = pair()
    fail_until_standby(mesh, upstream, 2)
    assert standing(mesh).status.value == "active"
    ask(mesh)
    assert standing(mesh).status.value == "standby"
    assert reason(mesh) == "error"
    calls = len(upstream.requests_to(A))
    ask(mesh)
    assert len(upstream.requests_to(A)) == calls


def test_after_the_cooldown_one_probe_goes_through_and_success_brings_it_back(pair, upstream):
    mesh = pair()
    fail_until_standby(mesh, upstream)
    upstream.script(A, [answers.chat("well again")])
    upstream.clock.advance(59)
    assert ask(mesh).modelmesh.model == "b.two"
    upstream.clock.advance(2)
    assert standing(mesh).status.value == "half-open"
    assert ask(mesh).modelmesh.model == "a.one"
    assert standing(mesh).status.value == "active"
    assert standing(mesh).consecutive_failures == 0


def test_a_failed_probe_doubles_the_cooldown_up_to_the_ceiling(pair, upstream):
    mesh = pair(recovery={"cooldown": "60s", "max_cooldown": "200s"})
    fail_until_standby(mesh, upstream)
    waits = []
    for _ in range(5):
        wait = standing(mesh).until - upstream.clock.now()
        waits.append(round(wait))
        upstream.clock.advance(wait + 1)
        assert ask(mesh).modelmesh.model == "b.two"
    assert waits == [60, 120, 200, 200, 200]


def test_during_an_outage_the_primary_sees_a_handful_of_probes(pair, upstream):
    mesh = pair()
    fail_until_standby(mesh, upstream)
    before = len(upstream.requests_to(A))
    for _ in range(600):
        upstream.clock.advance(1)
        ask(mesh)
    assert len(upstream.requests_to(A)) - before <= 4


def test_a_rate_limit_ends_at_the_providers_own_reset(pair, upstream):
    mesh = pair()
    upstream.script(A, [answers.error(429, retry_after="42"), answers.chat("back")])
    ask(mesh)
    assert reason(mesh) == "rate limit"
    assert standing(mesh).until == pytest.approx(upstream.clock.now() + 42)
    upstream.clock.advance(43)
    assert standing(mesh).status.value == "active"
    assert ask(mesh).modelmesh.model == "a.one"


def test_a_later_shorter_deadline_never_shortens_a_longer_one(pair, upstream):
    mesh = pair()
    pool = mesh.get_router().get_pool("chat")
    upstream.script(A, [answers.error(429, retry_after="3000")])
    ask(mesh)
    until = standing(mesh).until
    member = pool.members["a.one"]
    from modelmesh_core import Deactivation, Reason

    pool.put_on_standby(member, Deactivation(Reason.RATE_LIMIT, upstream.clock.now() + 5), upstream.clock.now())
    assert standing(mesh).until == until


def test_a_request_limit_returns_with_its_window(pair, upstream):
    mesh = pair(deactivation={"request_limit": 2, "quota_window": "hour"})
    upstream.clock.advance(3600 - upstream.clock.now() % 3600)
    assert [ask(mesh).modelmesh.model for _ in range(3)] == ["a.one", "a.one", "b.two"]
    assert reason(mesh) == "request"
    upstream.clock.advance(3601)
    assert ask(mesh).modelmesh.model == "a.one"


def test_a_token_limit_counts_what_was_really_used(pair, upstream):
    mesh = pair(deactivation={"token_limit": 600})
    upstream.script(A, [answers.chat("long", tokens=(310, 295))])
    ask(mesh)
    assert reason(mesh) == "token"


def test_a_budget_limit_stops_a_priced_model_and_never_a_free_one(make_mesh, upstream):
    upstream.script(A, [answers.chat("a", tokens=(1_000_000, 0))])
    upstream.script(B, [answers.chat("b", tokens=(1_000_000, 0))])
    settings = config("a.one", "b.two", pool={"deactivation": {"budget_limit": 3}})
    settings["models"]["a.one"]["pricing"] = {"input": 2, "output": 8}
    settings["models"]["b.two"]["pricing"] = {"input": 0, "output": 0}
    mesh = make_mesh(settings)
    assert [ask(mesh).modelmesh.model for _ in range(5)] == ["a.one", "a.one", "b.two", "b.two", "b.two"]
    assert reason(mesh) == "budget"


def test_a_providers_quota_waits_for_the_day_to_end(pair, upstream):
    mesh = pair()
    upstream.script(A, [answers.error(429, code="insufficient_quota", type="insufficient_quota")])
    ask(mesh)
    assert reason(mesh) == "quota"
    assert standing(mesh).until % 86400 == 0


def test_a_bad_key_puts_all_the_providers_models_on_standby_in_every_pool(make_mesh, upstream):
    upstream.script(A, [answers.error(401, "bad key")])
    upstream.script(B, [answers.chat("from b")])
    settings = config("a.one", "a.two", "b.three")
    settings["pools"]["second"] = {"models": ["a.two", "b.three"]}
    mesh = make_mesh(settings)
    ask(mesh)
    for pool, model in (("chat", "a.one"), ("chat", "a.two"), ("second", "a.two")):
        assert standing(mesh, model, pool).deactivation_reason.value == "auth"
    assert standing(mesh, "b.three").status.value == "active"
    assert len(upstream.requests_to(A)) == 1

    upstream.script(A, [answers.chat("new key works")])
    upstream.clock.advance(61)
    ask(mesh, "a.one")
    for pool, model in (("chat", "a.one"), ("chat", "a.two"), ("second", "a.two")):
        assert standing(mesh, model, pool).status.value == "active"


def test_one_probe_speaks_for_the_whole_account(make_mesh, upstream):
    upstream.script(A, [answers.error(401, "bad key")])
    upstream.script(B, [answers.chat("from b")])
    ids = [f"a.m{number}" for number in range(10)]
    mesh = make_mesh(config(*ids, "b.x", pool={"strategy": "priority-selection", "provider_priority": ["a"]}))
    for _ in range(600):
        ask(mesh)
        upstream.clock.advance(1)
    assert len(upstream.requests_to(A)) <= 5
    stats = mesh.stats()
    assert stats["provider"]["a"]["failed"] == len(upstream.requests_to(A))
    upstream.script(A, [answers.chat("new key")])
    upstream.clock.advance(900)
    assert ask(mesh).modelmesh.model == "a.m0"
    assert {s.status.value for s in mesh.pool_status()["chat"]} == {"active"}
    mesh.get_observability().emitter.deliver()
    assert mesh.stats()["model"]["a.m0"]["downtime"] > 600


def test_an_outage_puts_the_whole_provider_aside_where_the_pool_asks_for_it(make_mesh, upstream):
    upstream.script(A, [answers.error(503)])
    upstream.script(B, [answers.chat("from b")])
    mesh = make_mesh(
        config("a.one", "a.two", "a.three", "b.four", pool={"provider_deactivation": ["on_api_outage"], **ONE_TRY})
    )
    ask(mesh)  # two of its models fail, and the third is put last
    ask(mesh)
    assert {s.status.value for s in mesh.pool_status()["chat"] if s.provider == "a"} == {"standby"}


def test_an_account_of_many_models_does_not_use_up_the_rotations(make_mesh, upstream):
    upstream.script(A, [answers.error(500)])
    upstream.script(B, [answers.chat("from b")])
    reply = ask(make_mesh(config(*[f"a.m{number}" for number in range(9)], "b.x", pool=ONE_TRY)))
    assert [attempt.model for attempt in reply.modelmesh.attempts] == ["a.m0", "a.m1", "b.x"]


def test_one_successful_probe_ends_an_outage_for_all_of_the_providers_models(make_mesh, upstream):
    upstream.script(A, [answers.error(503)])
    upstream.script(B, [answers.chat("from b")])
    mesh = make_mesh(
        config("a.one", "a.two", "a.three", "b.x", pool={"strategy": "priority-selection", "provider_priority": ["a"]})
    )
    ask(mesh)
    assert {s.status.value for s in mesh.pool_status()["chat"] if s.provider == "a"} == {"standby"}
    upstream.script(A, [answers.chat("back")])
    upstream.clock.advance(61)
    assert ask(mesh).modelmesh.model == "a.one"
    assert {s.status.value for s in mesh.pool_status()["chat"]} == {"active"}
    assert mesh.engine.providers["a"].is_available()


def test_by_hand_a_model_leaves_and_only_by_hand_it_returns(pair, upstream):
    mesh = pair()
    pool = mesh.get_router().get_pool("chat")
    pool.deactivate("a.one", "being replaced")
    upstream.clock.advance(10 * 86400)
    assert ask(mesh).modelmesh.model == "b.two"
    assert reason(mesh) == "manual"
    pool.recover("a.one")
    assert ask(mesh).modelmesh.model == "a.one"


def test_maintenance_begins_and_ends_by_the_calendar(pair, upstream):
    window = {"cron": "0 3 * * *", "duration": "1h", "timezone": "Europe/Berlin"}
    mesh = pair(deactivation={"maintenance_window": window})
    from datetime import datetime
    from zoneinfo import ZoneInfo

    three = datetime(2024, 1, 15, 3, 0, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()
    upstream.clock.advance(three - 60 - upstream.clock.now())
    assert ask(mesh).modelmesh.model == "a.one"
    upstream.clock.advance(120)
    with pytest.raises(NoActiveModelError) as caught:
        ask(mesh)
    assert reason(mesh) == "maintenance"
    assert 0 < caught.value.retry_after <= 3600
    upstream.clock.advance(3600)
    assert ask(mesh).modelmesh.model == "a.one"


def test_the_error_rate_counts_over_its_window(make_mesh, upstream):
    upstream.script(A, [answers.error(500), answers.chat("ok")] * 40)
    upstream.script(B, [answers.chat("b")])
    pool = {
        **ONE_TRY,
        "strategy": "priority-selection",
        "model_priority": ["a.one"],
        "deactivation": {"retry_limit": None, "error_rate_threshold": 0.5, "min_samples": 10},
    }
    mesh = make_mesh(config("a.one", "b.two", pool=pool))
    for _ in range(8):
        ask(mesh)
    assert standing(mesh).status.value == "active"
    for _ in range(3):
        ask(mesh)
    assert reason(mesh) == "error"


def test_nobody_left_says_when_somebody_returns(make_mesh, upstream):
    upstream.script(A, [answers.error(429, retry_after="120")])
    mesh = make_mesh(config("a.one"))
    with pytest.raises(AllProvidersExhaustedError) as first:
        ask(mesh)
    assert first.value.status_code == 429
    with pytest.raises(NoActiveModelError) as second:
        ask(mesh)
    assert second.value.retry_after == pytest.approx(120)
    assert "rate limit" in str(second.value)


def test_events_tell_of_leaving_and_returning(pair, upstream):
    mesh = pair()
    heard = []
    mesh.subscribe(heard.append)
    fail_until_standby(mesh, upstream)
    upstream.script(A, [answers.chat("well")])
    upstream.clock.advance(61)
    ask(mesh)
    mesh.shutdown()
    names = [event.name for event in heard if event.data.get("pool") == "chat"]
    assert names.count("model_deactivated") == 1
    assert names.count("model_activated") == 1
    assert "model_rotated" in names


def test_a_plugin_judges_a_model_after_each_attempt_successes_included(make_mesh, upstream):
    from modelmesh_core import ConnectorRegistry, Deactivation, Reason, hookimpl

    class SlowModelsRest:
        @hookimpl
        def evaluate_deactivation(self, snapshot, settings, failed, now):
            slow = (snapshot.latency_p95 or 0) > 30
            return Deactivation(Reason.ERROR, until=now + 60, detail="p95 above 30 s") if slow else None

    upstream.script(A, [answers.chat("at last", seconds=31)])
    upstream.script(B, [answers.chat("b")])
    registry = ConnectorRegistry()
    registry.register(SlowModelsRest, id="acme.slow.v1")
    mesh = make_mesh(config("a.one", "b.two", connectors={"plugins": ["acme.slow.v1"]}), registry=registry)
    assert ask(mesh).modelmesh.model == "a.one"
    assert reason(mesh) == "error"
    assert ask(mesh).modelmesh.model == "b.two"
