"""What a pool can be told: the settings that decisions see. config/ reads them from a file or a dict.

Durations are seconds, sizes bytes. Every default here is the documented default.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

import attrs

from .limits import BudgetSettings, OnExceeded, QuotaWindow
from .values import Duration


@attrs.frozen
class MaintenanceWindow:
    """Recurring time on standby: ``cron`` (five fields, in ``timezone``) begins it, for ``duration`` seconds."""

    cron: str
    duration: Duration
    timezone: str = "UTC"


@attrs.frozen
class DeactivationSettings:
    """When a model goes on standby in a pool. Any one suffices; None or an empty list switches a condition off."""

    retry_limit: int | None = 3
    """Consecutive failures."""
    error_rate_threshold: float | None = 0.5
    """Share of failures over ``error_window``, once there are ``min_samples``."""
    error_window: Duration = 60.0
    min_samples: int = 10
    error_codes: tuple[int | str, ...] = (429, 500, 502, 503, 504, 529, "timeout", "connection")
    """What counts as a failure: HTTP statuses, ``timeout``, ``connection``."""
    request_limit: int | None = None
    """Requests per ``quota_window``."""
    token_limit: int | None = None
    budget_limit: Decimal | None = None
    """USD per ``quota_window``."""
    quota_window: QuotaWindow = "day"
    rolling: bool = False
    """The window follows the clock instead of the calendar."""
    timezone: str = "UTC"
    maintenance_window: MaintenanceWindow | None = None


@attrs.frozen
class RecoverySettings:
    """When a model on standby comes back."""

    cooldown: Duration = 60.0
    """After an error. Then one probe goes through: success makes it active, failure doubles the cooldown."""
    max_cooldown: Duration = 900.0
    probe_on_start: bool = False
    """Ask a model on standby once when the mesh starts, by its provider's free health call."""
    probe_interval: Duration | None = None
    """Ask models on standby for errors or auth this often, by their provider's free health call."""
    on_quota_reset: bool = True
    """Come back by itself when the window of a quota, token or request limit resets."""


@attrs.frozen
class RetrySettings:
    """What follows a failed attempt."""

    max_attempts: int = 2
    """Tries per model, the first included."""
    max_rotations: int = 3
    """Other models tried after the first."""
    backoff: Literal["exponential_jitter", "fixed"] = "exponential_jitter"
    initial_delay: Duration = 0.5
    max_delay: Duration = 10.0
    scope: Literal["same_model", "same_provider", "any"] = "any"
    """Where a request may go after a failure."""
    ttft_timeout: Duration | None = None
    """To the first content token of a stream."""
    honor_retry_after: bool = True
    budget_ratio: float = 0.2
    """Retries of one model may be at most this share of the pool's requests, beyond ``budget_reserve``."""
    budget_reserve: int = 10
    """Retries allowed whatever the traffic; the retry budget's bucket holds this many tokens."""


@attrs.frozen
class RateLimitSettings:
    """For the rate-limit-aware strategy."""

    threshold: float = 0.8
    """Share of a limit at which to leave a model."""
    min_delta: Duration | None = None
    """Seconds between two requests to one model."""
    max_rpm: int | None = None
    on_throttle: Literal["switch_model", "delay_request", "queue"] = "switch_model"


@attrs.frozen
class HedgeSettings:
    """A second attempt at another model when the first is slow. The first answer wins, the other is cancelled."""

    after: Duration | Literal["p95"] = "p95"
    """How long the first may take; ``p95`` is that of its model, once it has answered ten times. For streams it is the
    time to the first token."""
    max_share: float = 0.05
    """Second attempts may be at most this share of the pool's requests, beyond the first one."""


DEFAULT_STRATEGY = "modelmesh.stick-until-failure.v1"


@attrs.frozen
class PoolSettings:
    """One entry of ``pools``."""

    id: str
    capability: str | None = None
    """A node of the capability tree; the pool holds every model below it. Defaults to the id where that is a node."""
    models: tuple[str, ...] = ()
    """Explicit members. With ``capability`` both apply."""
    providers: tuple[str, ...] = ()
    """Only models of these providers."""
    excluded_providers: tuple[str, ...] = ()
    selector: str | None = None
    """A rotation connector whose ``score_model`` scores every candidate; the highest is chosen."""
    priority: int = 0
    on_exhausted: Literal["next_pool", "error"] = "next_pool"
    strategy: str = DEFAULT_STRATEGY
    fallback_strategy: str | None = None
    """A strategy's id, or ``error``: for strategies that can find nothing to say."""
    model_priority: tuple[str, ...] = ()
    provider_priority: tuple[str, ...] = ()
    model_weights: Mapping[str, float] = attrs.field(factory=dict[str, float])
    balance_mode: Literal["absolute", "relative"] = "relative"
    affinity_mode: Literal["strict", "fallback"] = "fallback"
    rate_limit: RateLimitSettings = RateLimitSettings()
    deactivation: DeactivationSettings = DeactivationSettings()
    recovery: RecoverySettings = RecoverySettings()
    provider_deactivation: tuple[Literal["on_auth_failure", "on_api_outage"], ...] = (
        "on_auth_failure",
        "on_api_outage",
    )
    """What puts all of a provider's models on standby: a refused key; three failures in a row, whatever the model."""
    provider_recovery: tuple[Literal["on_probe_success", "on_manual"], ...] = ("on_probe_success", "on_manual")
    retry: RetrySettings = RetrySettings()
    deadline: Duration = 600.0
    """Seconds for a whole request, all attempts included."""
    on_stream_failure: Literal["resume", "restart", "error"] = "resume"
    """What follows a failure after the first content of a stream: another model continues the answer; or the answer
    is held back until it is whole, so that every failure can be hidden; or the caller gets the error."""
    hedge: HedgeSettings | None = None
    """A second attempt elsewhere when the first is slow; off when left out."""
    unsupported: Literal["drop", "warn", "error"] = "warn"
    """What becomes of a parameter that the chosen provider lacks: it is left out; left out, and the caller is told (the
    header ``x-modelmesh-dropped``, the record, a log line); or the request is refused."""
    budget: BudgetSettings | None = None
    """How much may be spent through this pool."""
    on_budget_exceeded: OnExceeded = "rotate"
    """What follows where a budget would be passed: a model that fits is asked, or the request fails."""
    rotate_on_content_filter: bool = False
