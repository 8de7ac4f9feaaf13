"""What a server says about its limits: ``x-ratelimit-*`` headers, and waiting times written as text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from ..wire.messages import Headroom, LimitReport

_PREFIX = "x-ratelimit-"
_NONE: Headroom = MappingProxyType({})
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = r"(\d+(?:\.\d+)?)\s*(ns|us|µs|ms|s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:ours?)?|d(?:ays?)?)(?![a-z])"
_ONE = re.compile(_PART, re.IGNORECASE)
_WHOLE = re.compile(rf"(?:{_PART}\s*)+", re.IGNORECASE)
_ADVICE = re.compile(rf"\b(?:try again|retry) (?:in|after) ((?:{_PART}\s*)+)", re.IGNORECASE)
_EPOCH_SECONDS, _EPOCH_MILLISECONDS = 1e9, 1e12


def headroom_of(headers: Mapping[str, str], now: float) -> Headroom:
    """Every limit in ``x-ratelimit-{limit,remaining,reset}-KIND``; negative and malformed values count as absent.

    ``now`` is UTC epoch seconds, for servers that name the moment of a reset. A header without a kind is about
    requests; ``KIND-minute`` is the plain ``KIND``.
    """
    if _PREFIX not in " ".join(headers):
        return _NONE
    named = [name for name in headers if name.startswith(_PREFIX)]
    found: dict[str, dict[str, str]] = {}
    for name in named:
        field, _, kind = name[len(_PREFIX) :].partition("-")
        found.setdefault(kind.removesuffix("-minute") or "requests", {})[field] = headers[name]
    reports = {
        kind: LimitReport(
            _whole_number(fields.get("limit")),
            _whole_number(fields.get("remaining")),
            reset_seconds(fields.get("reset"), now),
        )
        for kind, fields in found.items()
    }
    return {kind: report for kind, report in reports.items() if report != LimitReport()}


def reset_seconds(text: str | None, now: float) -> float | None:
    """Seconds in ``12ms``, ``6m0s``, ``17.39s``, a plain number of seconds, or an epoch time against ``now``."""
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        return _sum(text) if _WHOLE.fullmatch(text.strip()) else None
    if not 0 <= number < float("inf"):
        return None
    if number >= _EPOCH_MILLISECONDS:
        return max(0.0, number / 1000 - now)
    return max(0.0, number - now) if number >= _EPOCH_SECONDS else number


def advised_wait(message: str) -> float | None:
    """Seconds in a sentence such as ``Please try again in 1m0.363s``."""
    match = _ADVICE.search(message)
    return _sum(match[1]) if match else None


def exhausted_wait(headroom: Headroom) -> float | None:
    """Seconds until every limit that has nothing left is whole again; None where no such limit names a reset."""
    waits = [report.reset_after for report in headroom.values() if report.remaining == 0 and report.reset_after]
    return max(waits, default=None)


def _sum(text: str) -> float:
    return sum(float(number) * (_UNITS.get(unit) or _UNITS[unit[0]]) for number, unit in _ONE.findall(text.lower()))


def _whole_number(text: str | None) -> int | None:
    try:
        number = int(text) if text is not None else -1
    except ValueError:
        return None
    return number if number >= 0 else None
