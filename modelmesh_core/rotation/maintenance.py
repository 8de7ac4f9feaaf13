"""Maintenance windows: when the next one begins and ends."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from ..settings import MaintenanceWindow


@lru_cache(maxsize=256)
def _begin_before(window: MaintenanceWindow, minute: int) -> float | None:
    from cronsim import CronSim

    moment = datetime.fromtimestamp(minute * 60, ZoneInfo(window.timezone))
    begin = moment - timedelta(seconds=window.duration)
    latest: float | None = None
    for occurrence in CronSim(window.cron, begin):
        if occurrence > moment:
            break
        latest = occurrence.timestamp()
    return latest


def maintenance_end(window: MaintenanceWindow, now: float) -> float | None:
    """When the maintenance that is under way at ``now`` ends (UTC epoch seconds), or None outside of it."""
    begin = _begin_before(window, int(now // 60))
    if begin is None or now >= begin + window.duration:
        return None
    return begin + window.duration
