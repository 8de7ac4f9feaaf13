"""Google's own ways with numbers and moments, and what it is refused with that cannot be put into its words."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NoReturn

from modelmesh_core import as_count as as_plain_count
from modelmesh_core import as_text, refused


def as_count(value: Any) -> int:
    """``value`` if it is a positive number or the text of one, else 0: Google writes 64-bit numbers as text."""
    if isinstance(value, str) and len(value) < 20 and value.isascii() and value.isdigit():
        return int(value)
    number = as_plain_count(value)
    return number if number < 2**63 else 0


def epoch_seconds(moment: Any, otherwise: float) -> int:
    """Whole UTC seconds of an RFC 3339 text, or of ``otherwise``."""
    try:
        return int(datetime.fromisoformat(as_text(moment)).timestamp())
    except (ValueError, OverflowError, OSError):
        return int(otherwise)


def refuse(message: str, code: str = "invalid_value") -> NoReturn:
    """Raise the ProviderError of a request that cannot be put into Google's words."""
    raise refused(message, code)
