"""``modelmesh.memory-secrets.v1``: secrets given by the program, kept in memory only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import attrs
from modelmesh_core import Secret, SecretStore, SecretStoreConnector, hookimpl

from ._common import hidden


@attrs.frozen
class MemorySecretsOptions:
    """Options of ``modelmesh.memory-secrets.v1``."""

    values: Mapping[str, Secret] = attrs.field(factory=dict[str, Secret], converter=hidden)
    """Name → secret; plain strings are taken too."""


class MemorySecretStore(SecretStore):
    """A dict that is gone when the process ends."""

    writable = True

    def __init__(self, options: MemorySecretsOptions | None = None) -> None:
        self._values = dict((options or MemorySecretsOptions()).values)

    async def get(self, name: str) -> Secret | None:
        return self._values.get(name)

    async def set(self, name: str, value: Secret) -> None:
        self._values[name] = value

    async def delete(self, name: str) -> bool:
        return self._values.pop(name, None) is not None

    async def list(self) -> Sequence[str]:
        return sorted(self._values)


@hookimpl
def secret_store_connectors() -> Iterable[SecretStoreConnector]:
    yield SecretStoreConnector(
        id="modelmesh.memory-secrets.v1",
        create=MemorySecretStore,
        options=MemorySecretsOptions,
        description="Secrets given by the program, kept in memory only.",
    )
