"""Providers found by the variables that are set, when there is no configuration file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import ConfigurationError, ConnectorError
from ..interfaces.provider import ProviderConnector
from ..registry import ConnectorRegistry

CONFIG_VARIABLE = "MODELMESH_CONFIG"
LOCAL_PROVIDER = "modelmesh.local.v1"


def detect(environ: Mapping[str, str], registry: ConnectorRegistry) -> dict[str, Any]:
    """A configuration of every provider that ``environ`` has the variables of.

    Keys and addresses stand in it as references. Without any provider it has the in-process one, if that is
    installed. Raises ConfigurationError otherwise.
    """
    connectors = list(_connectors(registry))
    found = [connector for connector in connectors if _is_usable(connector, environ)]
    if not found and any(connector.id == LOCAL_PROVIDER for connector in connectors):
        return {"providers": {"local": {"connector": LOCAL_PROVIDER}}}
    if not found:
        raise ConfigurationError(
            "no configuration file was given, and no provider was found.", hint=_advice(connectors)
        )
    providers: dict[str, Any] = {}
    for connector in found:
        providers[_name(connector, providers)] = _entry(connector, environ)
    return {"providers": providers}


def _connectors(registry: ConnectorRegistry) -> Iterable[ProviderConnector]:
    for info in registry.list_connectors("provider"):
        try:
            yield registry.connector(ProviderConnector, info.id)
        except ConnectorError:
            continue  # a connector that cannot be imported is not there; `modelmesh doctor` tells of it


def _first_set(variables: Iterable[str], environ: Mapping[str, str]) -> str | None:
    return next((variable for variable in variables if environ.get(variable, "").strip()), None)


def _is_usable(connector: ProviderConnector, environ: Mapping[str, str]) -> bool:
    keys = connector.environment
    if keys is None or not (keys.api_key or keys.base_url or keys.required):
        return False
    if not all(environ.get(variable, "").strip() for variable in keys.required):
        return False
    if connector.requires_api_key and keys.api_key:
        return _first_set(keys.api_key, environ) is not None
    either = (*keys.api_key, *keys.base_url)
    return not either or _first_set(either, environ) is not None


def _entry(connector: ProviderConnector, environ: Mapping[str, str]) -> dict[str, Any]:
    entry: dict[str, Any] = {"connector": connector.id}
    keys = connector.environment
    if keys is None:
        return entry
    api_key = _first_set(keys.api_key, environ)
    if api_key is not None:
        entry["api_key"] = f"${{env:{api_key}}}"
    address = _first_set(keys.base_url, environ)
    if address is not None:
        entry["base_url"] = f"${{env:{address}}}"
    for option, variable in keys.options.items():
        if environ.get(variable, "").strip():
            entry[option] = f"${{env:{variable}}}"
    return entry


def _name(connector: ProviderConnector, taken: Mapping[str, Any]) -> str:
    name = connector.default_name or connector.id.partition(".")[0]
    return name if name not in taken else connector.id.rpartition(".")[0].replace(".", "-")


def _advice(connectors: Iterable[ProviderConnector]) -> str:
    known = [connector.environment for connector in connectors if connector.environment]
    variables = [(keys.api_key or keys.base_url or keys.required)[:1] for keys in known]
    names = [name for first in variables for name in first]
    if not names:
        return "Install a provider connector, or write a file with `modelmesh config init`."
    shown = ", ".join(names[:8]) + (" or another provider's variable" if len(names) > 8 else "")
    return f"Set {shown}, or write a file with `modelmesh config init` and name it in {CONFIG_VARIABLE}."
