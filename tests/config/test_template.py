"""The commented example."""

import re
from pathlib import Path

from modelmesh_core import CatalogueModel, ConnectorRegistry, ProviderConnector
from modelmesh_core.config import MeshConfig, template


def test_it_loads_as_it_is(load) -> None:
    config = load(template())
    assert config.providers == {}
    assert config.references() == []


def test_every_example_in_it_works_when_the_comment_signs_are_taken_away(tmp_path: Path) -> None:
    registry = ConnectorRegistry()
    known = {info.id for info in registry.list_connectors("provider")}
    for vendor, service in (("openai", "llm"), ("anthropic", "claude"), ("ollama", "local")):
        connector_id = f"{vendor}.{service}.v1"
        models = [CatalogueModel(f"{vendor}.any", ("chat-completion",))]
        if connector_id not in known:
            registry.register(ProviderConnector(connector_id, lambda settings: None, models=lambda own=models: own))
    text = re.sub(r"(?m)^## .*$|^##$", "", template())
    assert "# " in text
    file = tmp_path / "mesh.yaml"
    file.write_text(re.sub(r"(?m)^# ", "", text))
    config = MeshConfig.from_yaml(file, registry)
    assert list(config.providers) == ["openai", "anthropic", "ollama"]
    assert config.pools["assistants"].provider_priority == ("anthropic", "openai")
    assert {reference.name for reference in config.references()} == {
        "OPENAI_API_KEY",
        "ANTHROPIC_API_KEY",
        "MODELMESH_TOKEN",
    }
