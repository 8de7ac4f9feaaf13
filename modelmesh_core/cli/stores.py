"""The secret stores of a configuration, for the commands that look into them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..config import MeshConfig
    from ..interfaces.secret_store import SecretStore
    from ..registry import ConnectorRegistry


def with_environment(config: MeshConfig) -> MeshConfig:
    """``config`` with its ``${env:NAME}`` filled in, as far as they are set: a store's own options may need one."""
    from ..values import Secret

    values = {
        reference.key: Secret(os.environ[reference.name])
        for reference in config.references()
        if reference.kind == "env" and reference.name in os.environ
    }
    return config.resolve(values, partial=True)


def make_store(store_id: str, config: MeshConfig | None, registry: ConnectorRegistry) -> SecretStore:
    """The store as ``config`` sets it up; by its own defaults where ``config`` does not name it.

    Raises ConnectorError if there is no such store, ModelMeshError or ValueError if it cannot be made.
    """
    from ..interfaces.secret_store import SecretStoreConnector

    connector = registry.connector(SecretStoreConnector, store_id)
    return connector.create(config.secrets.options.get(connector.id) if config is not None else None)


def store_ids(config: MeshConfig | None) -> tuple[str, ...]:
    """Ids of the configured stores, in the order in which they are asked."""
    from ..config.schema import SecretsConfig

    return (config.secrets if config is not None else SecretsConfig()).store
