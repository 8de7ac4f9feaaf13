"""Observability: the emitter, the request log, the statistics and their queues, as one configuration wants them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from ..interfaces.observability import Entry, MetricsSink, ObservabilityConnector, Snapshot
from ..interfaces.records import DecisionRecord
from ..registry import ConnectorRegistry
from ..values import Clock
from .emitter import EventEmitter
from .present import queue_entries
from .queue import SinkQueue
from .request_log import RequestLogger
from .statistics import StatisticsCollector

logger = logging.getLogger("modelmesh.observability")

TICK_SECONDS = 0.1
BATCH = 128
"""Ended requests that are counted together, before the next tick. Each batch is small enough (0.4 MB) to be in the
processor's cache still: records that lie until a tick cost several times as much to read, and slow the requests
meanwhile. With 32 in a batch a request costs 3 % more."""
_MAX_WAITING = 20_000


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
    """Everything that tells the outside about the mesh. Nothing in here is on a request's path but an append."""

    def __init__(
        self, clock: Clock, registry: ConnectorRegistry, present: Callable[[], Iterable[Entry]] = tuple
    ) -> None:
        """``present`` gives the entries of what is true of the mesh now."""
        self._clock = clock
        self._registry = registry
        self._present = present
        self._queues: list[SinkQueue] = []
        self._gauge_queues: list[SinkQueue] = []
        self._task: asyncio.Task[None] | None = None
        self._ended: list[DecisionRecord] = []
        self._lock = threading.RLock()  # a stranger's counter may ask for the totals
        self._flush_interval = 60.0
        self.emitter = EventEmitter(clock)
        self.log = RequestLogger()
        self.statistics = StatisticsCollector(clock)
        self._counting: list[SinkQueue] = []
        self.emitter.subscribe(self.statistics.on_event)

    def configure(self, settings: Settings) -> None:
        """Make the queues and sinks that ``settings`` names. Raises ConnectorError."""
        made = _Queues(self._registry)
        routing = made.of(settings.routing)
        requests = made.of(settings.logging)
        statistics = made.of(settings.statistics)
        self._queues = made.all
        self._gauge_queues = made.wanting("gauge")
        self.emitter.connect([*routing, *made.wanting("event")])
        listening = made.wanting("request")
        self._counting = [queue for queue in (*requests, *listening) if queue.counter is not None]
        self.log = RequestLogger(_logging(requests), settings.logging.level, _logging(listening))
        self.statistics.connect([*statistics, *made.wanting("statistics")])
        self._flush_interval = settings.statistics.flush_interval

    def observe(self, record: DecisionRecord) -> None:
        """A request ended, in whichever event loop served it."""
        self._ended.append(record)
        waiting = len(self._ended)
        if waiting == BATCH:
            with contextlib.suppress(RuntimeError):  # a coroutine that is closed after its loop has ended
                asyncio.get_running_loop().call_soon(self.collect)
        elif waiting >= _MAX_WAITING:
            self.collect()

    def collect(self) -> None:
        """Count and log what ended. Callable from any thread."""
        with self._lock:
            records = self._ended[:]
            del self._ended[: len(records)]
            if not records:
                return
            self.statistics.count(records)
            for queue in self._counting:
                queue.count(records)
            self.log.log(records)

    def totals(self) -> dict[str, dict[str, Any]]:
        """Scope (model, provider, pool, key) → name → counts, of everything that ended so far."""
        self.collect()
        return self.statistics.everything()

    @property
    def dropped(self) -> dict[str, int]:
        """Connector → entries that did not fit or were refused twice."""
        return {queue.name: queue.dropped for queue in self._queues}

    @property
    def propagates(self) -> bool:
        """Whether a connector asks that providers are told of traces."""
        return any(queue.sink.propagates for queue in self._queues)

    @property
    def metrics(self) -> MetricsSink | None:
        """The first connector that can be read, if one is configured."""
        return next((queue.sink for queue in self._queues if isinstance(queue.sink, MetricsSink)), None)

    def metrics_snapshot(self) -> Snapshot | None:
        """What that connector has counted, with what is true now; None without one. Callable from any thread."""
        self.collect()
        sink = self.metrics
        return sink.snapshot(self._gauges()) if sink is not None else None

    def _gauges(self) -> Sequence[Entry]:
        return [*queue_entries(self._queues, self.emitter.dropped, self._clock.now()), *self._present()]

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
            self.collect()
            if self._clock.monotonic() - flushed >= self._flush_interval:
                flushed = self._clock.monotonic()
                self._flush_safely()
            await asyncio.sleep(TICK_SECONDS)

    def _flush_safely(self) -> None:
        try:
            self._flush()
        except Exception:
            logger.exception("statistics could not be sent")

    def _flush(self) -> None:
        self.collect()
        self.statistics.flush()
        if self._gauge_queues:
            for entry in self._gauges():
                for queue in self._gauge_queues:
                    queue.put(entry)

    def _deliver(self) -> None:
        try:
            self.emitter.deliver()
        except Exception:
            logger.exception("events could not be delivered")

    async def replace(self, settings: Settings) -> None:
        """Change to other settings; what is queued for the old connectors is handed over first."""
        self._deliver()
        self.collect()
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
        self._flush_safely()
        for queue in self._queues:
            await queue.close()


def _logging(queues: Iterable[SinkQueue]) -> list[SinkQueue]:
    return [queue for queue in queues if queue.counter is None]


class _Queues:
    """The queues of one configuration, while it is gone through."""

    def __init__(self, registry: ConnectorRegistry) -> None:
        self._registry = registry
        self._whole: list[tuple[ObservabilityConnector, Any, SinkQueue]] = []
        self.all: list[SinkQueue] = []

    def of(self, section: Section) -> list[SinkQueue]:
        """Those that get entries because ``section`` names them. Raises ConnectorError."""
        queues: list[SinkQueue] = []
        for destination in section.connector:
            connector = self._registry.connector(ObservabilityConnector, destination.connector)
            if connector.wants and any(
                known.id == connector.id and options == destination.options for known, options, _ in self._whole
            ):
                continue
            queue = SinkQueue(connector.id, connector.create(destination.options))
            self.all.append(queue)
            if connector.wants:
                self._whole.append((connector, destination.options, queue))
            else:
                queues.append(queue)
        return queues

    def wanting(self, type_: str) -> list[SinkQueue]:
        """Those that get entries of ``type_`` because their connector asks for them."""
        return [queue for connector, _, queue in self._whole if type_ in connector.wants]
