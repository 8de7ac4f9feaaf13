"""``modelmesh.env.v1``: secrets from environment variables. The default store."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from modelmesh_core import Secret, SecretStore, SecretStoreConnector, hookimpl


class EnvSecretStore(SecretStore):
    """Reads ``environ`` (default: this process's) at each question. A variable that is set to nothing counts as unset.

    It cannot list: what else is in the environment is not ours to show.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ

    async def get(self, name: str) -> Secret | None:
        value = self._environ.get(name)
        return Secret(value) if value else None


@hookimpl
def secret_store_connectors() -> Iterable[SecretStoreConnector]:
    yield SecretStoreConnector(
        id="modelmesh.env.v1",
        create=lambda options: EnvSecretStore(),
        description="Environment variables.",
    )
