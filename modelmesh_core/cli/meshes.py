"""Which configuration a command means, and the mesh of it."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..config import MeshConfig
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
