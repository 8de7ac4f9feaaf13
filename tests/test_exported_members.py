"""The face of the library: what plugin authors and users may rely on."""

import sys
from pathlib import Path

import modelmesh_core
import pytest
from modelmesh_core import testing

ROOT = Path(modelmesh_core.__file__).parents[1]

FACE = [
    "AllProvidersExhaustedError",
    "AsyncOpenAIClient",
    "AsyncStream",
    "AttemptRecord",
    "AttemptState",
    "AuthenticationError",
    "BatchSettings",
    "BinaryAnswer",
    "BudgetExceededError",
    "Candidate",
    "CapabilityNode",
    "CapabilityNotFoundError",
    "CapabilityTree",
    "CatalogueModel",
    "ChatCompletion",
    "ChatCompletionChunk",
    "Clock",
    "ConfigurationError",
    "ConnectorError",
    "ConnectorInfo",
    "ConnectorRegistry",
    "Constraints",
    "ContentFilterError",
    "ContextLengthError",
    "CreateEmbeddingResponse",
    "Deactivation",
    "DeactivationSettings",
    "DecisionRecord",
    "Delivery",
    "DeliverySupport",
    "Dialect",
    "DiscoveryConnector",
    "DiscoveryService",
    "Duration",
    "EVENTS",
    "Entry",
    "EnvironmentKey",
    "Event",
    "EventKind",
    "FailedAttempt",
    "Failure",
    "FailureKind",
    "Flow",
    "Headers",
    "Headroom",
    "HedgeSettings",
    "HttpProvider",
    "HttpRequest",
    "HttpResponse",
    "HttpTimeouts",
    "ImagesResponse",
    "InProcessProvider",
    "InvalidRequestError",
    "LimitReport",
    "Limits",
    "MaintenanceWindow",
    "MeshConfig",
    "ModelDefinition",
    "ModelMesh",
    "ModelMeshError",
    "ModelRegistry",
    "ModelSnapshot",
    "ModerationCreateResponse",
    "Money",
    "NoActiveModelError",
    "ObservabilityConnector",
    "ObservabilitySink",
    "OpenAIClient",
    "OpenAICompatible",
    "OpenAIStreamDecoder",
    "Operation",
    "PoolSettings",
    "PoolView",
    "Pricing",
    "Problem",
    "Provider",
    "ProviderCall",
    "ProviderConnector",
    "ProviderError",
    "ProviderSettings",
    "ProviderTimeoutError",
    "RateLimitError",
    "RateLimitSettings",
    "Reason",
    "RecoverySettings",
    "Reply",
    "Request",
    "RetryAction",
    "RetryPlan",
    "RetrySettings",
    "RoutingContext",
    "RoutingError",
    "SSEDecoder",
    "Secret",
    "SecretNotFoundError",
    "SecretStore",
    "SecretStoreConnector",
    "SelectionStrategy",
    "ServerSentEvent",
    "Size",
    "Stage",
    "Status",
    "Storage",
    "StorageConnector",
    "StorageError",
    "StoredInfo",
    "Stream",
    "StreamDecoder",
    "StreamEvent",
    "SystemClock",
    "Transcription",
    "Usage",
    "WindowUsage",
    "__version__",
    "failure_of_error",
    "failure_of_response",
    "fold_chunks",
    "headroom_of",
    "hookimpl",
    "parse_duration",
    "parse_size",
    "provider_error",
    "read_catalogue",
    "reset_seconds",
    "retry_after_seconds",
    "unfold_reply",
    "usage_of",
]


def test_the_face_is_what_it_is():
    assert sorted(modelmesh_core.__all__) == sorted(FACE)


@pytest.mark.parametrize("module", [modelmesh_core, testing], ids=["modelmesh_core", "modelmesh_core.testing"])
def test_every_name_of_the_face_is_there(module):
    for name in module.__all__:
        assert getattr(module, name) is not None


def test_the_stubs_are_fresh():
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        from make_face import STUBS
    finally:
        sys.path.pop(0)
    for path, make in STUBS.items():
        assert path.read_text(encoding="utf-8") == make(), "run: python tools/make_face.py"
