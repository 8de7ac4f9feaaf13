"""Small things that several connectors share."""

from __future__ import annotations

from collections.abc import Mapping

from modelmesh_core import ConnectorError, Secret


def hidden(values: Mapping[str, Secret | str]) -> Mapping[str, Secret]:
    """``values`` with every plain string made a Secret: an attrs converter for options that hold secrets by name."""
    return {name: value if isinstance(value, Secret) else Secret(value) for name, value in values.items()}


def missing_library(connector: str, library: str, extra: str) -> ConnectorError:
    """The error for a connector whose library is not installed."""
    return ConnectorError(
        f"{connector} needs the library {library}, which is not installed.",
        hint=f"pip install 'modelmesh-core[{extra}]'",
    )
