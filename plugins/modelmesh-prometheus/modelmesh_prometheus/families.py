"""Every metric: its name, kind, labels and help, and how the values of several processes become one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import attrs


@attrs.frozen
class Family:
    """One metric."""

    name: str
    """Without the ``_total`` of counters."""
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    help: str
    unit: str = ""
    merge: Literal["sum", "max", "last"] = "sum"
    """Of several processes. ``last``: the value of the newest snapshot."""


_MODEL = ("pool", "model", "provider")
_CALLER = (*_MODEL, "key")
_QUOTA = ("account", "window", "measure")

_FAMILIES = (
    Family("modelmesh_requests", "counter", (*_CALLER, "operation", "outcome"), "Requests that ended."),
    Family(
        "modelmesh_tokens",
        "counter",
        (*_CALLER, "kind"),
        "Tokens of all attempts. The kinds are disjoint: their sum is what was billed.",
    ),
    Family("modelmesh_cost_usd", "counter", _CALLER, "US dollars, where prices are known.", "usd"),
    Family(
        "modelmesh_request_duration_seconds",
        "histogram",
        (*_MODEL, "outcome"),
        "From a request's arrival to the end of its answer.",
        "seconds",
    ),
    Family("modelmesh_routing_duration_seconds", "histogram", ("pool",), "Time to choose models.", "seconds"),
    Family(
        "modelmesh_attempts",
        "counter",
        (*_MODEL, "outcome"),
        "Calls to models: success, cancelled, or the kind of failure.",
    ),
    Family(
        "modelmesh_attempt_duration_seconds", "histogram", _MODEL, "Duration of the calls that succeeded.", "seconds"
    ),
    Family(
        "modelmesh_time_to_first_token_seconds",
        "histogram",
        _MODEL,
        "From the begin of a streamed call to its first content.",
        "seconds",
    ),
    Family("modelmesh_rotations", "counter", (*_MODEL, "reason"), "Requests that left a model for another one."),
    Family("modelmesh_hedges", "counter", _MODEL, "Calls sent beside a slow one."),
    Family("modelmesh_standby_events", "counter", (*_MODEL, "reason"), "Times that a model went on standby."),
    Family("modelmesh_recoveries", "counter", (*_MODEL, "reason"), "Times that a model came back."),
    Family("modelmesh_budget_alerts", "counter", ("account", "window"), "Budgets that passed their alert threshold."),
    Family("modelmesh_config_reloads", "counter", (), "Configurations taken into use while running."),
    Family("modelmesh_standby", "gauge", _MODEL, "1 while a model is on standby.", merge="max"),
    Family("modelmesh_quota_limit", "gauge", _QUOTA, "Most that may be used in a window.", merge="last"),
    Family("modelmesh_quota_used", "gauge", _QUOTA, "What is used or reserved in the window.", merge="last"),
    Family("modelmesh_quota_left", "gauge", _QUOTA, "What is left in the window.", merge="last"),
    Family(
        "modelmesh_quota_reset_timestamp_seconds",
        "gauge",
        _QUOTA,
        "When the window ends, in UTC epoch seconds.",
        "seconds",
        merge="last",
    ),
    Family("modelmesh_in_flight_requests", "gauge", (), "Requests under way."),
    Family("modelmesh_estimated_requests", "counter", (), "Requests that were reserved with an estimate and settled."),
    Family("modelmesh_estimated_tokens", "counter", (), "Tokens that were expected of them."),
    Family("modelmesh_estimate_missed_tokens", "counter", (), "Tokens by which the estimates were wrong, summed up."),
    Family("modelmesh_queue_entries", "gauge", ("sink",), "Entries that wait for an observability connector."),
    Family("modelmesh_queue_dropped", "counter", ("sink",), "Entries that did not fit, or were refused twice."),
    Family("modelmesh_queue_failures", "counter", ("sink",), "Batches that an observability connector refused."),
    Family(
        "modelmesh_series_overflow",
        "counter",
        (),
        "Observations counted under 'other' because max_series was reached.",
    ),
    Family("modelmesh_build_info", "gauge", ("version",), "The version of modelmesh-core.", merge="max"),
)
FAMILIES: Mapping[str, Family] = {family.name: family for family in _FAMILIES}
