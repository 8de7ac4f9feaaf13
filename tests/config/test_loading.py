"""What a right configuration becomes."""

import hashlib
import subprocess
import sys
import time
import zipfile
from decimal import Decimal
from pathlib import Path

import pytest
from modelmesh_core import ConfigurationError, ConnectorRegistry, PoolSettings, Secret
from modelmesh_core.config import MeshConfig

ACME = "providers: {acme: {connector: acme.chat.v1, api_key: k}}\n"


def test_one_provider_suffices(load) -> None:
    config = load("providers: {acme: {connector: acme.chat.v1, api_key: '${env:ACME_API_KEY}'}}\n")
    assert list(config.providers) == ["acme"]
    assert config.models == {}
    assert config.pools == {}
    assert config.providers["acme"].timeout.total == 600
    assert config.validate() == []


def test_an_empty_file_is_an_empty_configuration(load) -> None:
    for text in ("", "# nothing\n", "---\n", "providers:\npools:\n"):
        config = load(text)
        assert (config.providers, config.pools, config.storage.connector) == ({}, {}, None)


def test_defaults_are_the_documented_ones(load) -> None:
    config = load("")
    assert config.secrets.store == ("modelmesh.env.v1",)
    assert config.secrets.cache_ttl == 300
    assert config.storage.sync_interval == 300
    assert config.observability.statistics.flush_interval == 60
    assert (config.proxy.host, config.proxy.port, config.proxy.max_body) == ("127.0.0.1", 8080, 32 * 1024**2)
    assert config.allow_pinned_models
    assert config.http_engine == "auto"


def test_short_connector_names_become_full_ids(load) -> None:
    config = load(
        "providers: {acme: {connector: acme.chat, api_key: k}}\n"
        "storage: {connector: local-file, path: x}\n"
        "pools: {chat-completion: {strategy: cost-first, fallback_strategy: modelmesh.round-robin}}\n"
        "observability: {routing: {connector: [console]}}\n"
        "connectors: {plugins: [priority-selection]}\n"
    )
    assert config.providers["acme"].connector == "acme.chat.v1"
    assert config.storage.connector == "modelmesh.local-file.v1"
    assert config.pools["chat-completion"].strategy == "modelmesh.cost-first.v1"
    assert config.pools["chat-completion"].fallback_strategy == "modelmesh.round-robin.v1"
    assert config.observability.routing.connector[0].connector == "modelmesh.console.v1"
    assert config.connectors.plugins == ("modelmesh.priority-selection.v1",)


@pytest.mark.parametrize(
    ("name", "connector"),
    [
        ("acme", "acme.chat.v1"),  # the only connector of that vendor
        ("mybox", "box.local.v1"),  # a connector's default name
        ("local", "box.local.v1"),  # the service alone
        ("box.local.v1", "box.local.v1"),  # the id itself
    ],
)
def test_the_connector_of_an_entry_defaults_to_its_name(load, name: str, connector: str) -> None:
    assert load(f"providers: {{{name}: {{}}}}\n").providers[name].connector == connector


def test_options_are_an_instance_of_the_connectors_own_class(load) -> None:
    config = load("providers: {acme: {connector: acme.chat.v1, region: us, patience: 2m, signing_key: s}}\n")
    options = config.providers["acme"].options
    assert (options.region, options.patience, options.signing_key) == ("us", 120.0, Secret("s"))
    assert load(ACME).providers["acme"].options.region == "eu"
    assert load("providers: {box: {connector: box.local.v1}}\n").providers["box"].options is None


def test_several_stores_share_the_section_and_each_takes_its_own_keys(load) -> None:
    config = load(
        "secrets:\n"
        "  store: [keyring, hashicorp.vault.v1, modelmesh.env.v1]\n"
        "  address: http://vault:8200\n"
        "  service: tests\n"
    )
    assert config.secrets.store == ("modelmesh.keyring.v1", "hashicorp.vault.v1", "modelmesh.env.v1")
    assert config.secrets.options["hashicorp.vault.v1"].address == "http://vault:8200"
    assert config.secrets.options["modelmesh.keyring.v1"].service == "tests"
    assert config.secrets.options["modelmesh.env.v1"] is None


def test_sinks_are_one_or_many_bare_or_with_options(load) -> None:
    config = load(
        "observability:\n"
        "  routing: {connector: modelmesh.console.v1}\n"
        "  logging: {connector: {connector: modelmesh.local-file.v1, path: log.jsonl}, level: full}\n"
        "  statistics: {connector: [modelmesh.console.v1, {connector: local-file, path: s.jsonl, keep: 2}]}\n"
    )
    observability = config.observability
    assert [sink.connector for sink in observability.routing.connector] == ["modelmesh.console.v1"]
    assert observability.logging.connector[0].options.path == "log.jsonl"
    assert observability.logging.level == "full"
    assert [sink.connector for sink in observability.statistics.connector] == [
        "modelmesh.console.v1",
        "modelmesh.local-file.v1",
    ]
    assert observability.statistics.connector[1].options.keep == 2


def test_a_bare_duration_sets_the_total_timeout(load) -> None:
    config = load("providers: {mybox: {timeout: 30s}, acme: {timeout: {idle: 1.5s, connect: null}}}\n")
    assert (config.providers["mybox"].timeout.total, config.providers["mybox"].timeout.idle) == (30, 120)
    timeout = config.providers["acme"].timeout
    assert (timeout.idle, timeout.connect, timeout.total) == (1.5, None, 600)


def test_a_model_keeps_apart_what_was_written_and_what_was_left_out(load) -> None:
    config = load(
        ACME + "models:\n"
        "  acme.large: {}\n"
        "  acme.own:\n"
        "    upstream_model: '4.10'\n"
        "    capabilities: [chat-completion, generation.text-generation.text-completion]\n"
        "    delivery: {batch: true}\n"
        "    features: {vision: true, tool_calling: false}\n"
        "    constraints: {max_file_size: 20MB, context_window: 128000}\n"
        "    pricing: {input: 0.1, output: '0.30'}\n"
        "    limits: {requests_per_minute: 60}\n"
        "    batch: {completion_window: 1d, cost_discount: 0.5}\n"
    )
    bare, own = config.models["acme.large"], config.models["acme.own"]
    assert (bare.provider, bare.capabilities, bare.pricing, bare.delivery) == (None, None, {}, {})
    assert own.upstream_model == "4.10"
    assert own.capabilities == (
        "generation.text-generation.chat-completion",
        "generation.text-generation.text-completion",
    )
    assert own.delivery == {"batch": True}
    assert own.features == {"vision": True, "tool_calling": False}
    assert own.constraints == {"max_file_size": 20 * 1024**2, "context_window": 128000}
    assert own.pricing == {"input": Decimal("0.1"), "output": Decimal("0.30")}
    assert own.limits == {"requests_per_minute": 60}
    assert own.batch == {"completion_window": 86400.0, "cost_discount": 0.5}


def test_features_can_be_a_list(load) -> None:
    config = load(ACME + "models: {acme.x: {features: [vision, reasoning]}}\n")
    assert config.models["acme.x"].features == {"vision": True, "reasoning": True}


def test_pools_name_models_that_only_a_catalogue_lists(load) -> None:
    config = load(
        ACME + "pools:\n"
        "  fast: {models: [acme/small, large], model_weights: {acme.small: 3}, model_priority: [small]}\n"
        "  embeddings: {model_priority: [embed-1.5]}\n"
    )
    assert config.pools["fast"].models == ("acme.small", "acme.large")
    assert config.pools["fast"].model_weights == {"acme.small": 3}
    assert config.pools["fast"].model_priority == ("acme.small",)
    assert config.pools["embeddings"].model_priority == ("acme.embed-1.5",)


def test_a_second_entry_of_a_connector_names_its_models_after_itself(load) -> None:
    config = load(
        "providers: {acme: {api_key: k}, acme-us: {connector: acme.chat.v1, api_key: k}}\n"
        "pools: {fast: {models: [acme.small, acme-us.small]}}\n"
    )
    assert config.pools["fast"].models == ("acme.small", "acme-us.small")


def test_the_catalogue_of_a_provider_with_models_of_its_own_is_not_served(load) -> None:
    with pytest.raises(ConfigurationError, match=r"no model is named 'acme\.small'"):
        load(ACME + "models: {acme.large: {}}\npools: {fast: {models: [acme.small]}}\n")


def test_pool_settings_are_the_ones_that_decisions_see(load) -> None:
    config = load(
        ACME + "pools:\n"
        "  assistants:\n"
        "    capability: chat-completion\n"
        "    deadline: 2m\n"
        "    deactivation:\n"
        "      error_codes: [500, timeout]\n"
        "      budget_limit: 1.50\n"
        "      maintenance_window: {cron: 0 3 * * 1, duration: 1h, timezone: Europe/Berlin}\n"
        "    retry: {initial_delay: 250ms}\n"
        "    priority: -5\n"
        "  embeddings:\n"
    )
    pool = config.pools["assistants"]
    assert isinstance(pool, PoolSettings)
    assert (pool.id, pool.deadline, pool.priority) == ("assistants", 120.0, -5)
    assert pool.capability == "generation.text-generation.chat-completion"
    assert pool.deactivation.error_codes == (500, "timeout")
    assert pool.deactivation.budget_limit == Decimal("1.5")
    assert pool.deactivation.maintenance_window.duration == 3600
    assert pool.retry.initial_delay == 0.25
    assert config.pools["embeddings"] == PoolSettings("embeddings")


def test_capabilities_are_added_as_paths_or_nested(load) -> None:
    listed = load("capabilities: [chat-completion.role-play]\n" + ACME + "pools: {role-play: {}}\n")
    assert listed.capabilities == ("chat-completion.role-play",)
    nested = load("capabilities: {chat-completion: {role-play: [pirate, {ghost: null}]}}\n")
    assert nested.capabilities == (
        "chat-completion",
        "chat-completion.role-play",
        "chat-completion.role-play.pirate",
        "chat-completion.role-play.ghost",
    )


def test_a_leaf_that_gained_children_keeps_its_own_models(load) -> None:
    config = load(
        "capabilities: [chat-completion.role-play]\n" + ACME + "models: {acme.x: {capabilities: [chat-completion]}}\n"
    )
    assert config.models["acme.x"].capabilities == ("generation.text-generation.chat-completion",)


def test_aliases_and_merge_keys_work(load) -> None:
    config = load(
        ACME + "pools:\n"
        "  chat-completion: &usual {deadline: 1m, retry: &retry {max_attempts: 4}}\n"
        "  embeddings: {<<: *usual, deadline: 5s}\n"
        "  text-to-speech: {retry: *retry}\n"
    )
    assert config.pools["embeddings"].deadline == 5
    assert config.pools["embeddings"].retry.max_attempts == 4
    assert config.pools["text-to-speech"].retry.max_attempts == 4


def test_a_connector_package_is_loaded_from_beside_the_file(load, tmp_path: Path) -> None:
    wheel = tmp_path / "extra.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(
            "config_test_extra.py",
            "from modelmesh_core import ProviderConnector, hookimpl\n"
            "@hookimpl\n"
            "def provider_connectors():\n"
            "    yield ProviderConnector('extra.chat.v1', None, requires_api_key=False)\n",
        )
        archive.writestr("extra-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: extra\nVersion: 1.0\n")
        archive.writestr(
            "extra-1.0.dist-info/entry_points.txt",
            "[modelmesh.connectors]\nprovider.extra.chat.v1 = config_test_extra\n",
        )
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    text = f"connectors: {{packages: [{{path: extra.whl, sha256: {digest}}}]}}\nproviders: {{extra: {{}}}}\n"
    config = load(text)
    assert config.providers["extra"].connector == "extra.chat.v1"
    assert config.connectors.packages[0].path == str(wheel)
    with pytest.raises(ConfigurationError, match="has SHA-256"):
        load(text.replace(digest, "ab" * 32))


def test_a_dict_may_hold_what_yaml_cannot(parse) -> None:
    config = parse(
        {
            "providers": {"acme": {"api_key": Secret("k"), "headers": {"x-team": "a"}}},
            "models": {"acme.x": {"pricing": {"input": Decimal("0.25")}, "capabilities": ("chat-completion",)}},
        }
    )
    assert config.providers["acme"].api_key == Secret("k")
    assert config.models["acme.x"].pricing == {"input": Decimal("0.25")}


def test_text_is_loaded_like_a_file(registry: ConnectorRegistry) -> None:
    assert MeshConfig.from_text(ACME, registry=registry).providers["acme"].connector == "acme.chat.v1"
    with pytest.raises(ConfigurationError, match=r"stored:1:1: pool: unknown key 'pool'"):
        MeshConfig.from_text("pool: {}", "stored", registry)


def test_validate_sees_connectors_that_went_away(parse, registry: ConnectorRegistry) -> None:
    config = parse({"providers": {"mybox": {}}})
    del registry._entries["provider", "box.local.v1"]
    assert ["mybox" in problem.message for problem in config.validate()] == [True]


def test_importing_the_room_loads_neither_ruamel_nor_cattrs() -> None:
    code = "import sys, modelmesh_core.config; print([m for m in ('ruamel.yaml', 'cattrs') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_ten_thousand_models_load_in_seconds(parse) -> None:
    model = {"provider": "acme", "capabilities": ["chat-completion"], "pricing": {"input": 1.25, "output": 10}}
    data = {"providers": {"acme": {"api_key": "k"}}, "models": {f"acme.m{i}": model for i in range(10_000)}}
    data["pools"] = {"chat": {"capability": "chat-completion", "model_weights": {f"acme.m{i}": 2 for i in range(5000)}}}
    started = time.perf_counter()
    config = parse(data)
    assert len(config.models) == 10_000
    assert time.perf_counter() - started < 10
