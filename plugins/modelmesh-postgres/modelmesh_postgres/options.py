"""The options of ``postgres.postgres.v1``."""

from __future__ import annotations

import re
from typing import Any

import attrs
from modelmesh_core import Duration, Secret

_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def _check_schema(options: Any, field: Any, schema: str) -> None:
    if not _SCHEMA.fullmatch(schema) or schema.startswith("pg_"):
        raise ValueError("expected a name of small letters, digits and _, at most 63 of them, not beginning with pg_")


def _check_connections(options: Any, field: Any, connections: int) -> None:
    if connections < 1:
        raise ValueError("expected at least 1")


@attrs.frozen
class PostgresOptions:
    """Options of ``postgres.postgres.v1``."""

    url: Secret = Secret("postgresql://localhost/postgres")
    """``postgresql://user:password@host:port/database?sslmode=...``, or libpq's ``host=... dbname=...``."""
    schema: str = attrs.field(default="modelmesh", validator=_check_schema)
    """Holds the tables, and is made where there is none. What is kept in one schema is shared."""
    connect_timeout: Duration = 1.0
    timeout: Duration = 2.0
    """How long a statement may take. No call takes longer than both together."""
    connections: int = attrs.field(default=4, validator=_check_connections)
    """Most connections of one process."""
    counter_retention: Duration = 40 * 86400.0
    """Counters of a window that nobody added to for this long are forgotten; longer than the longest window."""
