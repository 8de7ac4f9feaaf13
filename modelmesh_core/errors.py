"""Every error that ModelMesh raises.

    ModelMeshError
     ├── ConfigurationError          the configuration is wrong; carries every problem found
     ├── CapabilityNotFoundError     no pool serves the name that was asked for
     ├── RoutingError
     │    ├── NoActiveModelError     pools exist, but no candidate is left for this request
     │    └── AllProvidersExhaustedError   attempts were made and every one failed
     ├── ProviderError               one provider's failure; carries a Failure
     │    ├── AuthenticationError, RateLimitError, ProviderTimeoutError
     │    └── InvalidRequestError, ContextLengthError, ContentFilterError
     ├── BudgetExceededError
     ├── SecretNotFoundError
     ├── StorageError
     └── ConnectorError              a connector is missing, broken or misused

Each says what happened, to which model and provider, what was tried, and what the user can do (``hint``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import attrs


class FailureKind(StrEnum):
    """What went wrong in one attempt: the rows of the error table."""

    CONNECTION = "connection"
    TIMEOUT = "timeout"
    """Nothing came within a limit: a silent route, which is not asked again."""
    SERVER = "server"
    """408, 500, 502, 503, 504, 529 and their kin."""
    RATE_LIMIT = "rate-limit"
    QUOTA = "quota"
    AUTHENTICATION = "authentication"
    MODEL_NOT_FOUND = "model-not-found"
    CONTEXT_LENGTH = "context-length"
    INVALID_REQUEST = "invalid-request"
    CONTENT_FILTER = "content-filter"
    UNDECODABLE = "undecodable"
    """A success by its status whose body makes no sense."""
    STREAM_CUT = "stream-cut"
    """The stream ended, stalled or broke after it had begun."""
    CANCELLED = "cancelled"


@attrs.frozen
class Failure:
    """One failed attempt, as the connector or the transport saw it."""

    kind: FailureKind
    message: str
    status: int | None = None
    """HTTP status, where there was one."""
    code: str | None = None
    """The provider's own error code, for example ``rate_limit_exceeded``."""
    retry_after: float | None = None
    """Seconds to wait, from any of the provider's ways to say it."""
    body: Any = None
    """The provider's own error body (decoded JSON, or text), kept for the caller."""

    @property
    def error_code(self) -> int | str:
        """The name of this failure in ``deactivation.error_codes``: a status, ``timeout`` or ``connection``."""
        if self.status is not None and self.status >= 400:
            return self.status
        return "timeout" if self.kind is FailureKind.TIMEOUT else "connection"


class ModelMeshError(Exception):
    """Base of all errors. ``hint`` says what the user can do."""

    status_code: int = 500
    """The HTTP status with which the gateway answers this error."""
    error_type: str = "modelmesh_error"
    """``error.type`` in an OpenAI-shaped body."""

    def __init__(self, message: str, *, hint: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code
        self.step: str | None = None
        """The step of initialization that failed, if it was one."""

    def __str__(self) -> str:
        text = f"{self.message} {self.hint}" if self.hint else self.message
        return f"{text} (in {self.step})" if self.step else text

    @property
    def body(self) -> dict[str, Any]:
        """The OpenAI-shaped error body: ``{"error": {"message", "type", "param", "code"}}``."""
        return {"error": {"message": str(self), "type": self.error_type, "param": None, "code": self.code}}


@attrs.frozen
class Problem:
    """One mistake in a configuration, with its place."""

    message: str
    """What was found and what was expected, with a suggestion where there is one."""
    path: tuple[str | int, ...] = ()
    """Keys from the root, for example ``("pools", "chat", "strategy")``."""
    file: str | None = None
    line: int | None = None
    """1-based."""
    column: int | None = None
    """1-based."""

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        where = ".".join(str(key) for key in self.path)
        return ": ".join(part for part in (place, where, self.message) if part)


class ConfigurationError(ModelMeshError):
    """The configuration cannot be used. ``problems`` holds every mistake found, in file order."""

    error_type = "configuration_error"

    def __init__(self, problems: Sequence[Problem] | str, *, hint: str | None = None) -> None:
        self.problems: list[Problem] = [Problem(problems)] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems), hint=hint)


class CapabilityNotFoundError(ModelMeshError):
    """The name asked for is no pool, capability, alias or pinned model that this mesh can serve."""

    status_code = 404
    error_type = "invalid_request_error"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint, code="model_not_found")


class RoutingError(ModelMeshError):
    """The request could not be routed to an answer. ``retry_after`` (seconds) says when it may work again."""

    status_code = 503
    error_type = "routing_error"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        retry_after: float | None = None,
        dropped: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, hint=hint, code="no_active_model")
        self.retry_after = retry_after
        self.dropped: Mapping[str, str] = dropped or {}
        """Full model id → why it was left out."""


class NoActiveModelError(RoutingError):
    """Pools exist for the name, but every candidate was filtered out."""


class AllProvidersExhaustedError(RoutingError):
    """Every attempt failed. ``attempts`` are the AttemptRecords, in order; the last error is ``__cause__``."""

    def __init__(
        self,
        message: str,
        attempts: Sequence[Any],
        *,
        hint: str | None = None,
        retry_after: float | None = None,
        status_code: int = 503,
    ) -> None:
        super().__init__(message, hint=hint, retry_after=retry_after)
        self.attempts = list(attempts)
        self.status_code = status_code
        self.code = "all_providers_exhausted"


class ProviderError(ModelMeshError):
    """A provider's failure. Connectors raise it through ``provider_error(failure)``."""

    error_type = "provider_error"

    def __init__(
        self, failure: Failure, *, model: str | None = None, provider: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(failure.message, hint=hint, code=failure.code)
        self.failure = failure
        self.model = model
        """Full id of the model that was asked, once the router has filled it in."""
        self.provider = provider
        self.attempts: Sequence[Any] = ()
        """The AttemptRecords of the request, this failure's last, once the router has filled them in."""
        self.status_code = failure.status if failure.status and failure.status >= 400 else 502

    def __str__(self) -> str:
        where = f"{self.model} at {self.provider}: " if self.model else ""
        return where + super().__str__()

    @property
    def retry_after(self) -> float | None:
        """Seconds until the provider wants to be asked again, where it said so."""
        return self.failure.retry_after

    @property
    def body(self) -> dict[str, Any]:
        """The provider's own body where it is OpenAI-shaped, else one made from the failure."""
        own: Any = self.failure.body
        if isinstance(own, dict) and isinstance(own.get("error"), dict):  # pyright: ignore[reportUnknownMemberType]
            return own  # pyright: ignore[reportUnknownVariableType]
        return super().body


class AuthenticationError(ProviderError):
    """401, 402, 403: the key or the billing of the provider account."""

    error_type = "authentication_error"


class RateLimitError(ProviderError):
    """429: too fast, or the quota is used up."""

    error_type = "rate_limit_error"


class ProviderTimeoutError(ProviderError):
    """Nothing came within a time limit."""

    error_type = "timeout_error"

    def __init__(self, failure: Failure, **context: Any) -> None:
        super().__init__(failure, **context)
        self.status_code = 504


class InvalidRequestError(ProviderError):
    """400, 422: the caller's fault; the provider's own body is in ``body``."""

    error_type = "invalid_request_error"


class ContextLengthError(InvalidRequestError):
    """The request does not fit the model's context window."""


class ContentFilterError(InvalidRequestError):
    """The provider refused the content by its policy."""


class BudgetExceededError(ModelMeshError):
    """A money budget, or a limit on one request's cost, would be passed. ``retry_after``: seconds, where known."""

    status_code = 429
    error_type = "insufficient_quota"

    def __init__(self, message: str, *, hint: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message, hint=hint, code="budget_exceeded")
        self.retry_after = retry_after


class KeyLimitError(ModelMeshError):
    """The caller's key has used up what it may use. ``retry_after``: seconds, where known."""

    status_code = 429
    error_type = "rate_limit_error"

    def __init__(self, message: str, *, hint: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message, hint=hint, code="rate_limit_exceeded")
        self.retry_after = retry_after


class PermissionDeniedError(ModelMeshError):
    """The caller's key may not ask for that."""

    status_code = 403
    error_type = "permission_error"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint, code="not_allowed")


class SecretNotFoundError(ModelMeshError):
    """A ``${secrets:NAME}`` reference has no value in any configured store."""


class StorageError(ModelMeshError):
    """State could not be read or written."""


class ConnectorError(ModelMeshError):
    """A connector is unknown, could not be imported, or answered what its interface forbids."""


_CLASSES: dict[FailureKind, type[ProviderError]] = {
    FailureKind.AUTHENTICATION: AuthenticationError,
    FailureKind.RATE_LIMIT: RateLimitError,
    FailureKind.QUOTA: RateLimitError,
    FailureKind.TIMEOUT: ProviderTimeoutError,
    FailureKind.INVALID_REQUEST: InvalidRequestError,
    FailureKind.CONTEXT_LENGTH: ContextLengthError,
    FailureKind.CONTENT_FILTER: ContentFilterError,
}


def provider_error(failure: Failure, *, model: str | None = None, provider: str | None = None) -> ProviderError:
    """The public error for ``failure``: the class that its kind calls for."""
    return _CLASSES.get(failure.kind, ProviderError)(failure, model=model, provider=provider)
