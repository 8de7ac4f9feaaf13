"""A registry of small connectors made by hand, and a way to load YAML text as a file."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import attrs
import pytest
from modelmesh_core import (
    CatalogueModel,
    ConnectorRegistry,
    Duration,
    EnvironmentKey,
    ObservabilityConnector,
    ProviderConnector,
    Secret,
    SecretStoreConnector,
    StorageConnector,
)
from modelmesh_core.config import MeshConfig

Load = Callable[[str], MeshConfig]


@attrs.frozen
class AcmeOptions:
    region: Literal["eu", "us"] = "eu"
    """Where the data stays."""
    patience: Duration = 5.0
    signing_key: Secret | None = None


@attrs.frozen
class FileOptions:
    path: str
    """Name of the file."""
    keep: int = attrs.field(default=5, validator=attrs.validators.ge(1))


@attrs.frozen
class VaultOptions:
    address: str = "http://127.0.0.1:8200"
    token: Secret | None = None


@attrs.frozen
class KeyringOptions:
    service: str = "modelmesh"


class Rotation:
    """A rotation plugin without hooks: the configuration only needs its id."""


def unused(*_: Any) -> Any:
    raise AssertionError("a configuration creates nothing")


def acme_models() -> list[CatalogueModel]:
    return [
        CatalogueModel("acme.large", ("chat-completion",)),
        CatalogueModel("acme.small", ("chat-completion",)),
        CatalogueModel("acme.embed-1.5", ("text-embeddings",)),
    ]


@pytest.fixture
def registry() -> ConnectorRegistry:
    registry = ConnectorRegistry(discover=False)
    registry.register(
        ProviderConnector(
            "acme.chat.v1",
            unused,
            options=AcmeOptions,
            models=acme_models,
            environment=EnvironmentKey(api_key=("ACME_API_KEY", "ACME_KEY"), base_url=("ACME_BASE_URL",)),
        )
    )
    registry.register(
        ProviderConnector(
            "box.local.v1",
            unused,
            environment=EnvironmentKey(base_url=("BOX_HOST",)),
            requires_api_key=False,
            default_name="mybox",
        )
    )
    registry.register(ProviderConnector("plain.chat.v1", unused))
    for name in ("stick-until-failure", "cost-first", "priority-selection", "round-robin"):
        registry.register(Rotation, id=f"modelmesh.{name}.v1")
    registry.register(StorageConnector("modelmesh.local-file.v1", unused, FileOptions))
    registry.register(StorageConnector("modelmesh.memory.v1", unused))
    registry.register(SecretStoreConnector("modelmesh.env.v1", unused))
    registry.register(SecretStoreConnector("hashicorp.vault.v1", unused, VaultOptions))
    registry.register(SecretStoreConnector("modelmesh.keyring.v1", unused, KeyringOptions))
    registry.register(ObservabilityConnector("modelmesh.console.v1", unused))
    registry.register(ObservabilityConnector("modelmesh.local-file.v1", unused, FileOptions))
    return registry


@pytest.fixture
def load(tmp_path: Path, registry: ConnectorRegistry) -> Load:
    """Write the text to ``mesh.yaml`` and load it."""

    def load_text(text: str) -> MeshConfig:
        file = tmp_path / "mesh.yaml"
        file.write_text(text, encoding="utf-8")
        return MeshConfig.from_yaml(file, registry)

    return load_text


@pytest.fixture
def parse(registry: ConnectorRegistry) -> Callable[[Mapping[str, Any]], MeshConfig]:
    return lambda data: MeshConfig.from_dict(data, registry)
