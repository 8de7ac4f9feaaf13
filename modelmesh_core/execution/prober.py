"""Prober: asks providers whose models are on standby whether they work again, by their free health call."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from ..errors import ProviderError
from ..interfaces.routing import Reason
from ..pools import CapabilityPool
from ..values import Clock
from .accounting import Accounting
from .provider_service import ProviderService

logger = logging.getLogger("modelmesh.prober")

PROBE_TIMEOUT = 10.0


class Prober:
    """Probes models on standby for errors or auth, in pools with ``probe_interval`` or ``probe_on_start`` only.

    One call serves all models of a provider. Without these settings nothing is ever called: recovery is then left to
    half-open probes by real traffic.
    """

    def __init__(
        self,
        pools: Mapping[str, CapabilityPool],
        providers: Mapping[str, ProviderService],
        accounting: Accounting,
        clock: Clock,
    ) -> None:
        self._pools = pools
        self._providers = providers
        self._accounting = accounting
        self._clock = clock
        self._due: dict[str, float] = {}

    def interval(self) -> float | None:
        """Seconds between two rounds: the shortest ``probe_interval``, or None if no pool has one."""
        intervals = [pool.settings.recovery.probe_interval for pool in self._pools.values()]
        return min((interval for interval in intervals if interval is not None), default=None)

    async def start(self) -> None:
        """The round that ``probe_on_start`` asks for."""
        await self._probe({p.id for p in self._pools.values() if p.settings.recovery.probe_on_start})

    async def round(self) -> None:
        """One round over the pools whose ``probe_interval`` has passed."""
        now = self._clock.monotonic()
        due: set[str] = set()
        for pool in self._pools.values():
            interval = pool.settings.recovery.probe_interval
            if interval is not None and now >= self._due.get(pool.id, 0.0):
                self._due[pool.id] = now + interval
                due.add(pool.id)
        await self._probe(due)

    async def _probe(self, pool_ids: set[str]) -> None:
        waiting: dict[str, list[tuple[CapabilityPool, str]]] = {}
        for pool_id in pool_ids:
            pool = self._pools[pool_id]
            for member in pool.members.values():
                if member.standing.reason in (Reason.ERROR, Reason.AUTH):
                    waiting.setdefault(member.definition.provider, []).append((pool, member.model.id))
        for provider_name, members in waiting.items():
            provider = self._providers[provider_name]
            try:
                await provider.get_health(PROBE_TIMEOUT)
            except (ProviderError, NotImplementedError) as error:
                logger.info("provider %s is not back yet: %s", provider_name, error)
                continue
            for pool, model in members:
                pool.probe_succeeded(pool.members[model])
            if not provider.is_available():
                self._accounting.provider_recovered(provider)
