"""What an answer must never say: upstream keys and internal addresses."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator
from urllib.parse import urlsplit

from ..config import MeshConfig
from ..engine import Engine
from ..execution.provider_service import ProviderService
from ..interfaces.provider import ProviderConnector
from ..registry import ConnectorRegistry

HIDDEN = "[hidden]"
SHORTEST = 6
"""Shorter values are no secrets, and would be found inside ordinary words."""

_PATTERNS = re.compile(
    r"""
      bearer\s+[^\s"'\\]+                                                        # a credential as it is sent
    | \bmm-[0-9a-f]{16}-[\w-]{20,}                                                # a key of this gateway
    | \b(?:sk|pk|gsk|xai|hf)[-_][\w*.-]{6,} | \bAIza[\w*-]{10,}                   # the usual shapes of a key
    | \bhttps?://(?:[\w-]+|[\w.-]+\.(?:local|localdomain|internal|intranet|lan|corp|home|svc)|\[[0-9a-f:.]+\])
      (?=[:/\s"'\\?,;)]|\.?$)(?::\d+)?[^\s"'\\]*                                  # a URL inside the network
    | \b(?:https?://)?\d{1,3}(?:\.\d{1,3}){3}\b(?::\d+)?(?:/[^\s"'\\]*)?          # an IPv4 address, as URL or alone
    """,
    re.VERBOSE | re.IGNORECASE,
)


class Redactor:
    """Takes the known secrets and addresses out of a text, and whatever looks like one."""

    def __init__(self, confidential: Iterable[str] = (), services: Collection[ProviderService] = ()) -> None:
        """``services``: what they get while they run is confidential, too."""
        self._confidential = frozenset(confidential)
        self._services = services
        self._learnt = 0
        self._known = _any_of(self._confidential)

    def __call__(self, text: str) -> str:
        if sum(len(service.renewed) for service in self._services) != self._learnt:
            renewed = [secret for service in self._services for secret in service.renewed]
            self._known = _any_of(self._confidential.union(secret.reveal() for secret in renewed))
            self._learnt = len(renewed)
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        return _PATTERNS.sub(HIDDEN, text)


def _any_of(confidential: Iterable[str]) -> re.Pattern[str] | None:
    values = sorted({value for value in confidential if len(value) >= SHORTEST}, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, values))) if values else None


def redactor_for(engine: Engine, registry: ConnectorRegistry) -> Redactor:
    """A Redactor that knows the keys, headers and addresses of every configured provider, also those of later."""
    return Redactor(_confidential(engine.config, registry), engine.providers.values())


def _confidential(config: MeshConfig, registry: ConnectorRegistry) -> Iterator[str]:
    for entry in config.providers.values():
        if not entry.enabled:
            continue
        yield from (secret.reveal() for secret in entry.secrets())
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
