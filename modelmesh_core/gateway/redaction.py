"""What an answer must never say: upstream keys and internal addresses."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from ..config import MeshConfig
from ..interfaces.provider import ProviderConnector
from ..registry import ConnectorRegistry

HIDDEN = "[hidden]"
SHORTEST = 6
"""Shorter values are no secrets, and would be found inside ordinary words."""

_PATTERNS = re.compile(
    r"""
      bearer\s+[^\s"'\\]+                                                        # a credential as it is sent
    | \b(?:sk|pk|gsk|xai|hf)[-_][\w*.-]{6,} | \bAIza[\w*-]{10,}                   # the usual shapes of a key
    | \bhttps?://(?:[\w-]+|[\w.-]+\.(?:local|localdomain|internal|intranet|lan|corp|home|svc)|\[[0-9a-f:.]+\])
      (?=[:/\s"'\\?,;)]|\.?$)(?::\d+)?[^\s"'\\]*                                  # a URL inside the network
    | \b(?:https?://)?\d{1,3}(?:\.\d{1,3}){3}\b(?::\d+)?(?:/[^\s"'\\]*)?          # an IPv4 address, as URL or alone
    """,
    re.VERBOSE | re.IGNORECASE,
)


class Redactor:
    """Takes the known secrets and addresses out of a text, and whatever looks like one."""

    def __init__(self, confidential: Iterable[str] = ()) -> None:
        values = sorted({value for value in confidential if len(value) >= SHORTEST}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, values))) if values else None

    def __call__(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        return _PATTERNS.sub(HIDDEN, text)


def redactor_for(config: MeshConfig, registry: ConnectorRegistry) -> Redactor:
    """A Redactor that knows the keys, headers and addresses of every configured provider."""
    return Redactor(_confidential(config, registry))


def _confidential(config: MeshConfig, registry: ConnectorRegistry) -> Iterator[str]:
    for entry in config.providers.values():
        if not entry.enabled:
            continue
        secrets = [entry.api_key, entry.proxy_url, *entry.headers.values()]
        yield from (secret.reveal() for secret in secrets if secret is not None)
        addresses = [entry.base_url, entry.proxy_url.reveal() if entry.proxy_url else None]
        environment = registry.connector(ProviderConnector, entry.connector).environment
        if environment is not None:
            yield from (os.environ.get(name, "") for name in environment.api_key)
            addresses.extend(os.environ.get(name) for name in environment.base_url)
        for address in filter(None, addresses):
            yield address
            yield address.rstrip("/")
            yield urlsplit(address).netloc
            yield urlsplit(address).hostname or ""
