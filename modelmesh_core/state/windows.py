"""Windows of time: where the minute, hour, day and month that hold a moment begin and end, in a time zone."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

KINDS = ("minute", "hour", "day", "month")
SLOTS = 60
"""Slots of a rolling window."""
ROLLING_SECONDS = {"minute": 60.0, "hour": 3600.0, "day": 86400.0, "month": 30 * 86400.0}
"""Length of a rolling window; a rolling month is 30 days."""


class Window(NamedTuple):
    """``start`` <= moment < ``end``, UTC epoch seconds."""

    kind: str
    start: float
    end: float

    @property
    def label(self) -> str:
        """An opaque name, the same in every process: for stored counters."""
        return f"{self.kind}:{int(self.start)}"


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def window_at(kind: str, now: float, timezone: str = "UTC") -> Window:
    """The calendar window of ``kind`` that holds ``now`` in ``timezone``.

    A day that loses or gains an hour to daylight saving is 23 or 25 hours long. Minutes and hours follow UTC, so
    that they are never ambiguous.
    """
    if kind == "minute":
        start = now // 60 * 60
        return Window(kind, start, start + 60)
    if kind == "hour":
        start = now // 3600 * 3600
        return Window(kind, start, start + 3600)
    local = datetime.fromtimestamp(now, _zone(timezone))
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if kind == "day":
        # Noon plus a day is always inside tomorrow, whatever daylight saving does around midnight.
        tomorrow = (midnight.replace(hour=12) + timedelta(days=1)).replace(hour=0)
        return Window(kind, midnight.timestamp(), tomorrow.timestamp())
    if kind == "month":
        first = midnight.replace(day=1)
        following = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
        return Window(kind, first.timestamp(), following.timestamp())
    raise ValueError(f"unknown window {kind!r}; expected one of {', '.join(KINDS)}")
