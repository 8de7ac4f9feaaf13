"""Discovery connectors: background services that look for models and watch health."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import attrs


class DiscoveryService(ABC):
    """One configured background service."""

    @abstractmethod
    async def run(self) -> None:
        """Work until cancelled. An exception is reported and the service is started again after its interval."""


@attrs.frozen
class DiscoveryConnector:
    """A discovery connector, as a plugin's ``discovery_connectors`` hook yields it."""

    id: str
    create: Callable[[Any, Any], DiscoveryService]
    """Takes an instance of ``options`` and the running ModelMesh."""
    options: type | None = None
    description: str = ""
