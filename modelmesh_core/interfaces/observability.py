"""Observability connectors: where events, request records and statistics go."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

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
"""One JSON-able item: ``{"type": "event" | "request" | "statistics" | "trace", "at": seconds, ...}``."""


class ObservabilitySink(ABC):
    """One configured destination.

    The core puts a bounded queue before each sink and calls it from a background task, so a slow or failing one costs
    a request nothing; what does not fit is dropped and counted.
    """

    @abstractmethod
    async def write(self, entries: Sequence[Entry]) -> None:
        """Take a batch, in order. Raising means it was not taken; it is then offered once more, later."""

    async def close(self) -> None:  # noqa: B027  (nothing to close is the common case)
        """Flush and release. Called once, with nothing left in the queue or the drain time over."""


@attrs.frozen
class ObservabilityConnector:
    """An observability connector, as a plugin's ``observability_connectors`` hook yields it."""

    id: str
    create: Callable[[Any], ObservabilitySink]
    """Takes an instance of ``options`` (None if there is no options class)."""
    options: type | None = None
    description: str = ""
