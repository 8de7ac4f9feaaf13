"""What the suites share: a clock that stands still, and async tests that need no pytest plugin."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar

Suite = TypeVar("Suite")
P = ParamSpec("P")


class StandingClock:
    """A ``Clock`` that moves only by ``advance`` and ``sleep``."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self._now = now

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)
        await asyncio.sleep(0)

    def advance(self, seconds: float) -> None:
        self._now += seconds


def in_loop(
    test: Callable[Concatenate[Suite, P], Coroutine[Any, Any, None]],
) -> Callable[Concatenate[Suite, P], None]:
    """Make an async test method a plain one that runs in an event loop of its own."""

    @functools.wraps(test)
    def run(self: Suite, *args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(self, *args, **kwargs))

    return run
