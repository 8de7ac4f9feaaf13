"""What connections send in one round of the event loop leaves together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

logger = logging.getLogger("modelmesh.transport")


class Outbox:
    """When the connections of one loop write.

    Each write wakes whoever reads at the other end. One after the other, with the work for a request between, they
    wake a sleeper every time, which costs more than the write; at the end of a round he is awake after the first. Where
    there is only one write a round it does not wait.
    """

    __slots__ = ("_is_busy", "_is_gathering", "_loop", "_waiting", "rounds")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.rounds = 0
        """How many rounds have ended in which anybody wrote."""
        self._is_gathering = False
        self._is_busy = False
        """Whether several wrote in the last round in which anybody did."""
        self._waiting: list[Callable[[], object]] = []

    def put(self, leave: Callable[[], object]) -> None:
        """Have ``leave``, which writes, called at once or at the end of this round."""
        if self._is_gathering:
            self._waiting.append(leave)
            return
        self._is_gathering = True
        self._loop.call_soon(self._flush)
        if self._is_busy:
            self._waiting.append(leave)
        else:
            leave()

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        self.rounds += 1
        self._is_gathering = False
        self._is_busy = len(waiting) > 1
        for leave in waiting:
            try:
                leave()
            except Exception:
                logger.exception("a connection could not write")
