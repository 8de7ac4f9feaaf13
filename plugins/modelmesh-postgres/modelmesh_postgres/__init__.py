"""PostgreSQL for ModelMesh: ``postgres.postgres.v1``."""

from __future__ import annotations

from collections.abc import Iterable

from modelmesh_core import StorageConnector, hookimpl

from .options import PostgresOptions
from .storage import PostgresStorage

__all__ = ["PostgresOptions", "PostgresStorage", "storage_connectors"]


@hookimpl
def storage_connectors() -> Iterable[StorageConnector]:
    yield StorageConnector(
        id="postgres.postgres.v1",
        create=PostgresStorage,
        options=PostgresOptions,
        description="A PostgreSQL database, shared by every process that reaches it.",
    )
