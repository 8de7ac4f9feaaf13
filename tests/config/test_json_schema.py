"""The schema for editors says of a file what the loader says."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from modelmesh_core import ConfigurationError, ConnectorRegistry
from modelmesh_core.config import MeshConfig, json_schema
from ruamel.yaml import YAML

GOOD = [
    "{}",
    "providers: {acme: {api_key: '${env:K}', region: us, patience: 5s}}",
    "providers: {acme: {connector: acme.chat, signing_key: s, timeout: 30s, max_connections: '${env:N}'}}",
    "providers: {mybox: null, other: {connector: box.local.v1, timeout: {total: 30, idle: 1.5s}}}",
    "providers: {mybox: {pass_unlisted_models: true}}",
    "providers: {other: {connector: provider.box.local.v1, base_url: 'http://x'}}",
    "providers: {mybox: {}}\nmodels: {mybox.a: {features: [vision], pricing: {input: 0.5, output: '1'}}}",
    "providers: {mybox: {}}\nmodels: {mybox.a: {features: {vision: false}, constraints: {max_file_size: 1MB}}}",
    "pools: {embeddings: {strategy: cost-first, deactivation: {error_codes: [429, timeout], retry_limit: null}}}",
    "pools: {embeddings: {fallback_strategy: error, recovery: {cooldown: 5}, priority: -3}}",
    "storage: {connector: modelmesh.local-file.v1, path: x, keep: 2, sync_policy: periodic}",
    "secrets: {store: [keyring, hashicorp.vault.v1], address: a, service: b, token: '${env:T}'}",
    "observability: {routing: {connector: [console, {connector: local-file, path: x}]}}",
    "observability: {statistics: {connector: {connector: modelmesh.local-file.v1, path: x}, flush_interval: 5s}}",
    "capabilities: [chat-completion.a]",
    "capabilities: {chat-completion: {a: [b, {c: null}]}}",
    "proxy: {port: 0, auth: {tokens: [t]}, endpoints: [/v1/models], max_body: 1MB}",
    "connectors: {plugins: [round-robin], packages: []}",
]
BAD = [
    "provider: {}",
    "providers: {acme: {connector: acme.chat.v1, regoin: us}}",
    "providers: {acme: {region: mars}}",
    "providers: {other: {connector: box.local.v1, region: us}}",
    "providers: {mybox: {region: us}}",
    "providers: {other: {connector: acme.chta.v1}}",
    "providers: {acme: {timeout: soon}}",
    "providers: {acme: {timeout: {totl: 3s}}}",
    "providers: {acme: {max_connections: 0}}",
    "models: {acme.x: {features: [visoin]}}",
    "models: {acme.x: {pricing: {inptu: 1}}}",
    "models: {acme.x: {pricing: {input: -1}}}",
    "pools: {embeddings: {strategy: cheapest}}",
    "pools: {embeddings: {retry: {backoff: fixd}}}",
    "pools: {embeddings: {deactivation: {error_rate_threshold: 2}}}",
    "pools: {embeddings: {deactivation: {maintenance_window: {cron: 0 3 * * *}}}}",
    "pools: {embeddings: {hedge: {after: p50}}}",
    "pools: {embeddings: {models: acme.large}}",
    "storage: {connector: modelmesh.memory.v1, path: x}",
    "storage: {connector: modelmesh.local-file.v1}",
    "storage: {format: xml}",
    "secrets: {store: keyring, addres: a}",
    "observability: {routing: {connector: {connector: console, path: x}}}",
    "observability: {tracing: {}}",
    "proxy: {port: high}",
    "proxy: {endpoints: [/v1/chat]}",
    "connectors: {packages: [{path: x}]}",
    "discovery: {sync: {enabled: maybe}}",
]


def data(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


@pytest.fixture
def validator(registry: ConnectorRegistry) -> Draft202012Validator:
    schema = json.loads(json.dumps(json_schema(registry)))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.parametrize("text", GOOD)
def test_schema_and_loader_take_it(text: str, validator: Draft202012Validator, registry: ConnectorRegistry) -> None:
    MeshConfig.from_dict(data(text), registry)
    assert [error.message for error in validator.iter_errors(data(text))] == []


@pytest.mark.parametrize("text", BAD)
def test_schema_and_loader_refuse_it(text: str, validator: Draft202012Validator, registry: ConnectorRegistry) -> None:
    with pytest.raises(ConfigurationError):
        MeshConfig.from_dict(data(text), registry)
    assert list(validator.iter_errors(data(text)))


def test_it_names_the_installed_connectors_and_documents_their_options(registry: ConnectorRegistry) -> None:
    definitions = json_schema(registry)["$defs"]
    assert definitions["provider-id"]["anyOf"][0] == {"enum": ["acme.chat.v1", "box.local.v1", "plain.chat.v1"]}
    options = definitions["provider-acme.chat.v1"]["properties"]
    assert options["region"]["description"] == "Where the data stays."
    assert definitions["storage-modelmesh.local-file.v1"]["required"] == ["path"]
    assert definitions["PoolSettings"]["properties"]["deadline"]["description"].startswith(
        "Seconds for a whole request"
    )


def test_a_connector_that_cannot_be_imported_takes_part_without_its_options(registry: ConnectorRegistry) -> None:
    def fail() -> None:
        raise ImportError("gone")

    entry = registry._entries["provider", "acme.chat.v1"]
    entry.record, entry.load = None, fail
    definitions = json_schema(registry)["$defs"]
    assert "acme.chat.v1" in definitions["provider-id"]["anyOf"][0]["enum"]
    assert "region" not in definitions["provider-acme.chat.v1"]["properties"]
