"""Where one model stands in one pool: active, on standby, or half-open with one probe in flight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..interfaces.routing import Deactivation, Reason, Status

_PROBED = frozenset({Reason.ERROR, Reason.AUTH, Reason.MODEL_NOT_FOUND})
"""Reasons after which one probe has to succeed before traffic returns. The others end with their window."""


_OWN = frozenset({Reason.MANUAL, Reason.MAINTENANCE})
"""Reasons that each process has by itself."""


class Standing:
    """The state machine of a (pool, model).

    Deadlines are UTC epoch seconds. A later, shorter deadline never moves an earlier, longer one into the past.
    """

    __slots__ = ("detail", "failed_probes", "probe_in_flight", "reason", "since", "until", "version")

    def __init__(self) -> None:
        self.reason: Reason | None = None
        self.until: float | None = None
        self.since: float | None = None
        self.detail = ""
        self.failed_probes = 0
        """Failures since it was last active; each doubles the cooldown."""
        self.probe_in_flight = False
        self.version = 0

    def status(self, now: float) -> Status:
        if self.reason is None:
            return Status.ACTIVE
        if self.until is None or now < self.until:
            return Status.STANDBY
        return Status.HALF_OPEN if self.reason in _PROBED else Status.ACTIVE

    @property
    def needs_probe(self) -> bool:
        return self.reason in _PROBED

    def deactivate(self, deactivation: Deactivation, now: float) -> bool:
        """Put on standby; True if it was not there already."""
        newly = self.status(now) is Status.ACTIVE
        self.version += 1
        failed_probe = self.status(now) is Status.HALF_OPEN
        if newly or failed_probe or self.reason is None:
            self.reason, self.until, self.detail = deactivation.reason, deactivation.until, deactivation.detail
            self.since = now if newly else self.since
        else:
            if deactivation.reason.rank < self.reason.rank:
                self.reason, self.detail = deactivation.reason, deactivation.detail
            never = self.until is None or deactivation.until is None
            self.until = None if never else max(self.until or 0.0, deactivation.until or 0.0)
        if self.needs_probe and (newly or failed_probe):
            self.failed_probes += 1
        self.probe_in_flight = False
        return newly

    def activate(self) -> bool:
        """Back to active; False if it was active already."""
        was_standby = self.reason is not None
        self.reason = self.until = self.since = None
        self.detail = ""
        self.failed_probes = 0
        self.probe_in_flight = False
        self.version += 1
        return was_standby

    def export(self) -> dict[str, Any] | None:
        if self.reason is None:
            return None
        return {
            "reason": self.reason.value,
            "until": self.until,
            "since": self.since,
            "detail": self.detail,
            "failed_probes": self.failed_probes,
        }

    @staticmethod
    def heard(saved: Mapping[str, Any]) -> Deactivation | None:
        """What another process exported, as a deactivation; None for what only concerns that process, or is none."""
        try:
            reason, until = Reason(saved["reason"]), saved["until"]
        except (KeyError, ValueError, TypeError):
            return None
        if reason in _OWN or not isinstance(until, (int, float)):
            return None
        return Deactivation(reason, float(until), f"{saved.get('detail', '')} (another process found out)")

    def restore(self, saved: Mapping[str, Any]) -> None:
        self.reason = Reason(saved["reason"])
        self.until = saved["until"]
        self.since = saved.get("since")
        self.detail = saved.get("detail", "")
        self.failed_probes = int(saved.get("failed_probes", 1))
        self.version += 1
