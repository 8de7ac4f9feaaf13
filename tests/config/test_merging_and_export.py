"""Configurations laid over each other, and written out again."""

from pathlib import Path

import pytest
from modelmesh_core import ConfigurationError, ConnectorRegistry
from modelmesh_core.config import MeshConfig
from modelmesh_core.config.export import to_yaml

BASE = {
    "providers": {"acme": {"api_key": "${env:K}", "region": "us"}, "mybox": {"timeout": {"total": "1m", "idle": "5s"}}},
    "pools": {"chat": {"capability": "chat-completion", "models": ["acme.large", "acme.small"]}},
}


def test_the_other_wins_key_by_key_and_lists_are_replaced(parse) -> None:
    merged = parse(BASE).merge(
        {
            "providers": {"mybox": {"timeout": {"idle": "9s"}}, "acme": {"headers": {"x": "y"}}},
            "pools": {"chat": {"models": ["acme.small"]}},
            "allow_pinned_models": False,
        }
    )
    assert merged.providers["acme"].options.region == "us"
    assert set(merged.providers["acme"].headers) == {"x"}
    assert (merged.providers["mybox"].timeout.total, merged.providers["mybox"].timeout.idle) == (60, 9)
    assert merged.pools["chat"].models == ("acme.small",)
    assert not merged.allow_pinned_models


def test_merging_changes_neither_of_the_two(parse) -> None:
    base, other = parse(BASE), parse({"providers": {"mybox": {"enabled": False}}})
    before = base.to_dict(), other.to_dict()
    base.merge(other)
    assert (base.to_dict(), other.to_dict()) == before


def test_a_merge_that_does_not_fit_is_refused(parse) -> None:
    with pytest.raises(ConfigurationError, match="unknown key 'region'"):
        parse(BASE).merge({"providers": {"acme": {"connector": "plain.chat.v1"}}})


def test_a_problem_of_a_merged_configuration_names_the_file_it_is_in(
    tmp_path: Path, registry: ConnectorRegistry
) -> None:
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text("providers:\n  acme:\n    region: us\n")
    second.write_text("\n\nproviders:\n  acme: {connector: acme.chat.v1}\n")
    other = tmp_path / "other.yaml"
    other.write_text("providers: {acme: {connector: box.local.v1}}\n")
    merged = MeshConfig.from_yaml(first, registry).merge(MeshConfig.from_yaml(second, registry))
    assert merged.providers["acme"].options.region == "us"
    with pytest.raises(ConfigurationError) as caught:
        merged.merge(MeshConfig.from_yaml(other, registry))
    assert str(caught.value).startswith(f"{first}:3:5: providers.acme.region: unknown key 'region'")


def test_what_is_exported_can_be_loaded_again(parse, tmp_path: Path, registry: ConnectorRegistry) -> None:
    config = parse(
        {
            **BASE,
            "secrets": {"store": "keyring", "service": "s"},
            "storage": {"connector": "local-file", "path": "x", "keep": 3},
            "observability": {"logging": {"connector": ["console", {"connector": "local-file", "path": "$${x}"}]}},
            "models": {
                "acme.y": {"features": ["vision"], "pricing": {"input": 0.5}},
                "acme.large": {},
                "acme.small": {},
            },
            "capabilities": {"chat-completion": ["role-play"]},
            "proxy": {"auth": {"tokens": ["${secrets:T}"]}},
        }
    )
    assert parse(config.to_dict()) == config
    file = tmp_path / "saved.yaml"
    file.write_text(to_yaml(config))
    assert MeshConfig.from_yaml(file, registry) == config


def test_options_that_cannot_be_made_yet_hide_every_text(parse) -> None:
    config = parse(
        {"providers": {"a": {"connector": "${env:C}", "region": "us", "other": ["text", 5]}}},
    )
    assert config.to_dict()["providers"]["a"] == {"connector": "${env:C}", "region": "***", "other": ["***", 5]}


def test_a_configuration_says_how_large_it_is_and_nothing_else(parse) -> None:
    assert repr(parse(BASE)) == "MeshConfig(2 providers, 0 models, 1 pools)"
