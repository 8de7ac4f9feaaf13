"""Observability connectors: where events, request records and statistics go."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import orjson

from .records import DecisionRecord

EVENTS = (
    "model_activated",
    "model_deactivated",
    "model_rotated",
    "provider_health_changed",
    "provider_deactivated",
    "provider_recovered",
    "pool_membership_changed",
    "discovery_models_updated",
    "budget_alert",
    "config_reloaded",
)
"""Every name that an Event can have."""


@attrs.frozen
class Event:
    """Something that changed in the mesh."""

    name: str
    at: float
    """UTC epoch seconds."""
    data: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    """JSON-able; full ids; never a secret."""


Entry = Mapping[str, Any]
"""One JSON-able item: ``{"type": "event" | "request" | "statistics" | "gauge" | "trace", "at": seconds, ...}``.

A ``gauge`` says what is true at that moment: one ``scope`` each for a model's standby, a quota, a queue, the mesh.
"""


def json_line(entry: Entry) -> bytes:
    """``entry`` on one line, with its line end. What JSON has no form for becomes its ``str``: of a secret, ``***``."""
    try:
        return orjson.dumps(entry, default=str, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # half a surrogate, a number past 64 bits, a key that is no text
        text = json.dumps(entry, ensure_ascii=False, separators=(",", ":"), default=str)
        return text.encode("utf-8", "backslashreplace") + b"\n"


Snapshot = Mapping[str, Any]
"""What a MetricsSink has counted, JSON-able, so that processes can hand it to one another. Only the sink reads it."""


class ObservabilitySink(ABC):
    """One configured destination.

    The core puts a bounded queue before each sink and calls it from a background task, so a slow or failing one costs
    a request nothing; what does not fit is dropped and counted.
    """

    takes_lines = False
    """Whether each entry comes to ``write`` as ``json_line`` of it, in place of the entry: for a sink that writes
    nothing else, and so lets the mesh forget the entry at once."""
    propagates = False
    """Whether providers are to be told of the trace that a request belongs to, by the header ``traceparent``."""

    @abstractmethod
    async def write(self, entries: Sequence[Any]) -> None:
        """Take a batch of Entries (see ``takes_lines``), in order.

        Raising means that it was not taken; it is then offered once more, later.
        """

    async def close(self) -> None:  # noqa: B027  (nothing to close is the common case)
        """Flush and release. Called once, with nothing left in the queue or the drain time over."""


class RequestCounter(ABC):
    """What a sink also is that only counts requests: it gets their records, in place of entries of type ``request``."""

    @abstractmethod
    def count(self, records: Sequence[DecisionRecord]) -> None:
        """Count finished requests: a few dozen at a time under load, soon after their end.

        Called by one thread at a time, of which one may be the event loop's: it has to be quick and must not wait. It
        must not change the records, nor keep them. Raising means that they are dropped: they are not offered again.
        """


class MetricsSink(ObservabilitySink):
    """A sink that counts what it is given, and can be read: the gateway's ``/metrics`` does.

    ``snapshot`` and ``render`` are called from other threads than ``write``, and have to be cheap.
    """

    @abstractmethod
    def snapshot(self, present: Sequence[Entry]) -> Snapshot:
        """What was counted so far. ``present``: the entries of type ``gauge`` of this moment."""

    @abstractmethod
    def retired(self, snapshots: Sequence[Snapshot]) -> Snapshot:
        """One snapshot in place of those of processes that have ended.

        What they counted stays (a sum that falls would be taken for a restart); what was true then is left out.
        """

    @abstractmethod
    def render(self, snapshots: Sequence[Snapshot], accept: str) -> tuple[str, bytes]:
        """Media type and body of the sum over ``snapshots``, one a process, in the form that ``accept`` likes best."""


@attrs.frozen
class ObservabilityConnector:
    """An observability connector, as a plugin's ``observability_connectors`` hook yields it."""

    id: str
    create: Callable[[Any], ObservabilitySink]
    """Takes an instance of ``options`` (None if there is no options class)."""
    options: type | None = None
    description: str = ""
    wants: frozenset[str] = frozenset()
    """Types of entries that its sink is given, whichever section names it; requests then come whole, whatever the
    level of the log. Empty: what the section is about. Named in several sections, such a sink is still one."""
