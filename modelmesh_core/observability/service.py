"""Observability: the emitter, the request log, the statistics and their queues, as one configuration wants them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from typing import Any, Protocol

from ..interfaces.observability import ObservabilityConnector
from ..interfaces.records import DecisionRecord
from ..registry import ConnectorRegistry
from ..values import Clock
from .emitter import EventEmitter
from .queue import SinkQueue
from .request_log import RequestLogger
from .statistics import StatisticsCollector

logger = logging.getLogger("modelmesh.observability")

TICK_SECONDS = 0.1


class Destination(Protocol):
    """A connector's id with its validated options."""

    @property
    def connector(self) -> str: ...
    @property
    def options(self) -> Any: ...


class Section(Protocol):
    """``observability.routing``, and what all sections share."""

    @property
    def connector(self) -> Iterable[Destination]: ...


class LogSection(Section, Protocol):
    @property
    def level(self) -> str: ...


class StatisticsSection(Section, Protocol):
    @property
    def flush_interval(self) -> float: ...


class Settings(Protocol):
    """The ``observability`` section."""

    @property
    def routing(self) -> Section: ...
    @property
    def logging(self) -> LogSection: ...
    @property
    def statistics(self) -> StatisticsSection: ...


class Observability:
    """Everything that tells the outside about the mesh. Nothing in here is on a request's path but two appends."""

    def __init__(self, clock: Clock, registry: ConnectorRegistry) -> None:
        self._clock = clock
        self._registry = registry
        self._queues: list[SinkQueue] = []
        self._task: asyncio.Task[None] | None = None
        self._flush_interval = 60.0
        self.emitter = EventEmitter(clock)
        self.log = RequestLogger()
        self.statistics = StatisticsCollector(clock)
        self.emitter.subscribe(self.statistics.on_event)

    def configure(self, settings: Settings) -> None:
        """Make the queues and sinks that ``settings`` names. Raises ConnectorError."""
        routing = self._make(settings.routing)
        logging_queues = self._make(settings.logging)
        statistics = self._make(settings.statistics)
        self._queues = [*routing, *logging_queues, *statistics]
        self.emitter.connect(routing)
        self.log = RequestLogger(logging_queues, settings.logging.level)
        self.statistics.connect(statistics)
        self._flush_interval = settings.statistics.flush_interval

    def _make(self, section: Section) -> list[SinkQueue]:
        queues: list[SinkQueue] = []
        for destination in section.connector:
            connector = self._registry.connector(ObservabilityConnector, destination.connector)
            queues.append(SinkQueue(connector.id, connector.create(destination.options)))
        return queues

    def observe(self, record: DecisionRecord) -> None:
        """A request ended."""
        self.statistics.record(record)
        if self.log.listens:
            self.log.log(record.to_dict())

    @property
    def dropped(self) -> dict[str, int]:
        """Connector → entries that did not fit or were refused twice."""
        return {queue.name: queue.dropped for queue in self._queues}

    def start(self) -> None:
        """Deliver from now on, in the running event loop; what was buffered comes first."""
        for queue in self._queues:
            queue.start()
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name="modelmesh observability")

    async def _work(self) -> None:
        flushed = self._clock.monotonic()
        while True:
            self._deliver()
            self.statistics.collect()
            if self._clock.monotonic() - flushed >= self._flush_interval:
                flushed = self._clock.monotonic()
                self.statistics.flush()
            await asyncio.sleep(TICK_SECONDS)

    def _deliver(self) -> None:
        try:
            self.emitter.deliver()
        except Exception:
            logger.exception("events could not be delivered")

    async def replace(self, settings: Settings) -> None:
        """Change to other settings; what is queued for the old connectors is handed over first."""
        self._deliver()
        old = self._queues
        self.configure(settings)
        self.start()
        for queue in old:
            await queue.close()

    async def close(self) -> None:
        """Deliver what is left and close every sink."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        self._deliver()
        self.statistics.flush()
        for queue in self._queues:
            await queue.close()
