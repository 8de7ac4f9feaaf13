"""What can be set under ``secrets``."""

from __future__ import annotations

from typing import Literal

import attrs
from modelmesh_core import HttpStoreOptions, Secret


@attrs.frozen
class KeyVaultOptions(HttpStoreOptions):
    """Options of ``microsoft.key-vault.v1``."""

    vault_url: str | None = None
    """``https://NAME.vault.azure.net``, or the NAME alone. Default: ``AZURE_KEYVAULT_URL``."""
    login: Literal["token", "client-secret", "workload-identity", "managed-identity"] | None = None
    """How to log in. Left out: the first of these for which everything is set; the last one needs nothing."""
    access_token: Secret | None = None
    """A token for the vault, as it is. It is not replaced when it ends."""
    tenant_id: str | None = None
    """Default: ``AZURE_TENANT_ID``."""
    client_id: str | None = None
    """Of the application, or of a user-assigned identity. Default: ``AZURE_CLIENT_ID``."""
    client_secret: Secret | None = None
    """Of the application. Default: ``AZURE_CLIENT_SECRET``."""
    federated_token_file: str | None = None
    """Holds the token of a workload identity. Default: ``AZURE_FEDERATED_TOKEN_FILE``."""
    authority: str | None = None
    """Where tokens of applications come from. Default: ``AZURE_AUTHORITY_HOST`` or Microsoft's public cloud."""
    resource: str | None = None
    """What tokens are for. Default: ``https://vault.azure.net``, or that of the vault's own cloud."""
    identity_endpoint: str | None = None
    """Where tokens of managed identities come from. Default: ``IDENTITY_ENDPOINT``, or a machine's own address."""
