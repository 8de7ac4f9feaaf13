"""EventEmitter: tells subscribers and connectors what changed."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..interfaces.observability import EVENTS, Event
from ..values import Clock
from .queue import SinkQueue

logger = logging.getLogger("modelmesh.events")

Subscriber = Callable[[Event], None]


class EventEmitter:
    """Takes events from anywhere in the mesh; they are delivered in the background, in order, each once.

    Events emitted before ``start`` are buffered and delivered then; none is lost.
    """

    def __init__(self, clock: Clock, *, capacity: int = 10_000) -> None:
        self._clock = clock
        self._capacity = capacity
        self._pending: deque[Event] = deque()
        self._subscribers: list[tuple[str | None, Subscriber]] = []
        self._queues: Sequence[SinkQueue] = ()
        self.dropped = 0
        """Events that found the buffer full."""

    def connect(self, queues: Sequence[SinkQueue]) -> None:
        """Deliver to these connectors, too."""
        self._queues = queues

    def emit(self, name: str, data: Mapping[str, Any]) -> None:
        """Note an event. Never blocks, never raises for a subscriber's fault."""
        assert name in EVENTS, f"{name!r} is no event; see EVENTS"
        if len(self._pending) >= self._capacity:
            self.dropped += 1
            return
        self._pending.append(Event(name, self._clock.now(), data))

    def subscribe(self, subscriber: Subscriber, name: str | None = None) -> None:
        """Call ``subscriber`` for each event, or for each named ``name``."""
        if name is not None and name not in EVENTS:
            raise ValueError(f"{name!r} is no event; there are {', '.join(EVENTS)}")
        self._subscribers.append((name, subscriber))

    def unsubscribe(self, subscriber: Subscriber) -> None:
        self._subscribers = [pair for pair in self._subscribers if pair[1] is not subscriber]

    def deliver(self) -> int:
        """Hand every pending event to subscribers and connectors; returns how many there were."""
        count = 0
        while self._pending:
            event = self._pending.popleft()
            count += 1
            for name, subscriber in self._subscribers:
                if name is None or name == event.name:
                    self._tell(subscriber, event)
            for queue in self._queues:
                queue.put({"type": "event", "at": event.at, "name": event.name, **event.data})
        return count

    def _tell(self, subscriber: Subscriber, event: Event) -> None:
        try:
            subscriber(event)
        except Exception as error:  # a stranger's subscriber may raise anything; the others still hear
            logger.warning("a subscriber failed on %s: %s: %s", event.name, type(error).__name__, error)
