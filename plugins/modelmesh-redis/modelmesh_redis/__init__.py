"""Redis for ModelMesh: ``redis.redis.v1``."""

from __future__ import annotations

from collections.abc import Iterable

from modelmesh_core import StorageConnector, hookimpl

from .options import RedisOptions
from .storage import RedisStorage

__all__ = ["RedisOptions", "RedisStorage", "storage_connectors"]


@hookimpl
def storage_connectors() -> Iterable[StorageConnector]:
    yield StorageConnector(
        id="redis.redis.v1",
        create=RedisStorage,
        options=RedisOptions,
        description="Redis or Valkey, one server or a cluster, shared by every process that reaches it.",
    )
