"""Free tiers as the catalogues know them: switched on, chained, and reset where the vendor's day begins."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from meshes import ask
from modelmesh_core import ConfigurationError, ConnectorRegistry, NoActiveModelError, ProviderConnector
from modelmesh_core.testing import answers

CHAIN = {
    "providers": {
        name: {"connector": f"{name}.api.v1", "api_key": "k", "base_url": f"https://{name}.test/v1", "free_tier": True}
        for name in ("groq", "cerebras", "mistral")
    },
    "pools": {
        "chat": {"models": ["groq.llama-3.3-70b-versatile", "cerebras.gpt-oss-120b", "mistral.mistral-small-2603"]}
    },
}


@pytest.fixture
def chain(make_mesh, upstream):
    for name in ("groq", "cerebras", "mistral"):
        upstream.script(f"https://{name}.test/v1", [answers.chat(name, tokens=(5, 5))])
    upstream.clock.advance(60 - upstream.clock.now() % 60)
    return make_mesh(CHAIN)


def served(mesh, times):
    """Provider → how many of ``times`` requests it answered."""
    found: dict[str, int] = {}
    for _ in range(times):
        try:
            provider = ask(mesh, max_tokens=10).modelmesh.provider
        except NoActiveModelError:
            provider = "nobody"
        found[provider] = found.get(provider, 0) + 1
    return found


def test_three_published_free_tiers_make_one_chain(chain, upstream):
    in_a_minute = {"groq": 30, "cerebras": 5, "mistral": 60}
    assert served(chain, 100) == {**in_a_minute, "nobody": 5}
    with pytest.raises(NoActiveModelError) as refused:
        ask(chain)
    assert refused.value.retry_after == pytest.approx(60, abs=1)
    upstream.clock.advance(60)
    assert served(chain, 96) == {**in_a_minute, "nobody": 1}


def test_what_a_day_allows_is_kept_across_minutes(chain, upstream):
    for _ in range(40):
        upstream.clock.advance(60)
        served(chain, 30)
    usage = {(u.account, u.window, u.measure): u for u in chain.quota()}
    day = usage["model:groq.llama-3.3-70b-versatile", "day", "requests"]
    assert (day.used, day.limit) == (1000, 1000), "after 33 minutes and a third"


def test_models_of_a_free_tier_cost_nothing(chain):
    assert chain.engine.models.get_model("groq.llama-3.3-70b-versatile").pricing.is_free
    assert not chain.engine.models.get_model("groq.qwen/qwen3.8-27b").pricing.is_free, "it is no part of it"


def test_a_day_ends_at_midnight_where_the_vendor_is(make_mesh, upstream):
    mesh = make_mesh({"providers": {"google": {"connector": "google.gemini.v1", "api_key": "k", "free_tier": True}}})
    day = next(usage for usage in mesh.quota() if usage.account.endswith("gemini-2.5-flash") and usage.window == "day")
    midnight = datetime.fromtimestamp(day.resets_at, ZoneInfo("America/Los_Angeles"))
    assert (midnight.hour, midnight.minute, day.limit) == (0, 0, 250)


def test_a_trial_key_is_limited_by_model_and_over_all(make_mesh, upstream):
    mesh = make_mesh({"providers": {"cohere": {"connector": "cohere.nlp.v1", "api_key": "k", "free_tier": True}}})
    limits = {(u.account, u.window): u.limit for u in mesh.quota() if u.measure == "requests"}
    assert limits["provider:cohere", "month"] == 1000
    assert mesh.engine.models.get_model("cohere.rerank-v3.5").limits.requests_per_minute == 10
    assert limits["model:cohere.command-a-03-2025", "minute"] == 20
    assert mesh.engine.models.get_model("cohere.embed-v4.0").pricing.is_free


def test_a_quota_of_ones_own_takes_the_place_of_the_published_one(make_mesh, upstream):
    entry = {"connector": "mistral.api.v1", "api_key": "k", "free_tier": True, "quota": {"requests_per_minute": 2}}
    mesh = make_mesh({"providers": {"mistral": entry}})
    limits = [(u.account, u.window, u.limit) for u in mesh.quota()]
    assert ("provider:mistral", "minute", 2) in limits and len(limits) == 1


def test_a_vendor_without_a_known_free_tier_is_refused(make_mesh):
    with pytest.raises(ConfigurationError, match=r"no limits of a free tier of deepseek\.api\.v1 are known"):
        make_mesh({"providers": {"deepseek": {"connector": "deepseek.api.v1", "api_key": "k", "free_tier": True}}})


def test_every_free_tier_says_where_it_is_from_and_limits_something():
    registry, found = ConnectorRegistry(), []
    for info in registry.list_connectors("provider"):
        record = registry.connector(ProviderConnector, info.id)
        tier = record.free_tier()
        if tier is not None:
            found.append(info.id)
            assert tier.source.startswith("https://") and date.fromisoformat(tier.as_of)
            assert not tier.quota.limits().is_empty or any(model.free_tier_limits for model in record.models())
    assert {"groq.api.v1", "google.gemini.v1", "cohere.nlp.v1", "openrouter.gateway.v1"} <= set(found)
