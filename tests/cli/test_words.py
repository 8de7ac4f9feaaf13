"""How money, time and numbers read."""

from __future__ import annotations

from decimal import Decimal

import pytest
from modelmesh_core.cli import words


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (Decimal("1234.5"), "$1,234.50"),
        (Decimal(2), "$2.00"),
        (Decimal("0.0125"), "$0.0125"),
        (0.0000031234, "$0.00000312"),
        (Decimal("0.5"), "$0.5"),
        (Decimal(0), "free"),
        (0.0, "free"),
        (None, "unknown"),
        (float("inf"), "unknown"),
    ],
)
def test_money(amount: Decimal | float | None, text: str) -> None:
    assert words.money(amount) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.25, "250 ms"), (1.5, "1.5 s"), (59.94, "59.9 s"), (252, "4m 12s"), (7500, "2h 5m"), (86400, "1d")],
)
def test_duration(seconds: float, text: str) -> None:
    assert words.duration(seconds) == text


def test_moment_is_relative_and_in_utc() -> None:
    at = 1795420800.0
    assert words.moment(at, at - 252) == "in 4m 12s (2026-11-23 08:00:00 UTC)"
    assert words.moment(at, at + 1) == "now (2026-11-23 08:00:00 UTC)"


def test_count() -> None:
    assert [words.count(number, "model") for number in (0, 1, 2)] == ["0 models", "1 model", "2 models"]
