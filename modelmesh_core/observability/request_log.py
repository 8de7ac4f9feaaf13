"""RequestLogger: one entry a request, at the level that was asked for."""

from __future__ import annotations

from collections.abc import Sequence

from ..interfaces.records import DecisionRecord
from .queue import SinkQueue

LEVELS = ("metadata", "summary", "full")

_METADATA = (
    "type",
    "at",
    "request_id",
    "requested",
    "operation",
    "delivery",
    "key",
    "metadata",
    "pool",
    "model",
    "provider",
    "ended",
    "status",
    "error",
    "cost",
    "routing_ms",
)
_SUMMARY = (*_METADATA, "replaced_model", "rotation_reason", "fallback_chain", "attempts")


class RequestLogger:
    """Writes finished decision records to its connectors.

    ``metadata``: who, what, when, outcome, cost. ``summary``: the attempts, too. ``full``: the whole decision record,
    with every candidate that was dropped. Prompts and answers are in none of them.
    """

    def __init__(
        self, queues: Sequence[SinkQueue] = (), level: str = "metadata", whole: Sequence[SinkQueue] = ()
    ) -> None:
        """``whole``: connectors that get the whole record, whatever the level."""
        self._queues = queues
        self._whole = whole
        self._keys: tuple[str, ...] | None = None
        self.level = level
        self.set_level(level)

    def set_level(self, level: str) -> None:
        """Change the level. Raises ValueError if there is none of that name."""
        if level not in LEVELS:
            raise ValueError(f"unknown log level {level!r}; expected one of {', '.join(LEVELS)}")
        self.level = level
        self._keys = {"metadata": _METADATA, "summary": _SUMMARY, "full": None}[level]

    def log(self, records: Sequence[DecisionRecord]) -> None:
        """Queue the entries of decision records. Nothing is formatted when nobody listens."""
        if not self._queues and not self._whole:
            return
        if not self._whole and self.level == "metadata":
            entries = [record.brief() for record in records]
        else:
            whole = [record.to_dict() for record in records]
            for queue in self._whole:
                queue.put_all(whole)
            keys = self._keys
            entries = whole if keys is None else [{key: one[key] for key in keys} for one in whole]
        for queue in self._queues:
            queue.put_all(entries)
