"""Services: the discovery connectors of a mesh, run in the background and started again when they fail."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .config.schema import DiscoveryConfig, HealthConfig, SyncConfig
from .interfaces.discovery import DiscoveryConnector, DiscoveryService
from .registry import ConnectorRegistry

if TYPE_CHECKING:
    from .mesh import ModelMesh

logger = logging.getLogger("modelmesh.discovery")


class Services:
    """Those that the configuration switches on."""

    def __init__(self, registry: ConnectorRegistry, mesh: ModelMesh) -> None:
        self._registry = registry
        self._mesh = mesh
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, config: DiscoveryConfig) -> None:
        """Stop what runs, and start what ``config`` wants. Raises ConnectorError."""
        await self.stop()
        made = list(self._made(config))
        self._tasks = [
            asyncio.create_task(_kept_running(name, service, interval), name=f"modelmesh discovery {name}")
            for name, service, interval in made
        ]

    def _made(self, config: DiscoveryConfig) -> Iterator[tuple[str, DiscoveryService, float]]:
        sections: tuple[SyncConfig | HealthConfig, ...] = (config.sync, config.health)
        for section in sections:
            if section.enabled:
                connector = self._registry.connector(DiscoveryConnector, section.connector)
                yield connector.id, connector.create(section.options, self._mesh), section.interval

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []


async def _kept_running(name: str, service: DiscoveryService, interval: float) -> None:
    while True:
        try:
            await service.run()
        except Exception:
            logger.exception("discovery service %s failed, and is started again in %g s", name, interval)
        await asyncio.sleep(interval)
