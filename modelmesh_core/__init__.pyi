# Made by tools/make_face.py from __init__.py: do not edit.

from .capabilities import (
    CapabilityNode as CapabilityNode,
    CapabilityTree as CapabilityTree,
)
from .catalogue import (
    BatchSettings as BatchSettings,
    Constraints as Constraints,
    DeliverySupport as DeliverySupport,
    Limits as Limits,
    ModelDefinition as ModelDefinition,
    ModelRegistry as ModelRegistry,
    Pricing as Pricing,
)
from .client import (
    AsyncOpenAIClient as AsyncOpenAIClient,
    AsyncResponseStream as AsyncResponseStream,
    AsyncStream as AsyncStream,
    Batch as Batch,
    BatchPage as BatchPage,
    BinaryAnswer as BinaryAnswer,
    ChatCompletion as ChatCompletion,
    ChatCompletionChunk as ChatCompletionChunk,
    CreateEmbeddingResponse as CreateEmbeddingResponse,
    FileDeleted as FileDeleted,
    FileObject as FileObject,
    FilePage as FilePage,
    ImagesResponse as ImagesResponse,
    ModerationCreateResponse as ModerationCreateResponse,
    OpenAIClient as OpenAIClient,
    Response as Response,
    ResponseStream as ResponseStream,
    ResponseStreamEvent as ResponseStreamEvent,
    Stream as Stream,
    Transcription as Transcription,
)
from .config import (
    MeshConfig as MeshConfig,
)
from .errors import (
    AllProvidersExhaustedError as AllProvidersExhaustedError,
    AuthenticationError as AuthenticationError,
    BudgetExceededError as BudgetExceededError,
    CapabilityNotFoundError as CapabilityNotFoundError,
    ConfigurationError as ConfigurationError,
    ConnectorError as ConnectorError,
    ContentFilterError as ContentFilterError,
    ContextLengthError as ContextLengthError,
    Failure as Failure,
    FailureKind as FailureKind,
    InvalidRequestError as InvalidRequestError,
    KeyLimitError as KeyLimitError,
    ModelMeshError as ModelMeshError,
    NoActiveModelError as NoActiveModelError,
    PermissionDeniedError as PermissionDeniedError,
    Problem as Problem,
    ProviderError as ProviderError,
    ProviderTimeoutError as ProviderTimeoutError,
    RateLimitError as RateLimitError,
    RoutingError as RoutingError,
    SecretNotFoundError as SecretNotFoundError,
    StorageError as StorageError,
    provider_error as provider_error,
)
from .hookspecs import (
    hookimpl as hookimpl,
)
from .interfaces.account import (
    checked_key as checked_key,
    checked_url as checked_url,
    own_headers as own_headers,
    redacted as redacted,
)
from .interfaces.catalogue_file import (
    read_catalogue as read_catalogue,
    read_free_tier as read_free_tier,
)
from .interfaces.discovery import (
    DiscoveryConnector as DiscoveryConnector,
    DiscoveryService as DiscoveryService,
)
from .interfaces.document_storage import (
    DocumentStorage as DocumentStorage,
    EMPTY_DOCUMENT as EMPTY_DOCUMENT,
)
from .interfaces.http_secret_store import (
    HttpSecretStore as HttpSecretStore,
    HttpStoreOptions as HttpStoreOptions,
)
from .interfaces.ledger import (
    Amounts as Amounts,
    Correct as Correct,
    LedgerAnswer as LedgerAnswer,
    LedgerBatch as LedgerBatch,
    LedgerBook as LedgerBook,
    LedgerOperation as LedgerOperation,
    Line as Line,
    Look as Look,
    Reserve as Reserve,
    Settle as Settle,
    Totals as Totals,
    keys_and_ids as keys_and_ids,
)
from .interfaces.observability import (
    EVENTS as EVENTS,
    Entry as Entry,
    Event as Event,
    MetricsSink as MetricsSink,
    ObservabilityConnector as ObservabilityConnector,
    ObservabilitySink as ObservabilitySink,
    RequestCounter as RequestCounter,
    Snapshot as Snapshot,
    json_line as json_line,
)
from .interfaces.provider import (
    CatalogueModel as CatalogueModel,
    EnvironmentKey as EnvironmentKey,
    Flow as Flow,
    FreeTier as FreeTier,
    HttpProvider as HttpProvider,
    InProcessProvider as InProcessProvider,
    Provider as Provider,
    ProviderCall as ProviderCall,
    ProviderConnector as ProviderConnector,
    ProviderSettings as ProviderSettings,
    ResourceRequest as ResourceRequest,
    StreamDecoder as StreamDecoder,
)
from .interfaces.records import (
    AttemptRecord as AttemptRecord,
    DecisionRecord as DecisionRecord,
)
from .interfaces.routing import (
    AttemptState as AttemptState,
    Candidate as Candidate,
    Deactivation as Deactivation,
    FailedAttempt as FailedAttempt,
    ModelSnapshot as ModelSnapshot,
    PoolView as PoolView,
    Reason as Reason,
    RetryAction as RetryAction,
    RetryPlan as RetryPlan,
    RoutingContext as RoutingContext,
    SelectionStrategy as SelectionStrategy,
    Status as Status,
    WindowUsage as WindowUsage,
)
from .interfaces.secret_store import (
    SecretStore as SecretStore,
    SecretStoreConnector as SecretStoreConnector,
)
from .interfaces.storage import (
    Storage as Storage,
    StorageConnector as StorageConnector,
    StoredInfo as StoredInfo,
    read_book as read_book,
    written_book as written_book,
)
from .interfaces.store_client import (
    NoAnswerError as NoAnswerError,
    PASSING_STATUSES as PASSING_STATUSES,
    StoreClient as StoreClient,
)
from .interfaces.traces import (
    TraceContext as TraceContext,
    trace_context as trace_context,
)
from .limits import (
    AccountLimits as AccountLimits,
    BudgetSettings as BudgetSettings,
    KeyLimits as KeyLimits,
    QuotaSettings as QuotaSettings,
    WindowLimit as WindowLimit,
)
from .mesh import (
    ModelMesh as ModelMesh,
)
from .openai_dialect import (
    OpenAICompatible as OpenAICompatible,
    OpenAIStreamDecoder as OpenAIStreamDecoder,
    failure_of_error as failure_of_error,
    failure_of_response as failure_of_response,
    fold_chunks as fold_chunks,
    headroom_of as headroom_of,
    reset_seconds as reset_seconds,
    unfold_reply as unfold_reply,
    usage_of as usage_of,
)
from .registry import (
    ConnectorInfo as ConnectorInfo,
    ConnectorRegistry as ConnectorRegistry,
)
from .routing import (
    Stage as Stage,
)
from .settings import (
    DeactivationSettings as DeactivationSettings,
    HedgeSettings as HedgeSettings,
    MaintenanceWindow as MaintenanceWindow,
    PoolSettings as PoolSettings,
    RateLimitSettings as RateLimitSettings,
    RecoverySettings as RecoverySettings,
    RetrySettings as RetrySettings,
)
from .values import (
    Clock as Clock,
    Duration as Duration,
    Money as Money,
    Secret as Secret,
    Size as Size,
    SystemClock as SystemClock,
    parse_duration as parse_duration,
    parse_size as parse_size,
)
from .vendor import (
    VendorProvider as VendorProvider,
    drop_unknown as drop_unknown,
    poll_delays as poll_delays,
    undecodable as undecodable,
    unknown_parameters as unknown_parameters,
)
from .wire.forms import (
    FormFile as FormFile,
    encode_form as encode_form,
    file_of as file_of,
    media_type_of as media_type_of,
)
from .wire.http import (
    Headers as Headers,
    HttpRequest as HttpRequest,
    HttpResponse as HttpResponse,
    HttpTimeouts as HttpTimeouts,
    retry_after_seconds as retry_after_seconds,
)
from .wire.messages import (
    Delivery as Delivery,
    Dialect as Dialect,
    EventKind as EventKind,
    Headroom as Headroom,
    LimitReport as LimitReport,
    Operation as Operation,
    Reply as Reply,
    Request as Request,
    StreamEvent as StreamEvent,
    Usage as Usage,
)
from .wire.shapes import (
    Json as Json,
    as_count as as_count,
    as_list as as_list,
    as_number as as_number,
    as_object as as_object,
    as_objects as as_objects,
    as_text as as_text,
    body_of as body_of,
    json_bytes as json_bytes,
    json_text as json_text,
    object_of as object_of,
    refused as refused,
)
from .wire.sse import (
    SSEDecoder as SSEDecoder,
    ServerSentEvent as ServerSentEvent,
)

FACE: dict[str, tuple[str, ...]]
__version__: str
__all__: list[str]
