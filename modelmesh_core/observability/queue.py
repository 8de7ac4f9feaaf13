"""SinkQueue: a bounded queue before each observability connector, so that it can neither slow nor fail a request."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Sequence

from ..interfaces.observability import Entry, ObservabilitySink, RequestCounter, json_line
from ..interfaces.records import DecisionRecord

logger = logging.getLogger("modelmesh.observability")

CAPACITY = 10_000
BATCH = 500


class SinkQueue:
    """Entries wait here until the background task hands them over; what does not fit is dropped and counted.

    ``put`` works from any thread and before ``start``: nothing that was put early is lost.
    """

    def __init__(self, name: str, sink: ObservabilitySink, *, capacity: int = CAPACITY, interval: float = 0.2) -> None:
        self.name = name
        self.dropped = 0
        self.failures = 0
        self.sink = sink
        self._entries: deque[Entry | bytes] = deque()
        self._as_lines = sink.takes_lines
        self.counter = sink if isinstance(sink, RequestCounter) else None
        """The sink, if it takes the records of requests themselves, by ``count``."""
        self._capacity = capacity
        self._interval = interval
        self._task: asyncio.Task[None] | None = None

    def put(self, entry: Entry) -> None:
        """Queue ``entry``; drop it if the queue is full. Never blocks."""
        self.put_all((entry,))

    def put_all(self, entries: Sequence[Entry]) -> None:
        """Queue ``entries``, and drop those that do not fit. Never blocks."""
        room = max(0, self._capacity - len(self._entries))
        if room < len(entries):
            self.dropped += len(entries) - room
            entries = entries[:room]
        self._entries.extend(map(json_line, entries) if self._as_lines else entries)

    def count(self, records: Sequence[DecisionRecord]) -> None:
        """Hand ended requests to ``counter`` at once. Those that it refuses are dropped: it may have counted some."""
        assert self.counter is not None
        try:
            self.counter.count(records)
        except Exception as error:
            self.dropped += len(records)
            self._failed(error)

    @property
    def waiting(self) -> int:
        """Entries that were not handed over yet."""
        return len(self._entries)

    def start(self) -> None:
        """Begin to hand over, in the running event loop."""
        self._task = asyncio.create_task(self._work(), name=f"modelmesh sink {self.name}")

    async def _work(self) -> None:
        while True:
            await self.flush()
            await asyncio.sleep(self._interval)

    async def flush(self) -> None:
        """Hand over what is queued now. A batch that the sink refuses is offered once more, then dropped."""
        while self._entries:
            batch = [self._entries.popleft() for _ in range(min(BATCH, len(self._entries)))]
            if not await self._offer(batch) and not await self._offer(batch):
                self.dropped += len(batch)
                return

    async def _offer(self, batch: Sequence[Entry | bytes]) -> bool:
        try:
            await self.sink.write(batch)
        except Exception as error:  # a stranger's sink may raise anything; it must not reach a request
            self._failed(error)
            return False
        return True

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        if self.failures == 1 or self.failures % 100 == 0:
            logger.warning("observability connector %s failed (%d times): %s", self.name, self.failures, error)

    async def close(self, drain: float = 5.0) -> None:
        """Hand over what is left, for at most ``drain`` seconds, and close the sink."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        try:
            async with asyncio.timeout(drain):
                await self.flush()
                await self.sink.close()
        except Exception as error:
            logger.warning("observability connector %s did not close: %s", self.name, error)
