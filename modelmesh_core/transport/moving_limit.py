"""A limit on time that moves with every call and costs no timer each time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .failures import CLOCK_PRECISION


class MovingLimit:
    """Calls ``passed`` once the moment set last has passed, by the loop's clock.

    One timer stands at the earliest moment that was set, and looks when it rings whether the limit has moved: with
    limits of minutes on calls of milliseconds it hardly ever rings.
    """

    __slots__ = ("_loop", "_moment", "_passed", "_rings_at", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, passed: Callable[[], None]) -> None:
        self._loop = loop
        self._passed = passed
        self._moment: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = 0.0

    def set(self, moment: float | None) -> None:
        """Where the limit is now; None for nowhere."""
        self._moment = moment
        if moment is not None and (self._timer is None or moment < self._rings_at):
            if self._timer is not None:
                self._timer.cancel()
            self._rings_at = moment
            self._timer = self._loop.call_at(moment, self._ring)

    def lift(self) -> None:
        """No limit until the next is set; the timer stays."""
        self._moment = None

    def close(self) -> None:
        self._moment = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        self._timer = None
        moment = self._moment
        if moment is None:
            return
        if self._loop.time() + CLOCK_PRECISION < moment:
            self.set(moment)
        else:
            self._moment = None
            self._passed()
