"""Providers found in the environment."""

from pathlib import Path

import pytest
from modelmesh_core import ConfigurationError, ConnectorRegistry, EnvironmentKey, ProviderConnector, Secret
from modelmesh_core.config import MeshConfig


def test_every_provider_whose_variables_are_set_is_found(registry: ConnectorRegistry) -> None:
    config = MeshConfig.from_env({"ACME_KEY": "k", "ACME_BASE_URL": "http://x", "BOX_HOST": "box:99"}, registry)
    assert config.to_dict() == {
        "providers": {
            "acme": {"connector": "acme.chat.v1", "api_key": "${env:ACME_KEY}", "base_url": "${env:ACME_BASE_URL}"},
            "mybox": {"connector": "box.local.v1", "base_url": "${env:BOX_HOST}"},
        }
    }
    values = {f"env:{name}": Secret(value) for name, value in (("ACME_KEY", "k"), ("ACME_BASE_URL", "http://x"))}
    resolved = config.resolve({**values, "env:BOX_HOST": Secret("box:99")})
    assert resolved.providers["mybox"].base_url == "box:99"


def test_the_most_usual_variable_is_taken_first(registry: ConnectorRegistry) -> None:
    config = MeshConfig.from_env({"ACME_KEY": "k", "ACME_API_KEY": "k"}, registry)
    assert [reference.name for reference in config.references()] == ["ACME_API_KEY"]


@pytest.mark.parametrize("environ", [{"ACME_BASE_URL": "http://x"}, {"ACME_API_KEY": " "}, {"HOME": "/"}])
def test_what_does_not_suffice_is_not_found(environ: dict[str, str], registry: ConnectorRegistry) -> None:
    with pytest.raises(ConfigurationError, match="no provider was found") as caught:
        MeshConfig.from_env(environ, registry)
    assert "Set ACME_API_KEY, BOX_HOST" in str(caught.value)


def test_required_variables_must_all_be_set(registry: ConnectorRegistry) -> None:
    keys = EnvironmentKey(api_key=("SPEECH_KEY",), required=("SPEECH_REGION", "SPEECH_ZONE"))
    registry.register(ProviderConnector("cloud.speech.v1", lambda settings: None, environment=keys))
    partly = {"BOX_HOST": "b", "SPEECH_KEY": "k", "SPEECH_REGION": "r"}
    assert list(MeshConfig.from_env(partly, registry).providers) == ["mybox"]
    assert list(MeshConfig.from_env({**partly, "SPEECH_ZONE": "z"}, registry).providers) == ["mybox", "cloud"]


def test_two_connectors_of_one_vendor_get_two_names(registry: ConnectorRegistry) -> None:
    for service in ("search", "vision"):
        keys = EnvironmentKey(api_key=("CLOUD_KEY",))
        registry.register(ProviderConnector(f"cloud.{service}.v1", lambda settings: None, environment=keys))
    config = MeshConfig.from_env({"CLOUD_KEY": "k"}, registry)
    assert {name: entry.connector for name, entry in config.providers.items()} == {
        "cloud": "cloud.search.v1",
        "cloud-vision": "cloud.vision.v1",
    }


def test_the_local_model_serves_when_nothing_is_set(registry: ConnectorRegistry) -> None:
    registry.register(ProviderConnector("modelmesh.local.v1", lambda settings: None, requires_api_key=False))
    assert MeshConfig.from_env({}, registry).providers["local"].connector == "modelmesh.local.v1"
    assert list(MeshConfig.from_env({"BOX_HOST": "b"}, registry).providers) == ["mybox"]


def test_a_variable_can_name_the_file(tmp_path: Path, registry: ConnectorRegistry) -> None:
    file = tmp_path / "mesh.yaml"
    file.write_text("providers: {mybox: {timeout: 5s}}\n")
    config = MeshConfig.from_env({"MODELMESH_CONFIG": str(file), "ACME_API_KEY": "k"}, registry)
    assert list(config.providers) == ["mybox"]


def test_a_broken_connector_does_not_keep_the_others_from_being_found(registry: ConnectorRegistry) -> None:
    def fail() -> None:
        raise ImportError("gone")

    entry = registry._entries["provider", "acme.chat.v1"]
    entry.record, entry.load = None, fail
    assert list(MeshConfig.from_env({"BOX_HOST": "b", "ACME_API_KEY": "k"}, registry).providers) == ["mybox"]
