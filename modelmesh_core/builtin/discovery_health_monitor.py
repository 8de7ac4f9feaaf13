"""``modelmesh.health-monitor.v1``: tries providers that nobody asks, by their cheapest call."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from random import Random
from typing import TYPE_CHECKING, Any

from modelmesh_core import DiscoveryConnector, DiscoveryService, ProviderError, hookimpl

if TYPE_CHECKING:
    from modelmesh_core import ModelMesh

logger = logging.getLogger("modelmesh.discovery")

_AT_ONCE = 4
_SPREAD = 0.1
"""Share of the interval by which rounds vary, so that many gateways do not call at the same moment."""


class HealthMonitor(DiscoveryService):
    """Watches the providers of ``discovery.health``.

    Real traffic comes first: a provider that was asked within the interval is judged by that, and not called. Any
    other one is called by what costs nothing (its list of models, in most cases). After ``failure_threshold`` failures
    in a row its models go on standby, as after an outage; a call that works brings back what an outage put there.
    """

    def __init__(self, mesh: ModelMesh) -> None:
        self._mesh = mesh
        self._failures: dict[str, int] = {}
        self._random = Random()

    async def run(self) -> None:
        while True:
            await self.round()
            interval = self._mesh.config.discovery.health.interval
            await asyncio.sleep(interval * self._random.uniform(1 - _SPREAD, 1 + _SPREAD))

    async def round(self) -> None:
        """One look at every provider."""
        names = self._mesh.config.discovery.health.providers or tuple(self._mesh.engine.providers)
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(name: str) -> None:
            async with gate:
                await self._look_at(name)

        await asyncio.gather(*map(one, names))

    async def _look_at(self, name: str) -> None:
        settings, engine = self._mesh.config.discovery.health, self._mesh.engine
        service = engine.providers.get(name)
        if service is None:  # switched off
            return
        asked_at = engine.last_request(name)
        if service.is_available() and asked_at is not None and self._mesh.clock.now() - asked_at < settings.interval:
            self._failures.pop(name, None)
            return
        try:
            await service.get_health(settings.timeout)
        except NotImplementedError:
            return  # there is no call that costs nothing
        except ProviderError as error:
            self._failed(service, error)
        except Exception:  # a connector's bug is no reason to leave the others unwatched
            logger.exception("the health check of provider %s could not be made", name)
        else:
            self._failures.pop(name, None)
            if not service.is_available():
                engine.router.accounting.account_works(service)
                logger.info("provider %s works again", name)

    def _failed(self, service: Any, error: ProviderError) -> None:
        name: str = service.name
        count = self._failures[name] = self._failures.get(name, 0) + 1
        threshold = self._mesh.config.discovery.health.failure_threshold
        logger.warning("provider %s failed a health check (%d of %d): %s", name, count, threshold, error.message)
        if count >= threshold and service.is_available():
            accounting: Any = self._mesh.engine.router.accounting
            accounting.account_fails(service, error.failure)


@hookimpl
def discovery_connectors() -> Iterable[DiscoveryConnector]:
    yield DiscoveryConnector(
        id="modelmesh.health-monitor.v1",
        create=lambda options, mesh: HealthMonitor(mesh),
        description="Tries providers that nobody asks, by their cheapest call.",
    )
