"""Every fault, by name, in the order in which an answer comes."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType

from .bodies import BODY
from .connections import CONNECTION, SLOW
from .fault import Fault
from .statuses import STATUS
from .streams import END, MIDDLE, START

FAULTS: Mapping[str, Fault] = MappingProxyType(
    {fault.name: fault for fault in (*CONNECTION, *SLOW, *STATUS, *BODY, *START, *MIDDLE, *END)}
)
"""By name: from faults of the connection to faults of a stream's end."""


def find_fault(fault: str | Fault | None) -> Fault | None:
    """The fault of that name. Raises KeyError, with the nearest names, where there is none."""
    if fault is None or isinstance(fault, Fault):
        return fault
    if fault not in FAULTS:
        near = ", ".join(get_close_matches(fault, FAULTS)) or "see FAULTS"
        raise KeyError(f"there is no fault {fault!r}; near it: {near}")
    return FAULTS[fault]
