"""The eight selection strategies, seen from outside."""

from collections import Counter

import pytest
from meshes import ask, config
from modelmesh_core import NoActiveModelError
from modelmesh_core.testing import FakeUpstream, answers

IDS = ("a.one", "b.two", "c.three")


@pytest.fixture
def mesh_with(make_mesh, upstream: FakeUpstream):
    def make(strategy=None, settings=None, **pool):
        for name in "abc":
            upstream.script(f"https://{name}.test/v1", [answers.chat(name)])
        chosen = {"strategy": strategy} if strategy else {}
        base = config(*IDS, pool={**chosen, **pool})
        for model, more in (settings or {}).items():
            base["models"][model].update(more)
        return make_mesh(base)

    return make


def served(mesh, times, **parameters):
    return [ask(mesh, **parameters).modelmesh.model for _ in range(times)]


def rest(mesh, model):
    mesh.get_router().get_pool("chat").deactivate(model)


def back(mesh, model):
    mesh.get_router().get_pool("chat").recover(model)


def test_stick_until_failure_is_the_default_and_a_recovered_favourite_does_not_take_traffic_back(mesh_with):
    mesh = mesh_with()
    assert served(mesh, 3) == ["a.one"] * 3
    rest(mesh, "a.one")
    assert served(mesh, 2) == ["b.two"] * 2
    back(mesh, "a.one")
    assert served(mesh, 2) == ["b.two"] * 2
    rest(mesh, "b.two")
    assert served(mesh, 2) == ["c.three"] * 2


def test_priority_selection_returns_to_a_recovered_favourite_at_once(mesh_with):
    mesh = mesh_with("priority-selection", model_priority=["c.three"], provider_priority=["b"])
    assert served(mesh, 2) == ["c.three"] * 2
    rest(mesh, "c.three")
    assert served(mesh, 2) == ["b.two"] * 2
    rest(mesh, "b.two")
    assert served(mesh, 1) == ["a.one"]
    back(mesh, "c.three")
    assert served(mesh, 1) == ["c.three"]


def test_priority_selection_with_fallback_error_refuses_the_rest(mesh_with):
    mesh = mesh_with("priority-selection", model_priority=["c.three"], fallback_strategy="error")
    rest(mesh, "c.three")
    with pytest.raises(NoActiveModelError):
        ask(mesh)


def test_priority_selection_with_a_fallback_strategy_asks_it(mesh_with):
    mesh = mesh_with("priority-selection", model_priority=["c.three"], fallback_strategy="round-robin")
    rest(mesh, "c.three")
    assert served(mesh, 4) == ["a.one", "b.two", "a.one", "b.two"]


def test_round_robin_takes_turns_and_skips_who_rests(mesh_with):
    mesh = mesh_with("round-robin")
    assert served(mesh, 4) == ["a.one", "b.two", "c.three", "a.one"]
    rest(mesh, "b.two")
    assert served(mesh, 3) == ["c.three", "a.one", "c.three"]


def test_cost_first_prices_this_request(mesh_with):
    prices = {
        "a.one": {"pricing": {"input": 1, "output": 100}},
        "b.two": {"pricing": {"input": 10, "output": 1}},
    }
    mesh = mesh_with("cost-first", prices)
    assert served(mesh, 1, text="short", max_tokens=500) == ["b.two"]
    assert served(mesh, 1, text="long " * 4000, max_tokens=1) == ["a.one"]
    rest(mesh, "a.one")
    rest(mesh, "b.two")
    assert served(mesh, 1) == ["c.three"]


def test_latency_first_prefers_the_fast_and_explores_a_little(mesh_with, upstream):
    mesh = mesh_with("latency-first")
    for model, seconds in (("a.one", 3.0), ("b.two", 0.2), ("c.three", 1.0)):
        name = model[0]
        upstream.script(f"https://{name}.test/v1", [answers.chat(name, seconds=seconds)])
        for _ in range(3):
            ask(mesh, model)
    counts = Counter(served(mesh, 200))
    assert counts["b.two"] > 180
    assert counts["a.one"] + counts["c.three"] > 0


def test_a_session_keeps_its_model_and_replicas_agree(mesh_with):
    first, second = mesh_with("session-stickiness"), mesh_with("session-stickiness")
    sessions = [f"session-{number}" for number in range(30)]
    owners = {s: served(first, 1, session_id=s)[0] for s in sessions}
    assert len(set(owners.values())) == 3
    assert {s: served(second, 1, session_id=s)[0] for s in sessions} == owners
    lost = next(s for s in sessions if owners[s] == "b.two")
    rest(first, "b.two")
    assert served(first, 1, session_id=lost)[0] != "b.two"
    kept = [s for s in sessions if owners[s] != "b.two"]
    assert {s: served(first, 1, session_id=s)[0] for s in kept} == {s: owners[s] for s in kept}


def test_strict_affinity_refuses_when_the_sessions_model_rests(mesh_with):
    mesh = mesh_with("session-stickiness", affinity_mode="strict")
    owner = served(mesh, 1, session_id="s")[0]
    rest(mesh, owner)
    with pytest.raises(NoActiveModelError, match="session"):
        ask(mesh, session_id="s")


def test_rate_limit_aware_leaves_a_model_at_the_threshold(mesh_with):
    limits = {"a.one": {"limits": {"requests_per_minute": 10}}, "b.two": {"limits": {"requests_per_minute": 10}}}
    mesh = mesh_with("rate-limit-aware", limits, rate_limit={"threshold": 0.5})
    assert Counter(served(mesh, 12)) == {"a.one": 5, "b.two": 5, "c.three": 2}


def test_rate_limit_aware_delays_when_asked_to(mesh_with, upstream):
    mesh = mesh_with("rate-limit-aware", rate_limit={"min_delta": "2s", "on_throttle": "delay_request"})
    assert served(mesh, 3) == ["a.one"] * 3
    assert upstream.clock.slept == [2.0, 2.0]


def test_load_balanced_follows_the_weights(mesh_with):
    mesh = mesh_with("load-balanced", model_weights={"a.one": 6, "b.two": 3, "c.three": 1})
    counts = Counter(served(mesh, 500))
    assert 250 < counts["a.one"] < 350
    assert 100 < counts["b.two"] < 200
    assert 20 < counts["c.three"] < 90


def test_load_balanced_by_what_is_left(mesh_with):
    limits = {
        "a.one": {"limits": {"requests_per_day": 10_000}},
        "b.two": {"limits": {"requests_per_day": 100}},
        "c.three": {"limits": {"requests_per_day": 100}},
    }
    counts = Counter(served(mesh_with("load-balanced", limits, balance_mode="absolute"), 200))
    assert counts["a.one"] > 180


def test_a_selector_scores_every_candidate(mesh_with, make_mesh, upstream):
    from modelmesh_core import ConnectorRegistry, hookimpl

    class LastInAlphabet:
        @hookimpl
        def score_model(self, context, candidate):
            return ord(candidate.id[0])

    registry = ConnectorRegistry()
    registry.register(LastInAlphabet, id="acme.last.v1")
    upstream.script("https://c.test/v1", [answers.chat("c")])
    mesh = make_mesh(config(*IDS, pool={"selector": "acme.last.v1"}), registry=registry)
    assert served(mesh, 2) == ["c.three"] * 2


def test_the_same_seed_chooses_the_same(make_mesh, upstream):
    from random import Random

    for name in "abc":
        upstream.script(f"https://{name}.test/v1", [answers.chat(name)])
    first = make_mesh(config(*IDS, pool={"strategy": "load-balanced"}), random=Random(3))
    second = make_mesh(config(*IDS, pool={"strategy": "load-balanced"}), random=Random(3))
    assert served(first, 20) == served(second, 20)
