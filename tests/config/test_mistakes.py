"""What is wrong with a file, and where: one row a mistake."""

from pathlib import Path

import pytest
from modelmesh_core import ConfigurationError, ConnectorRegistry
from modelmesh_core.config import MeshConfig

ACME = "providers: {acme: {connector: acme.chat.v1, api_key: k}}\n"

BROKEN = [
    # the file as YAML
    ("- a\n", "1:1", "expected a mapping at the top of a configuration"),
    ("pools:\n\t- x\n", "2:1", "not valid YAML: found character '\\t' that cannot start any token"),
    ("pools: {}\n---\npools: {}\n", "2:1", "one document, and here a second one begins"),
    ("pools: [\n", "2:1", "not valid YAML"),
    ("a: *nowhere\n", "1:4", "found undefined alias"),
    ("pools: {}\nproxy: {}\npools: {}\n", "3:1", "the key 'pools' stands here twice; first in line 1"),
    ("pools:\n  404: {}\n", "2:3", "expected a text as key. Put it in quotes."),
    ("pools:\n  ? [a, b]\n  : {}\n", "2:5", "expected a text as key."),
    ("http_engine: !python/name:os.system x\n", "1:14", "a tag such as !name means nothing here"),
    # unknown keys
    ("provider: {}\n", "1:1", "unknown key 'provider'. Did you mean providers?"),
    (ACME + "pools:\n  chat-completion:\n    strategyy: x\n", "4:5", "'strategyy'. Did you mean strategy?"),
    (ACME + "pools:\n  chat-completion: {retry: {max_atempts: 3}}\n", "3:29", "Did you mean max_attempts?"),
    ("providers:\n  acme: {connector: acme.chat.v1, regoin: us}\n", "2:35", "'regoin'. Did you mean region?"),
    ("providers:\n  acme: {connector: acme.chat.v1, timout: 3s}\n", "2:35", "'timout'. Did you mean timeout?"),
    ("providers:\n  p: {connector: plain.chat.v1, api_key: k, region: eu}\n", "2:45", "unknown key 'region'."),
    ("proxy: {auth: {token: [x]}}\n", "1:16", "'token'. Did you mean tokens?"),
    ("observability:\n  routing: {connector: modelmesh.local-file.v1, path: a}\n", "2:49", "Options stand beside"),
    ("storage: {path: x}\n", "1:11", "Options of a connector need the key connector beside them."),
    ("secrets: {store: hashicorp.vault.v1, adress: x}\n", "1:38", "'adress'. Did you mean address?"),
    # wrong types and values
    ("providers: [acme]\n", "1:12", "expected a mapping, found a list."),
    ("allow_pinned_models: yes\n", "1:22", "expected true or false, found 'yes'. Did you mean true?"),
    ("http_engine: htpx\n", "1:14", "one of auto, httpx, pyreqwest, httptools, found 'htpx'. Did you mean httpx?"),
    ("proxy: {port: '8080'}\n", "1:15", "expected a whole number, found '8080'. Leave the quotes out."),
    ("proxy: {port: 70000}\n", "1:15", "expected a number from 0 to 65535, found 70000."),
    ("proxy: {host: 1.5}\n", "1:15", "expected a text, found 1.5. Put it in quotes."),
    ("proxy: {max_body: 32 megs}\n", "1:19", "expected a size such as 512KB or 32MB, found '32 megs'."),
    ("proxy: {endpoints: [/v1/chat/completion]}\n", "1:21", "Did you mean /v1/chat/completions?"),
    ("secrets: {cache_ttl: 5 minutes}\n", "1:22", "expected a duration such as 500ms, 1.5s, 2m, 1h or 7d, found"),
    (ACME + "pools: {chat-completion: {deadline: -3}}\n", "2:37", "expected a duration"),
    (ACME + "pools: {chat-completion: {deadline: 0s}}\n", "2:37", "expected a duration of at least 1ms, found '0s'."),
    (ACME + "pools: {chat-completion: {models: acme.large}}\n", "2:35", "expected a list, found 'acme.large'. Write"),
    (
        ACME + "pools: {chat-completion: {deactivation: {error_rate_threshold: 1.5}}}\n",
        "2:64",
        "expected a number from 0 to 1, found 1.5.",
    ),
    (
        ACME + "pools: {chat-completion: {deactivation: {error_codes: [429, 42, timeot]}}}\n",
        "2:61",
        "expected an HTTP status from 400 to 599, timeout or connection, found 42.",
    ),
    (ACME + "pools: {chat-completion: {deactivation: {timezone: Europe/Berln}}}\n", "2:52", "Europe/Berlin?"),
    (
        ACME + "pools: {chat-completion: {deactivation: {maintenance_window: {cron: 0 3 * *, duration: 1h}}}}\n",
        "2:69",
        "expected five cron fields (minute, hour, day, month, weekday)",
    ),
    (
        ACME + "pools: {chat-completion: {deactivation: {maintenance_window: {cron: 0 25 * * *, duration: 1h}}}}\n",
        "2:69",
        "expected five cron fields",
    ),
    (
        ACME + "pools:\n  chat-completion:\n    deactivation:\n      maintenance_window: {cron: 0 3 * * *}\n",
        "5:7",
        "the key duration is missing.",
    ),
    (ACME + "pools: {chat-completion: {recovery: {cooldown: 20m}}}\n", "2:48", "cooldown (1200s) is longer than max_c"),
    (
        "providers:\n  acme: {connector: acme.chat.v1, base_url: ftp://x}\n",
        "2:45",
        "expected an address such as https://api.example.com/v1, found 'ftp://x'.",
    ),
    (
        "providers:\n  acme: {connector: acme.chat.v1, base_url: 'http://me:pass@x'}\n",
        "2:45",
        "expected an address without a user name or a password, found a text that is not shown.",
    ),
    ("providers:\n  acme: {connector: acme.chat.v1, region: mars}\n", "2:43", "expected one of eu, us, found 'mars'."),
    ("storage: {connector: modelmesh.local-file.v1, path: a, keep: 0}\n", "1:1", "the connector refuses these options"),
    ("storage: {connector: modelmesh.local-file.v1}\n", "1:1", "the key path is missing."),
    # models
    ("models: {gpt-4: {provider: acme}}\n" + ACME, "1:10", "a model's id is vendor.name"),
    ("models: {acme/x: {provider: acme}}\n" + ACME, "1:10", "Did you mean acme.x?"),
    ("models: {acme.x: {provider: amce}}\n" + ACME, "1:29", "no provider is named 'amce'. Did you mean acme?"),
    ("models: {other.x: {}}\n" + ACME, "1:10", "the key provider is missing, and no catalogue lists this model."),
    ("models: {acme.x: {capabilities: [chat]}}\n" + ACME, "1:34", "no capability is named 'chat'."),
    ("models: {acme.x: {capabilities: [embeddings]}}\n" + ACME, "1:34", "embeddings is a branch. Write some of text-"),
    ("models: {acme.x: {features: [visoin]}}\n" + ACME, "1:30", "'visoin'. Did you mean vision?"),
    ("models: {acme.x: {features: {visoin: true}}}\n" + ACME, "1:30", "'visoin'. Did you mean vision?"),
    ("models: {acme.x: {pricing: {input: -1}}}\n" + ACME, "1:36", "expected a number of at least 0, found -1."),
    ("models: {acme.x: {pricing: {input: cheap}}}\n" + ACME, "1:36", "expected an amount in USD"),
    ("models: {acme.x: {limits: {window_timezone: Mars}}}\n" + ACME, "1:45", "expected the name of a time zone"),
    ("models: {acme.x: {batch: {cost_discount: 2}}}\n" + ACME, "1:42", "expected a number from 0 to 1, found 2."),
    # connectors
    ("providers: {a: {connector: acme.chta.v1}}\n", "1:28", "'acme.chta.v1'. Did you mean acme.chat.v1"),
    (
        "providers:\n  nobody: {api_key: k}\n",
        "2:3",
        "the key connector is missing: no provider connector is named 'nobody'.",
    ),
    ("providers: {plain: {connector: plain.chat.v1}}\n", "1:13", "the key api_key is missing, and plain.chat.v1 needs"),
    ("providers: {'a b': {connector: box.local.v1}}\n", "1:13", "a provider's name has letters, digits"),
    (ACME + "pools: {chat-completion: {strategy: cheapest}}\n", "2:37", "no rotation connector is named 'cheapest'."),
    (ACME + "pools: {chat-completion: {fallback_strategy: eror}}\n", "2:46", "no rotation connector is named 'eror'."),
    (ACME + "pools: {chat-completion: {selector: x}}\n", "2:37", "no rotation connector is named 'x'."),
    ("storage: {connector: modelmesh.sqlite.v1}\n", "1:22", "no storage connector is named"),
    ("secrets: {store: [modelmesh.env.v1, vualt]}\n", "1:37", "no secret-store connector is named 'vualt'."),
    ("observability: {logging: {connector: [nowhere.x.v1]}}\n", "1:39", "no observability connector is named"),
    ("connectors: {plugins: [my.plugin.v1]}\n", "1:24", "no rotation connector is named 'my.plugin.v1'."),
    ("connectors: {packages: [{path: 'http://x/y.whl', sha256: " + "a" * 64 + "}]}\n", "1:32", "loaded from a URL"),
    ("connectors: {packages: [{path: x.whl, sha256: abc}]}\n", "1:47", "SHA-256 in 64 hexadecimal digits"),
    ("connectors: {packages: [{path: nowhere.whl, sha256: " + "a" * 64 + "}]}\n", "1:32", "cannot be read"),
    # pools and capabilities
    (ACME + "pools:\n  helpdesk: {strategy: cost-first}\n", "3:3", "neither capability nor models"),
    (ACME + "pools:\n  chat-completions: {}\n", "3:3", "Did you mean chat-completion"),
    (ACME + "pools: {x: {capability: chat-completions}}\n", "2:25", "Did you mean chat-completion"),
    (ACME + "pools: {x: {models: [acme.lrage]}}\n", "2:22", "no model is named 'acme.lrage'. Did you mean acme.large?"),
    (ACME + "pools: {embeddings: {providers: [acne]}}\n", "2:34", "no provider is named 'acne'. Did you mean acme?"),
    (ACME + "pools: {embeddings: {provider_priority: [x]}}\n", "2:42", "no provider is named 'x'."),
    (
        ACME + "pools: {embeddings: {model_weights: {acme.large: 2}}}\n",
        "2:50",
        "acme.large is not in this pool, so that this does nothing.",
    ),
    (ACME + "pools: {x: {models: [acme.large], model_priority: [acme.small]}}\n", "2:52", "acme.small is not in this"),
    (
        ACME + "pools: {x: {models: [acme.large], excluded_providers: [acme]}}\n",
        "2:22",
        "acme.large can never be in this pool",
    ),
    (ACME + "pools: {embeddings: {model_weights: {acme.embed-1.5: 0}}}\n", "2:37", "every weight is 0"),
    (ACME + "pools: {'my pool': {capability: embeddings}}\n", "2:9", "a pool's id has letters, digits"),
    (
        "capabilities: [chat-completion..x]\n",
        "1:16",
        "a capability has lower-case letters, digits and dashes, joined by dots",
    ),
    ("capabilities: {generation: {text-generation: 5}}\n", "1:46", "expected a list of names or a mapping, found 5."),
    ("proxy: {host: 0.0.0.0}\n", "1:15", "others can reach this address, and nobody is asked for a token."),
    ("proxy: {cors: {enabled: true}}\n", "1:25", "cors is enabled, and no origin is allowed."),
    # references
    ("proxy: {host: '${HOST}'}\n", "1:15", "expected ${secrets:NAME} or ${env:NAME}. Did you mean ${env:HOST}?"),
    ("proxy: {host: '${secret:HOST}'}\n", "1:15", "Did you mean ${secrets:HOST}?"),
    ("proxy: {host: '${env:}'}\n", "1:15", "a reference without a name"),
    ("proxy: {host: '${env:X'}\n", "1:15", "a reference begins with ${ and is not closed"),
    ("providers: ${env:PROVIDERS}\n", "1:12", "expected a mapping, found a reference."),
    (
        "secrets: {store: hashicorp.vault.v1, token: '${secrets:T}'}\n",
        "1:45",
        "a secret store cannot wait for a secret",
    ),
    # not built yet
    ("observability: {tracing: {min_severity: info}}\n", "1:17", "tracing is not built yet; remove it."),
    ("providers: {a: {connector: box.local.v1, auth: {method: oauth}}}\n", "1:49", "method: 'oauth' is not built yet"),
    ("providers: {a: {connector: box.local.v1, auth: {key_rotation: 1d}}}\n", "1:49", "key_rotation is not built yet"),
    (
        "providers: {a: {connector: box.local.v1, quota: {query_current: x}}}\n",
        "1:50",
        "query_current is not built",
    ),
    ("providers: {a: {connector: box.local.v1, quota: {timezone: Mars}}}\n", "1:60", "Mars"),
    ("providers: {a: {connector: box.local.v1, budget: {daily_limit: much}}}\n", "1:64", "found 'much'"),
    ("providers: {a: {connector: box.local.v1, discovery: {}}}\n", "1:42", "discovery is not built yet; remove it."),
    (ACME + "pools: {embeddings: {hedge: {after: p50}}}\n", "2:37", "p95"),
    (ACME + "pools: {embeddings: {hedge: {max_share: 2}}}\n", "2:41", "expected"),
    (ACME + "pools: {embeddings: {on_stream_failure: retry}}\n", "2:41", "expected one of resume, restart, error"),
    (ACME + "pools: {embeddings: {unsupported: ignore}}\n", "2:35", "expected one of drop, warn, error"),
    (ACME + "pools: {embeddings: {on_budget_exceeded: wait}}\n", "2:42", "expected one of rotate, error"),
    (ACME + "pools: {embeddings: {budget: {alert_threshold: 8}}}\n", "2:48", "expected a number from 0 to 1"),
]


@pytest.mark.parametrize(("text", "place", "message"), BROKEN, ids=[f"{row[2][:50]}" for row in BROKEN])
def test_a_mistake_is_named_with_its_place(
    text: str, place: str, message: str, tmp_path: Path, registry: ConnectorRegistry
) -> None:
    file = tmp_path / "mesh.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        MeshConfig.from_yaml(file, registry)
    found = [f"{problem.line}:{problem.column} {problem.message}" for problem in caught.value.problems]
    assert any(told.startswith(f"{place} ") and message in told for told in found), found
    assert all(problem.file == str(file) for problem in caught.value.problems)


def test_every_mistake_of_a_file_is_told_at_once_in_file_order(tmp_path: Path, registry: ConnectorRegistry) -> None:
    file = tmp_path / "mesh.yaml"
    file.write_text(
        "pools:\n"
        "  chat-completion:\n"
        "    strategy: cheapest\n"
        "    retry: {backoff: fixd}\n"
        "    models: [acme.lrage]\n"
        "    budget: {daily_limit: lots}\n"
        "providers:\n"
        "  acme:\n"
        "    connector: acme.chat.v1\n"
        "    timeout: soon\n"
        "    region: mars\n"
        "discovery: {sync: {interval: soon}}\n"
        "pools: {}\n"
    )
    with pytest.raises(ConfigurationError) as caught:
        MeshConfig.from_yaml(file, registry)
    assert [problem.line for problem in caught.value.problems] == [3, 4, 5, 6, 10, 11, 12, 13]
    assert str(caught.value).splitlines()[1] == (
        f"{file}:4:22: pools.chat-completion.retry.backoff: "
        "expected one of exponential_jitter, fixed, found 'fixd'. Did you mean fixed?"
    )


def test_one_mistake_does_not_hide_behind_another_in_the_same_section(load) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(ACME + "pools:\n  embeddings: {deadline: soon, priority: high, strategy: 5, models: 7}\n")
    assert [problem.path[-1] for problem in caught.value.problems] == ["deadline", "priority", "strategy", "models"]


def test_a_dict_has_paths_instead_of_places(registry: ConnectorRegistry) -> None:
    with pytest.raises(ConfigurationError) as caught:
        MeshConfig.from_dict({"pools": {"embeddings": {"deadline": "soon"}}, "proxy": {"port": -1}}, registry)
    assert [problem.path for problem in caught.value.problems] == [
        ("pools", "embeddings", "deadline"),
        ("proxy", "port"),
    ]
    assert str(caught.value).startswith("pools.embeddings.deadline: expected a duration")


def test_a_connector_that_cannot_be_imported_is_named(registry: ConnectorRegistry) -> None:
    def fail() -> None:
        raise ImportError("no module named acme")

    entry = registry._entries["provider", "acme.chat.v1"]
    entry.record, entry.load = None, fail
    with pytest.raises(ConfigurationError, match=r"acme\.chat\.v1 .* cannot be used: ImportError"):
        MeshConfig.from_dict({"providers": {"acme": {"connector": "acme.chat.v1"}}}, registry)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.yaml: this file cannot be read: No such file"):
        MeshConfig.from_yaml(tmp_path / "nowhere.yaml")
