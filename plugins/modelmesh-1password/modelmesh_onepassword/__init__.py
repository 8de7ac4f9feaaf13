"""``1password.connect.v1``: secrets in a 1Password vault, over a Connect server."""

from __future__ import annotations

from collections.abc import Iterable

from modelmesh_core import SecretStore, SecretStoreConnector, hookimpl

from .options import ConnectOptions


@hookimpl
def secret_store_connectors() -> Iterable[SecretStoreConnector]:
    yield SecretStoreConnector(
        id="1password.connect.v1",
        create=_create,
        options=ConnectOptions,
        description="1Password, over a Connect server.",
    )


def _create(options: ConnectOptions | None) -> SecretStore:
    from .store import ConnectSecretStore

    return ConnectSecretStore(options)
