"""Limits and budgets of providers, pools, models and keys, seen from a caller."""

import pytest
from meshes import ask, config
from modelmesh_core import (
    AccountLimits,
    BudgetExceededError,
    KeyLimitError,
    KeyLimits,
    NoActiveModelError,
    Operation,
    Request,
    WindowLimit,
)
from modelmesh_core.testing import answers

A, B, C = "https://a.test/v1", "https://b.test/v1", "https://c.test/v1"
PRICE = {"input": 1_000_000, "output": 1_000_000}
"""One USD a token."""


def served_by(mesh, times, **parameters):
    return [ask(mesh, **parameters).modelmesh.model for _ in range(times)]


def priced(*ids, pool=None, price=PRICE, **more):
    settings = config(*ids, pool=pool, **more)
    for model in settings["models"].values():
        model["pricing"] = dict(price)
    return settings


def test_three_free_tiers_serve_what_they_have_and_no_more(make_mesh, upstream):
    for url in (A, B, C):
        upstream.script(url, [answers.chat("ok")])
    settings = config("a.one", "b.two", "c.three")
    for name, limit in (("a", 5), ("b", 7), ("c", 11)):
        settings["providers"][name]["quota"] = {"requests_per_day": limit, "timezone": "America/Los_Angeles"}
    mesh = make_mesh(settings)
    assert served_by(mesh, 23) == ["a.one"] * 5 + ["b.two"] * 7 + ["c.three"] * 11
    with pytest.raises(NoActiveModelError) as refused:
        ask(mesh)
    wait = refused.value.retry_after
    assert refused.value.status_code == 429
    assert 0 < wait <= 25 * 3600
    assert (upstream.clock.now() + wait - 8 * 3600) % 86400 == 0, "midnight in Los Angeles, in winter"
    assert sum(len(upstream.requests_to(url)) for url in (A, B, C)) == 23
    upstream.clock.advance(wait)
    assert served_by(mesh, 6) == ["a.one"] * 5 + ["b.two"]


def test_a_provider_quota_counts_all_its_models(make_mesh, upstream):
    upstream.script(A, [answers.chat("a")])
    upstream.script(B, [answers.chat("b")])
    settings = config("a.one", "a.two", "b.three", pool={"strategy": "round-robin"})
    settings["providers"]["a"]["quota"] = {"requests_per_minute": 2}
    mesh = make_mesh(settings)
    assert sorted(served_by(mesh, 5)) == ["a.one", "a.two", "b.three", "b.three", "b.three"]


def test_a_budget_rotates_to_what_is_free(make_mesh, upstream):
    upstream.script(A, [answers.chat("a", tokens=(40, 10))])
    upstream.script(B, [answers.chat("b")])
    settings = priced("a.one", "b.free", pool={"budget": {"daily_limit": 120}})
    settings["models"]["b.free"]["pricing"] = {"input": 0, "output": 0}
    mesh = make_mesh(settings)
    assert served_by(mesh, 4, max_tokens=20) == ["a.one", "a.one", "b.free", "b.free"]
    upstream.clock.advance(86400)
    assert served_by(mesh, 1, max_tokens=20) == ["a.one"]


def test_a_budget_can_end_the_request(make_mesh, upstream):
    upstream.script(A, [answers.chat("a", tokens=(40, 10))])
    upstream.script(B, [answers.chat("b")])
    settings = priced("a.one", "b.two", pool={"budget": {"daily_limit": 60}, "on_budget_exceeded": "error"})
    mesh = make_mesh(settings)
    ask(mesh, max_tokens=20)
    with pytest.raises(BudgetExceededError, match="budget of 60 USD per day of pool:chat/budget") as refused:
        ask(mesh, max_tokens=20)
    assert refused.value.retry_after > 0
    assert upstream.requests_to(B) == []


def test_one_dear_request_is_refused_by_a_limit_on_each(make_mesh, upstream):
    upstream.script(A, [answers.chat("a", tokens=(10, 10))])
    settings = priced("a.one")
    settings["models"]["a.one"]["budget"] = {"per_request_limit": 40}
    mesh = make_mesh(settings)
    assert served_by(mesh, 1, max_tokens=20) == ["a.one"]
    with pytest.raises(NoActiveModelError, match="budget of 40 USD per request"):
        ask(mesh, max_tokens=90)


def test_an_alert_fires_once_in_each_day(make_mesh, upstream):
    upstream.script(A, [answers.chat("a", tokens=(40, 10))])
    settings = priced("a.one")
    settings["providers"]["a"]["budget"] = {"daily_limit": 1000, "alert_threshold": 0.1}
    mesh, alerts = make_mesh(settings), []
    mesh.subscribe(alerts.append, "budget_alert")
    for _ in range(2):
        served_by(mesh, 5, max_tokens=20)
        upstream.clock.advance(86400)
    mesh.shutdown()
    assert [(a.data["account"], a.data["window"], a.data["spent"]) for a in alerts] == [
        ("provider:a/budget", "day", "100")
    ] * 2


def test_fifty_requests_in_flight_do_not_pass_a_budget(make_mesh, upstream):
    upstream.script(A, [answers.chat("a", tokens=(4, 6))])
    mesh = make_mesh(priced("a.one", pool={"budget": {"monthly_limit": 505}}))
    router = mesh.get_router()
    body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 8}
    requests = [Request(Operation.CHAT, "chat", dict(body)) for _ in range(80)]
    outcomes = mesh.background.run(router.batch(requests, concurrency=50))
    served = [outcome for outcome in outcomes if not isinstance(outcome, Exception)]
    spent = sum(outcome.record.answered_by.cost for outcome in served)
    assert 490 <= spent <= 505


def test_a_key_has_limits_of_its_own(make_mesh, upstream):
    upstream.script(A, [answers.chat("a", tokens=(4, 6))])
    upstream.script(B, [answers.chat("b")])
    settings = priced("a.one", "b.free")
    settings["models"]["b.free"]["pricing"] = {"input": 0, "output": 0}
    mesh = make_mesh(settings)
    limits = KeyLimits(
        quota=AccountLimits((WindowLimit("day", requests=3),)), budget=AccountLimits((WindowLimit("day", cost=25),))
    )

    def send(key):
        body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 6}
        request = Request(Operation.CHAT, "chat", body, key=key, key_limits=limits)
        return mesh.background.run(mesh.get_router().complete(request)).record.answered_by.model

    assert [send("ann"), send("ann"), send("ann")] == ["a.one", "a.one", "b.free"], "the budget of 25 is used up first"
    with pytest.raises(KeyLimitError, match="the key 'ann' would pass its limit of 3 requests per day") as refused:
        send("ann")
    assert refused.value.status_code == 429
    assert send("bob") == "a.one"


def test_the_providers_own_count_is_believed(make_mesh, upstream):
    headers = {"x-ratelimit-limit-requests": "100", "x-ratelimit-remaining-requests": "1"}
    upstream.script(A, [answers.chat("a", **headers)])
    upstream.script(B, [answers.chat("b")])
    settings = config("a.one", "b.two")
    settings["providers"]["a"]["quota"] = {"requests_per_day": 100}
    mesh = make_mesh(settings)
    assert served_by(mesh, 3) == ["a.one", "a.one", "b.two"], "others use the same key: one was left"


def test_what_was_never_sent_was_never_used(make_mesh, upstream):
    upstream.script(A, [answers.reset()])
    upstream.script(B, [answers.chat("b")])
    settings = config("a.one", "b.two", pool={"retry": {"max_attempts": 1}})
    settings["providers"]["b"]["quota"] = {"requests_per_day": 2}
    mesh = make_mesh(settings)
    assert served_by(mesh, 2) == ["b.two", "b.two"]
    rows = {(row.account, row.measure): (row.used, row.left) for row in mesh.quota()}
    assert rows == {("provider:b", "requests"): (2, 0)}


def test_a_quota_says_when_it_will_run_dry(make_mesh, upstream):
    upstream.script(A, [answers.chat("a")])
    settings = config("a.one")
    settings["providers"]["a"]["quota"] = {"requests_per_day": 100}
    mesh = make_mesh(settings)
    midnight = upstream.clock.now() // 86400 * 86400 + 86400
    upstream.clock.advance(midnight + 6 * 3600 - upstream.clock.now())
    served_by(mesh, 50)
    (row,) = mesh.quota()
    assert (row.used, row.limit, row.left, row.resets_at) == (50, 100, 50, midnight + 86400)
    assert row.runs_dry_at == midnight + 12 * 3600


def test_a_free_tier_without_known_limits_is_a_mistake(make_mesh):
    settings = config("a.one")
    settings["providers"]["a"]["free_tier"] = True
    with pytest.raises(Exception, match=r"providers\.a\.free_tier: no limits of a free tier .* are known"):
        make_mesh(settings)


def test_how_far_the_estimates_were_off_is_told(make_mesh, upstream):
    upstream.script(A, [answers.chat("a", tokens=(10, 30))])
    settings = config("a.one")
    settings["providers"]["a"]["quota"] = {"tokens_per_day": 10_000}
    mesh = make_mesh(settings)
    for _ in range(2):
        ask(mesh, max_tokens=100)
    estimates = mesh.estimate_error()
    assert (estimates.settled, estimates.used_tokens) == (2, 80)
    assert estimates.missed_tokens == estimates.estimated_tokens - 80 > 0
