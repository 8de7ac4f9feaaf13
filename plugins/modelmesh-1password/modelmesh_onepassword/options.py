"""What can be set under ``secrets``."""

from __future__ import annotations

import attrs
from modelmesh_core import HttpStoreOptions, Secret


@attrs.frozen
class ConnectOptions(HttpStoreOptions):
    """Options of ``1password.connect.v1``."""

    connect_host: str | None = None
    """Address of the Connect server. Default: ``OP_CONNECT_HOST``."""
    connect_token: Secret | None = None
    """Default: ``OP_CONNECT_TOKEN``."""
    vault: str | None = None
    """Name or id. Left out: the one vault that the token can see."""
    field: str = "credential"
    """Label of the field that a name without one means, where the item has it; else the item's password."""
