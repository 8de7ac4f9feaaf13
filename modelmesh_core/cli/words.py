"""How values read to people: money, time, numbers."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal


def money(amount: Decimal | float | None) -> str:
    """USD: ``$0.0125``, ``$0.0000031``, ``free``; ``unknown`` where no price is known."""
    if amount is None or amount == float("inf"):
        return "unknown"
    if not amount:
        return "free"
    value = Decimal(str(amount))
    if value >= 1:
        return f"${value:,.2f}"
    digits = 2 - value.adjusted()  # three significant ones
    return "$" + f"{value:.{digits}f}".rstrip("0").rstrip(".")


def duration(seconds: float) -> str:
    """``250 ms``, ``1.5 s``, ``4m 12s``, ``2h 5m``, ``3d 4h``."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    units = (("d", whole // 86400), ("h", whole // 3600 % 24), ("m", whole // 60 % 60), ("s", whole % 60))
    first = next(index for index, (_, number) in enumerate(units) if number)
    return " ".join(f"{number}{unit}" for unit, number in units[first : first + 2] if number)


def moment(at: float, now: float) -> str:
    """``in 4m 12s (2026-11-23 08:00:00 UTC)``. Both are UTC epoch seconds."""
    left = f"in {duration(at - now)}" if at > now else "now"
    return f"{left} ({datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC)"


def count(number: int, noun: str) -> str:
    """``1 model``, ``2 models``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
