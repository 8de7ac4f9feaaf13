"""Which configuration a command means, and the mesh of it."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..config import MeshConfig
    from ..interfaces.storage import Storage
    from ..mesh import ModelMesh
    from ..registry import ConnectorRegistry

CONFIG_VARIABLE = "MODELMESH_CONFIG"
CONFIG_FILE = "modelmesh.yaml"
DEFAULT_STORAGE = ("modelmesh.sqlite.v1", "periodic", 5.0)
"""Connector, sync policy and interval in seconds, where the configuration names no storage."""


def config_file(arguments: Namespace) -> Path | None:
    """``--config``, else ``$MODELMESH_CONFIG``, else ``./modelmesh.yaml`` if it exists; None for detection."""
    stated: str | None = arguments.config or os.environ.get(CONFIG_VARIABLE)
    if stated:
        return Path(stated)
    here = Path(CONFIG_FILE)
    return here if here.exists() else None


def load_config(arguments: Namespace, registry: ConnectorRegistry | None = None) -> MeshConfig:
    """The configuration that the command means. Raises ConfigurationError."""
    from ..config import MeshConfig

    file = config_file(arguments)
    return MeshConfig.from_env(registry=registry) if file is None else MeshConfig.from_yaml(file, registry)


def open_mesh(arguments: Namespace, *, read_only: bool = False) -> ModelMesh:
    """The mesh that the command means, for a ``with`` block. ``read_only`` for commands that only look."""
    from ..mesh import ModelMesh

    return ModelMesh(config_file(arguments), default_storage=DEFAULT_STORAGE, read_only=read_only)


@asynccontextmanager
async def open_storage(arguments: Namespace) -> AsyncGenerator[tuple[MeshConfig, Storage]]:
    """The configured storage, for commands that need no provider. Raises ModelMeshError."""
    from ..interfaces.storage import StorageConnector
    from ..registry import ConnectorRegistry
    from ..secrets import SecretResolver, fill_references
    from ..values import SystemClock
    from .stores import make_store, store_ids, with_environment

    registry = ConnectorRegistry()
    config = with_environment(load_config(arguments, registry))
    for package in config.connectors.packages:
        registry.load_package(package.path, package.sha256)
    stores = [(store_id, make_store(store_id, config, registry)) for store_id in store_ids(config)]
    resolver = SecretResolver(stores, SystemClock())
    try:
        config = await fill_references(config, resolver, os.environ, sections=("storage", "proxy"))
    finally:
        await resolver.close()
    connector = registry.connector(StorageConnector, config.storage.connector or DEFAULT_STORAGE[0])
    storage = connector.create(config.storage.options)
    await storage.open()
    try:
        yield config, storage
    finally:
        await storage.close()
