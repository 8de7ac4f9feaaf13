"""The options of ``redis.redis.v1``."""

from __future__ import annotations

import re
from typing import Any

import attrs
from modelmesh_core import Duration, Secret

_PREFIX = re.compile(r"[^{}\s]+")


def _check_prefix(options: Any, field: Any, prefix: str) -> None:
    if not _PREFIX.fullmatch(prefix):
        raise ValueError("expected at least one character, and neither braces nor spaces")


def _check_connections(options: Any, field: Any, connections: int) -> None:
    if connections < 1:
        raise ValueError("expected at least 1")


@attrs.frozen
class RedisOptions:
    """Options of ``redis.redis.v1``."""

    url: Secret = Secret("redis://localhost:6379/0")
    """``redis://user:password@host:port/database``; ``rediss://`` for TLS, ``unix://`` for a socket."""
    prefix: str = attrs.field(default="modelmesh", validator=_check_prefix)
    """What is kept under one prefix is shared. Keys begin with it, in braces: a cluster keeps them on one node."""
    cluster: bool = False
    """Whether ``url`` is a node of a Redis Cluster."""
    tls_ca_file: str | None = None
    """Certificates of the authorities that may have signed the server's; default: the system's."""
    connect_timeout: Duration = 1.0
    timeout: Duration = 2.0
    """How long a command may take. No call takes longer than both together."""
    connections: int = attrs.field(default=16, validator=_check_connections)
    """Most connections of one process."""
    counter_retention: Duration = 40 * 86400.0
    """Counters of a window that nobody added to for this long are forgotten; longer than the longest window."""
