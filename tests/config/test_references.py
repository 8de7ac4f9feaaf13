"""References: accepted before they have a value, checked when they have one."""

import attrs
import pytest
from modelmesh_core import ConfigurationError, ConnectorRegistry, ProviderConnector, Secret, SecretStoreConnector
from modelmesh_core.config import MeshConfig, Reference

TEXT = """\
secrets: {store: hashicorp.vault.v1, token: '${env:VAULT_TOKEN}'}
providers:
  acme:
    connector: acme.chat.v1
    api_key: ${secrets:acme/key#value}
    base_url: https://${env:HOST}/v1
    timeout: ${env:TIMEOUT}
    max_connections: ${env:MANY}
    enabled: ${env:ENABLED}
    region: ${env:REGION}
    patience: ${env:PATIENCE}
    headers: {authorization: 'Bearer ${secrets:acme/key#value}'}
models:
  acme.x: {pricing: {input: '${env:PRICE}'}, capabilities: ['${env:CAPABILITY}']}
pools:
  chat:
    capability: ${env:CAPABILITY}
    strategy: ${env:STRATEGY}
    models: ['${env:MODEL}']
    deadline: ${env:TIMEOUT}
"""
VALUES = {
    "env:VAULT_TOKEN": "vt",
    "secrets:acme/key#value": "sk",
    "env:HOST": "api.acme.example",
    "env:TIMEOUT": "90s",
    "env:MANY": "7",
    "env:ENABLED": "true",
    "env:REGION": "us",
    "env:PATIENCE": "3",
    "env:PRICE": "0.15",
    "env:CAPABILITY": "chat-completion",
    "env:STRATEGY": "cost-first",
    "env:MODEL": "acme.x",
}


def secrets(**changed: str) -> dict[str, Secret]:
    return {key: Secret(value) for key, value in {**VALUES, **changed}.items()}


def test_a_reference_stands_wherever_a_value_does(load) -> None:
    config = load(TEXT)
    assert isinstance(config.providers["acme"].api_key, Reference)
    assert config.validate() == []


def test_every_use_is_listed_with_its_place(load, tmp_path) -> None:
    first, second, *_ = load(TEXT).references()
    assert (first.kind, first.name, first.key) == ("env", "VAULT_TOKEN", "env:VAULT_TOKEN")
    assert (first.line, first.column, first.file) == (1, 45, str(tmp_path / "mesh.yaml"))
    assert (second.kind, second.name, second.path) == ("secrets", "acme/key#value", ("providers", "acme", "api_key"))
    assert len(load(TEXT).references()) == 15
    assert str(second.problem("is gone")).endswith("mesh.yaml:5:14: providers.acme.api_key: is gone")


def test_resolving_gives_every_value_the_type_of_its_key(load) -> None:
    config = load(TEXT).resolve(secrets())
    provider = config.providers["acme"]
    assert provider.api_key == Secret("sk")
    assert provider.base_url == "https://api.acme.example/v1"
    assert (provider.timeout.total, provider.max_connections, provider.enabled) == (90.0, 7, True)
    assert (provider.options.region, provider.options.patience) == ("us", 3.0)
    assert provider.headers["authorization"] == Secret("Bearer sk")
    assert str(config.models["acme.x"].pricing["input"]) == "0.15"
    pool = config.pools["chat"]
    assert pool.capability == "generation.text-generation.chat-completion"
    assert (pool.strategy, pool.models, pool.deadline) == ("modelmesh.cost-first.v1", ("acme.x",), 90.0)
    assert config.secrets.options["hashicorp.vault.v1"].token == Secret("vt")


@pytest.mark.parametrize(
    ("key", "place", "message"),
    [
        ("env:TIMEOUT", "7:14", "expected a duration"),
        ("env:REGION", "10:13", "expected one of eu, us"),
        ("env:STRATEGY", "18:", "this reference names no rotation connector."),
        ("env:CAPABILITY", "14:", "no capability is named '***'"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_without_being_shown(load, key: str, place: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(TEXT).resolve({**secrets(), key: Secret("unfitting")})
    assert f"mesh.yaml:{place}" in str(caught.value)
    assert message in str(caught.value)
    assert "unfitting" not in str(caught.value)


def test_a_missing_value_names_the_reference_and_its_place(load) -> None:
    values = secrets()
    del values["secrets:acme/key#value"], values["env:HOST"]
    with pytest.raises(ConfigurationError) as caught:
        load(TEXT).resolve(values)
    assert [(problem.line, problem.message) for problem in caught.value.problems] == [
        (5, "no configured secret store has acme/key#value."),
        (6, "the environment variable HOST is not set."),
        (12, "no configured secret store has acme/key#value."),
    ]


def test_a_missing_value_can_count_as_left_out(parse) -> None:
    config = parse(
        {
            "secrets": {"fail_on_missing": False},
            "providers": {"mybox": {"api_key": "${env:K}", "base_url": "http://box${env:PORT}", "timeout": "${env:T}"}},
        }
    ).resolve({})
    provider = config.providers["mybox"]
    assert (provider.api_key, provider.base_url, provider.timeout.total) == (None, "http://box", 600)


def test_resolving_in_part_serves_the_secrets_section_first(load) -> None:
    config = load(TEXT)
    early = config.resolve({"env:VAULT_TOKEN": Secret("vt")}, partial=True)
    assert early.secrets.options["hashicorp.vault.v1"].token == Secret("vt")
    assert isinstance(early.providers["acme"].api_key, Reference)
    assert early.resolve(secrets()) == config.resolve(secrets())


def test_the_same_name_in_a_store_and_in_the_environment_are_two_things(parse) -> None:
    config = parse({"providers": {"mybox": {"api_key": "${secrets:A}", "base_url": "http://${env:A}"}}})
    provider = config.resolve({"secrets:A": Secret("s"), "env:A": Secret("e")}).providers["mybox"]
    assert (provider.api_key, provider.base_url) == (Secret("s"), "http://e")


def test_a_doubled_dollar_writes_a_plain_one(parse) -> None:
    config = parse({"providers": {"mybox": {"api_key": "a$${b}${env:X}", "headers": {"x": "$${y}"}}}})
    provider = config.resolve({"env:X": Secret("z")}).providers["mybox"]
    assert (provider.api_key, provider.headers["x"]) == (Secret("a${b}z"), Secret("${y}"))
    assert config.to_dict()["providers"]["mybox"]["api_key"] == "a$${b}${env:X}"


def test_an_options_class_that_checks_its_values_waits_for_them(registry: ConnectorRegistry) -> None:
    @attrs.frozen
    class Strict:
        size: int = attrs.field(default=1, validator=attrs.validators.in_([1, 2]), converter=int)

    registry.register(ProviderConnector("strict.chat.v1", lambda settings: None, Strict, requires_api_key=False))
    config = MeshConfig.from_dict({"providers": {"strict": {"size": "${env:SIZE}"}}}, registry)
    assert config.providers["strict"].options is None
    assert config.resolve({"env:SIZE": Secret("2")}).providers["strict"].options == Strict(2)
    with pytest.raises(ConfigurationError, match=r"providers\.strict: the connector refuses these options"):
        config.resolve({"env:SIZE": Secret("3")})


def test_a_connector_named_by_a_reference_is_checked_once_it_is_known(registry: ConnectorRegistry) -> None:
    registry.register(SecretStoreConnector("other.store.v1", lambda options: None))
    data = {"providers": {"a": {"connector": "${env:C}", "region": "us"}}}
    config = MeshConfig.from_dict(data, registry)
    assert config.resolve({"env:C": Secret("acme.chat.v1")}).providers["a"].options.region == "us"
    with pytest.raises(ConfigurationError, match="unknown key 'region'"):
        config.resolve({"env:C": Secret("box.local.v1")})
