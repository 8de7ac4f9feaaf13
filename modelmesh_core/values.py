"""Small values that everything else is written in: ids, durations, sizes, secrets, clocks."""

from __future__ import annotations

import asyncio
import hmac
import re
import time
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import attrs

if TYPE_CHECKING:
    quick_frozen = attrs.frozen
else:
    # For values of which every request makes several. To a type checker they are frozen, and nothing may change them.
    # At run time this is not enforced: to fill an object that refuses to be changed takes three times as long.
    quick_frozen = partial(attrs.define, unsafe_hash=True)

new_dict: Callable[[], dict[Any, Any]] = dict
new_list: Callable[[], list[Any]] = list
"""Factories for what every request makes: ``dict[str, str]`` as one takes six times as long as ``dict``."""

Duration = Annotated[float, "duration"]
"""Seconds; in a configuration written ``500ms``, ``1.5s``, ``2m``, ``1h``, ``7d``."""
Size = Annotated[int, "size"]
"""Bytes; in a configuration written ``512KB``, ``32MB``."""
Money = Decimal
"""USD, always a Decimal."""

_DURATION_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_SIZE_UNITS = {"B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|KB|MB|GB)", re.IGNORECASE)
_CONNECTOR_ID = re.compile(r"[a-z0-9][a-z0-9-]*(\.[a-z0-9][a-z0-9-]*)+\.v[0-9]+")


def parse_duration(text: str | float) -> float:
    """Seconds in a duration such as ``500ms``, ``1.5s``, ``2m``, ``1h``, ``7d``. A bare number is seconds.

    Raises ValueError with what was expected.
    """
    if isinstance(text, bool):
        raise ValueError("expected a duration such as 500ms, 1.5s, 2m, 1h or 7d, found a boolean")
    if isinstance(text, (int, float)):
        if not 0 <= text < float("inf"):
            raise ValueError("a duration cannot be negative or infinite")
        return float(text)
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"expected a duration such as 500ms, 1.5s, 2m, 1h or 7d, found {text!r}")
    return float(match[1]) * _DURATION_UNITS[match[2]]


def parse_size(text: str | int) -> int:
    """Bytes in a size such as ``512KB`` or ``32MB`` (1 KB = 1024 bytes). A bare integer is bytes.

    Raises ValueError with what was expected.
    """
    if isinstance(text, int) and not isinstance(text, bool) and text >= 0:
        return text
    match = _SIZE.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"expected a size such as 512KB or 32MB, found {text!r}")
    return int(float(match[1]) * _SIZE_UNITS[match[2].upper()])


def is_connector_id(text: str) -> bool:
    """Whether ``text`` reads ``vendor.service.vN``, each segment matching ``[a-z0-9][a-z0-9-]*``."""
    return _CONNECTOR_ID.fullmatch(text) is not None


class Secret:
    """A value that never prints. Only ``reveal()`` gives it, at the place where it is sent.

    It cannot be pickled, formatted or serialised by accident: ``str``, ``repr`` and f-strings give ``***``.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret text itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return "***"

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(("modelmesh-secret", self._value))

    def __reduce__(self) -> Any:
        raise TypeError("a Secret cannot be pickled or copied into another process")

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: Any) -> Secret:
        return self


class Clock(Protocol):
    """Time, handed in. Decisions never read it elsewhere; tests hand in ``modelmesh_core.testing.FakeClock``."""

    def now(self) -> float:
        """UTC seconds since the epoch: for deadlines that are stored and shared."""
        ...

    def monotonic(self) -> float:
        """Seconds that never jump: for durations within this process."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait ``seconds``."""
        ...


class SystemClock:
    """The machine's clock."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
