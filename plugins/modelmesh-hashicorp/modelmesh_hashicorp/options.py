"""What can be set under ``secrets``."""

from __future__ import annotations

from typing import Literal

import attrs
from modelmesh_core import HttpStoreOptions, Secret


@attrs.frozen
class VaultOptions(HttpStoreOptions):
    """Options of ``hashicorp.vault.v1``."""

    address: str | None = None
    """Of the server. Default: ``VAULT_ADDR``, ``BAO_ADDR``, or ``https://127.0.0.1:8200``."""
    namespace: str | None = None
    """Default: ``VAULT_NAMESPACE`` or ``BAO_NAMESPACE``."""
    mount: str = "secret"
    """Where the key/value engine is mounted."""
    path: str = "modelmesh"
    """The entry of the engine whose fields are the secrets: one field a name. A name with slashes,
    ``team/openai/API_KEY``, is the field ``API_KEY`` of the entry ``team/openai``."""
    kv_version: Literal[1, 2] | None = None
    """Of the engine. Left out: the server is asked, which every token may do that can read the engine."""
    auth: Literal["token", "approle", "kubernetes"] | None = None
    """How to log in. Left out: by ``role_id`` if there is one, by ``role`` if there is one, else by the token."""
    auth_mount: str | None = None
    """Where the login method is mounted. Default: its own name."""
    token: Secret | None = None
    """Default: ``VAULT_TOKEN``, ``BAO_TOKEN``, or the file ``~/.vault-token``."""
    role_id: str | None = None
    """Of an AppRole. Default: ``VAULT_ROLE_ID``."""
    secret_id: Secret | None = None
    """Of an AppRole. Default: ``VAULT_SECRET_ID``."""
    role: str | None = None
    """The role to log in to with a Kubernetes service account."""
    service_account_file: str = "/var/run/secrets/kubernetes.io/serviceaccount/token"
    """Holds the service account's token. It is read anew for each login: Kubernetes replaces it."""
