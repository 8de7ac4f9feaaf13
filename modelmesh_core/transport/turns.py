"""How busy an event loop is, and what streams do about it."""

from __future__ import annotations

_SMOOTHING = 1 / 64
_LEAST = 0.0005
"""Seconds of waiting for a turn from which on a loop counts as busy."""
_REST = 8.0
_LONGEST = 0.02


class Turns:
    """How long those who are woken wait for their turn in one loop.

    Where that is long, the pieces of streams come faster than they can be handed on one by one, and whoever comes new
    waits behind them all. Then each stream rests for a moment after a piece, and hands on at once what came meanwhile:
    the work for a piece is mostly the work of handing on.
    """

    __slots__ = ("_delay",)

    def __init__(self) -> None:
        self._delay = 0.0

    def note(self, seconds: float) -> None:
        """Somebody waited for so long."""
        self._delay += (seconds - self._delay) * _SMOOTHING

    @property
    def rest(self) -> float:
        """Seconds that a stream should rest; 0 where the loop keeps up."""
        return min(_LONGEST, self._delay * _REST) if self._delay > _LEAST else 0.0
