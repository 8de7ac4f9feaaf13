"""ModelMesh: ask for a capability, not a vendor.

    from modelmesh_core import ModelMesh
    with ModelMesh.from_env() as mesh:
        client = mesh.get_client()
        print(client.chat.completions.create(model="chat-completion", messages=[...]).choices[0].message.content)

Names are imported when first used, so that importing this package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

FACE = {
    ".capabilities": ("CapabilityNode", "CapabilityTree"),
    ".catalogue": (
        "BatchSettings",
        "Constraints",
        "DeliverySupport",
        "Limits",
        "ModelDefinition",
        "ModelRegistry",
        "Pricing",
    ),
    ".client": (
        "AsyncOpenAIClient",
        "AsyncResponseStream",
        "AsyncStream",
        "Batch",
        "BatchPage",
        "BinaryAnswer",
        "ChatCompletion",
        "ChatCompletionChunk",
        "CreateEmbeddingResponse",
        "FileDeleted",
        "FileObject",
        "FilePage",
        "ImagesResponse",
        "ModerationCreateResponse",
        "OpenAIClient",
        "Response",
        "ResponseStream",
        "ResponseStreamEvent",
        "Stream",
        "Transcription",
    ),
    ".config": ("MeshConfig",),
    ".errors": (
        "AllProvidersExhaustedError",
        "AuthenticationError",
        "BudgetExceededError",
        "CapabilityNotFoundError",
        "ConfigurationError",
        "ConnectorError",
        "ContentFilterError",
        "ContextLengthError",
        "Failure",
        "FailureKind",
        "InvalidRequestError",
        "KeyLimitError",
        "ModelMeshError",
        "NoActiveModelError",
        "PermissionDeniedError",
        "Problem",
        "ProviderError",
        "ProviderTimeoutError",
        "RateLimitError",
        "RoutingError",
        "SecretNotFoundError",
        "StorageError",
        "provider_error",
    ),
    ".hookspecs": ("hookimpl",),
    ".interfaces.account": ("checked_key", "checked_url", "own_headers", "redacted"),
    ".interfaces.catalogue_file": ("read_catalogue", "read_free_tier"),
    ".interfaces.discovery": ("DiscoveryConnector", "DiscoveryService"),
    ".interfaces.document_storage": ("EMPTY_DOCUMENT", "DocumentStorage"),
    ".interfaces.http_secret_store": ("HttpSecretStore", "HttpStoreOptions"),
    ".interfaces.ledger": (
        "Amounts",
        "Correct",
        "LedgerAnswer",
        "LedgerBatch",
        "LedgerBook",
        "LedgerOperation",
        "Line",
        "Look",
        "Reserve",
        "Settle",
        "Totals",
        "keys_and_ids",
    ),
    ".interfaces.observability": (
        "EVENTS",
        "Entry",
        "Event",
        "MetricsSink",
        "ObservabilityConnector",
        "ObservabilitySink",
        "RequestCounter",
        "Snapshot",
        "json_line",
    ),
    ".interfaces.provider": (
        "CatalogueModel",
        "EnvironmentKey",
        "Flow",
        "FreeTier",
        "HttpProvider",
        "InProcessProvider",
        "Provider",
        "ProviderCall",
        "ProviderConnector",
        "ProviderSettings",
        "ResourceRequest",
        "StreamDecoder",
    ),
    ".interfaces.records": ("AttemptRecord", "DecisionRecord"),
    ".interfaces.routing": (
        "AttemptState",
        "Candidate",
        "Deactivation",
        "FailedAttempt",
        "ModelSnapshot",
        "PoolView",
        "Reason",
        "RetryAction",
        "RetryPlan",
        "RoutingContext",
        "SelectionStrategy",
        "Status",
        "WindowUsage",
    ),
    ".interfaces.secret_store": ("SecretStore", "SecretStoreConnector"),
    ".interfaces.store_client": ("PASSING_STATUSES", "NoAnswerError", "StoreClient"),
    ".interfaces.storage": ("Storage", "StorageConnector", "StoredInfo", "read_book", "written_book"),
    ".interfaces.traces": ("TraceContext", "trace_context"),
    ".mesh": ("ModelMesh",),
    ".openai_dialect": (
        "OpenAICompatible",
        "OpenAIStreamDecoder",
        "failure_of_error",
        "failure_of_response",
        "fold_chunks",
        "headroom_of",
        "reset_seconds",
        "unfold_reply",
        "usage_of",
    ),
    ".registry": ("ConnectorInfo", "ConnectorRegistry"),
    ".routing": ("Stage",),
    ".limits": ("AccountLimits", "BudgetSettings", "KeyLimits", "QuotaSettings", "WindowLimit"),
    ".settings": (
        "DeactivationSettings",
        "HedgeSettings",
        "MaintenanceWindow",
        "PoolSettings",
        "RateLimitSettings",
        "RecoverySettings",
        "RetrySettings",
    ),
    ".values": ("Clock", "Duration", "Money", "Secret", "Size", "SystemClock", "parse_duration", "parse_size"),
    ".vendor": ("VendorProvider", "drop_unknown", "poll_delays", "undecodable", "unknown_parameters"),
    ".wire.forms": ("FormFile", "encode_form", "file_of", "media_type_of"),
    ".wire.http": ("Headers", "HttpRequest", "HttpResponse", "HttpTimeouts", "retry_after_seconds"),
    ".wire.messages": (
        "Delivery",
        "Dialect",
        "EventKind",
        "Headroom",
        "LimitReport",
        "Operation",
        "Reply",
        "Request",
        "StreamEvent",
        "Usage",
    ),
    ".wire.shapes": (
        "Json",
        "as_count",
        "as_list",
        "as_number",
        "as_object",
        "as_objects",
        "as_text",
        "body_of",
        "json_bytes",
        "json_text",
        "object_of",
        "refused",
    ),
    ".wire.sse": ("SSEDecoder", "ServerSentEvent"),
}
_HOME = {name: module for module, names in FACE.items() for name in names}
__version__ = "0.1.0"
__all__ = ["__version__", *sorted(_HOME)]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
