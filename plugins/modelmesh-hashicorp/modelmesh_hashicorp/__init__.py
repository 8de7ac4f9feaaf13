"""``hashicorp.vault.v1``: secrets in HashiCorp Vault or OpenBao, in a key/value engine of version 1 or 2."""

from __future__ import annotations

from collections.abc import Iterable

from modelmesh_core import SecretStore, SecretStoreConnector, hookimpl

from .options import VaultOptions


@hookimpl
def secret_store_connectors() -> Iterable[SecretStoreConnector]:
    yield SecretStoreConnector(
        id="hashicorp.vault.v1",
        create=_create,
        options=VaultOptions,
        description="HashiCorp Vault and OpenBao.",
    )


def _create(options: VaultOptions | None) -> SecretStore:
    from .store import VaultSecretStore

    return VaultSecretStore(options)
