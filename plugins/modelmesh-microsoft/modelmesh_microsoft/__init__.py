"""``microsoft.key-vault.v1``: secrets in Azure Key Vault."""

from __future__ import annotations

from collections.abc import Iterable

from modelmesh_core import SecretStore, SecretStoreConnector, hookimpl

from .options import KeyVaultOptions


@hookimpl
def secret_store_connectors() -> Iterable[SecretStoreConnector]:
    yield SecretStoreConnector(
        id="microsoft.key-vault.v1",
        create=_create,
        options=KeyVaultOptions,
        description="Azure Key Vault.",
    )


def _create(options: KeyVaultOptions | None) -> SecretStore:
    from .store import KeyVaultSecretStore

    return KeyVaultSecretStore(options)
