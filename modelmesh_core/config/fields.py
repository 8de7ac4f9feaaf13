"""What is known of each field beside its annotation: a closer type, its bounds, whether it is an entry's own key."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, get_type_hints

import attrs

from ..catalogue.definitions import BatchSettings, Constraints, Limits
from ..limits import BudgetSettings, QuotaSettings
from ..settings import (
    DeactivationSettings,
    HedgeSettings,
    MaintenanceWindow,
    PoolSettings,
    RateLimitSettings,
    RecoverySettings,
    RetrySettings,
)
from ..values import Duration, Size
from ..wire.http import HttpTimeouts
from .schema import (
    Cron,
    ErrorCode,
    HealthConfig,
    ModelConfig,
    Options,
    ProviderConfig,
    ProxyConfig,
    StatisticsConfig,
    StorageConfig,
    SyncConfig,
    TimeZone,
)

_duration: Any = Duration  # the type checker knows no | for an Annotated name
_size: Any = Size

FIELD_TYPES: Mapping[tuple[type, str], Any] = {
    (HttpTimeouts, "connect"): _duration | None,
    (HttpTimeouts, "first_byte"): _duration | None,
    (HttpTimeouts, "idle"): _duration | None,
    (HttpTimeouts, "total"): _duration | None,
    (Constraints, "max_file_size"): _size | None,
    (BatchSettings, "max_payload"): _size | None,
    (BatchSettings, "completion_window"): _duration | None,
    (Limits, "window_timezone"): TimeZone,
    (DeactivationSettings, "timezone"): TimeZone,
    (DeactivationSettings, "error_codes"): tuple[ErrorCode, ...],
    (QuotaSettings, "timezone"): TimeZone,
    (BudgetSettings, "timezone"): TimeZone,
    (MaintenanceWindow, "timezone"): TimeZone,
    (MaintenanceWindow, "cron"): Cron,
}
"""Where a class of another room says less about its field than a configuration needs."""

IDENTITY: Mapping[type, str] = {ProviderConfig: "name", ModelConfig: "id", PoolSettings: "id"}
"""The field that an entry takes from its own key."""

_SHARE = (0, 1)
_POSITIVE_TIME = (0.001, None)
_AT_LEAST_ONE = (1, None)

BOUNDS: Mapping[tuple[type, str], tuple[float | None, float | None]] = {
    (PoolSettings, "priority"): (None, None),
    (PoolSettings, "deadline"): _POSITIVE_TIME,
    (RetrySettings, "max_attempts"): _AT_LEAST_ONE,
    (RetrySettings, "budget_ratio"): _SHARE,
    (RetrySettings, "ttft_timeout"): _POSITIVE_TIME,
    (HedgeSettings, "max_share"): _SHARE,
    (DeactivationSettings, "retry_limit"): _AT_LEAST_ONE,
    (DeactivationSettings, "error_rate_threshold"): _SHARE,
    (DeactivationSettings, "error_window"): _POSITIVE_TIME,
    (DeactivationSettings, "min_samples"): _AT_LEAST_ONE,
    (MaintenanceWindow, "duration"): _POSITIVE_TIME,
    (RecoverySettings, "probe_interval"): _POSITIVE_TIME,
    (BudgetSettings, "alert_threshold"): _SHARE,
    (RateLimitSettings, "threshold"): _SHARE,
    (RateLimitSettings, "max_rpm"): _AT_LEAST_ONE,
    (BatchSettings, "cost_discount"): _SHARE,
    (BatchSettings, "max_items"): _AT_LEAST_ONE,
    (Constraints, "context_window"): _AT_LEAST_ONE,
    (Constraints, "max_output_tokens"): _AT_LEAST_ONE,
    (HttpTimeouts, "connect"): _POSITIVE_TIME,
    (HttpTimeouts, "first_byte"): _POSITIVE_TIME,
    (HttpTimeouts, "idle"): _POSITIVE_TIME,
    (HttpTimeouts, "total"): _POSITIVE_TIME,
    (ProviderConfig, "max_connections"): _AT_LEAST_ONE,
    (StorageConfig, "sync_interval"): _POSITIVE_TIME,
    (StatisticsConfig, "flush_interval"): _POSITIVE_TIME,
    (SyncConfig, "interval"): _POSITIVE_TIME,
    (HealthConfig, "interval"): _POSITIVE_TIME,
    (HealthConfig, "timeout"): _POSITIVE_TIME,
    (HealthConfig, "failure_threshold"): _AT_LEAST_ONE,
    (ProxyConfig, "port"): (0, 65535),
    (ProxyConfig, "max_body"): _AT_LEAST_ONE,
    (ProxyConfig, "workers"): (1, 64),
}
"""Least and greatest value of a field, both included. A number that is not listed here is at least 0."""

_OUR_MODULES = frozenset(
    cls.__module__ for cls in (ProviderConfig, PoolSettings, Constraints, HttpTimeouts, QuotaSettings)
)


@attrs.frozen
class Field:
    """One key of a section."""

    name: str
    type: Any
    default: Any
    """``attrs.NOTHING`` where the key is required."""
    minimum: float | None
    maximum: float | None
    is_identity: bool
    """Taken from the entry's own key, so that it cannot be written."""
    is_options: bool
    """Gathers the keys that the section does not know."""

    @property
    def is_written(self) -> bool:
        """Whether it can stand in a file under its own name."""
        return not self.is_identity and not self.is_options


@cache
def fields_of(cls: type) -> tuple[Field, ...]:
    """The fields of an attrs class, with their annotations resolved."""
    hints = get_type_hints(cls, include_extras=True)
    fields: list[Field] = []
    for attribute in attrs.fields(cls):
        if not attribute.init:
            continue
        name = attribute.alias or attribute.name
        minimum, maximum = BOUNDS.get((cls, name), (0, None) if cls.__module__ in _OUR_MODULES else (None, None))
        kind = FIELD_TYPES.get((cls, name), hints.get(attribute.name, Any))
        fields.append(
            Field(name, kind, attribute.default, minimum, maximum, IDENTITY.get(cls) == name, kind == Options)
        )
    return tuple(fields)


def written_keys(cls: type) -> list[str]:
    """The keys that a section of class ``cls`` knows."""
    return [field.name for field in fields_of(cls) if field.is_written]
