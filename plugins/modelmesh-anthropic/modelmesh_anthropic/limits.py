"""What Anthropic says about limits: ``anthropic-ratelimit-*`` headers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from modelmesh_core import LimitReport

Headroom = Mapping[str, LimitReport]
"""Kind of limit → what was reported."""

_HEADER = re.compile(r"anthropic-(?:ratelimit-|(?=priority-))([a-z0-9-]+)-(limit|remaining|reset)")


def headroom_of(headers: Mapping[str, str], now: float) -> Headroom:
    """Every limit that the headers report in numbers; resets are RFC 3339 times, counted from ``now`` (UTC epoch)."""
    found: dict[str, dict[str, str]] = {}
    for name in headers:
        if match := _HEADER.fullmatch(name.lower()):
            found.setdefault(match[1], {})[match[2]] = headers[name]
    reports = {
        kind: LimitReport(_count(said.get("limit")), _count(said.get("remaining")), _seconds(said.get("reset"), now))
        for kind, said in found.items()
    }
    return {kind: report for kind, report in reports.items() if (report.limit, report.remaining) != (None, None)}


def exhausted_wait(headroom: Headroom) -> float | None:
    """Seconds until every limit that has nothing left is whole again; None where no such limit names a reset."""
    waits = [report.reset_after for report in headroom.values() if report.remaining == 0 and report.reset_after]
    return max(waits, default=None)


def seconds_until(moment: str, now: float) -> float | None:
    """Seconds from ``now`` to an RFC 3339 time; None for anything else."""
    try:
        time = datetime.fromisoformat(moment.strip())
    except ValueError:
        return None
    return max(0.0, (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() - now)


def _seconds(text: str | None, now: float) -> float | None:
    return None if text is None else seconds_until(text, now)


def _count(text: str | None) -> int | None:
    try:
        number = int(text) if text is not None else -1
    except ValueError:
        return None
    return number if number >= 0 else None
