"""What a configuration can say beside its pools: one attrs class for each section.

Durations are seconds, sizes bytes. Every default here is the documented default. The classes are the single source
of what is accepted: the loader, the error messages and the JSON Schema are all made from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import attrs

from ..catalogue.definitions import BatchSettings, Constraints, DeliverySupport, Limits, Pricing
from ..limits import BudgetSettings, QuotaSettings
from ..settings import PoolSettings
from ..values import Duration, Secret, Size
from ..wire.http import HttpTimeouts

DEFAULT_SECRET_STORE = "modelmesh.env.v1"

TimeZone = Annotated[str, "time zone"]
Cron = Annotated[str, "cron"]
Url = Annotated[str, "url"]
Sha256 = Annotated[str, "sha256"]
ErrorCode = Annotated[int | str, "error code"]
Endpoint = Annotated[str, "endpoint"]

OneOrMany = Annotated[tuple[str, ...], "one or many"]
"""Written as one text or as a list."""
CapabilityPaths = Annotated[tuple[str, ...], "capability paths"]
"""Written as a list of dotted paths or as a nested mapping."""
Features = Annotated[Mapping[str, bool], "features"]
"""Written as a mapping or as a list of what the model can do."""
Options = Annotated[Any, "options"]
"""Keys that the section itself does not know: the connector's own."""


@attrs.frozen
class SecretsConfig:
    """Where ``${secrets:NAME}`` comes from."""

    store: OneOrMany = (DEFAULT_SECRET_STORE,)
    """Secret stores, asked in this order."""
    cache_ttl: Duration = 300.0
    """How long a secret that was found is remembered, and how often the stores are asked whether it has changed."""
    cache_enabled: bool = True
    reload_on_rotation: bool = True
    """Give a running provider its new key when it has changed: every ``cache_ttl``, and when the old one is refused."""
    fail_on_missing: bool = True
    """Refuse to start when a reference has no value; otherwise the key that holds it counts as left out."""
    options: Options = attrs.field(factory=dict[str, Any], repr=False)
    """Id of each store → instance of that store's options class (None if it has none)."""


@attrs.frozen
class AuthConfig:
    """How a provider knows the caller."""

    method: Literal["api_key"] = "api_key"


@attrs.frozen
class ProviderConfig:
    """One account at a provider."""

    name: str
    connector: str = ""
    """Id of a provider connector. Defaults to the entry's name."""
    enabled: bool = True
    api_key: Secret | None = None
    """Write a reference: ``${env:NAME}`` or ``${secrets:NAME}``."""
    base_url: Url | None = None
    timeout: HttpTimeouts = HttpTimeouts()
    """A bare duration sets ``total``."""
    auth: AuthConfig = AuthConfig()
    quota: QuotaSettings | None = None
    """What the account may send in all, whatever the model."""
    budget: BudgetSettings | None = None
    """How much may be spent at this account."""
    free_tier: bool = False
    """Keep to the known limits of the vendor's free tier: `modelmesh quota` shows them, with their source."""
    pass_unlisted_models: bool = False
    """Ask this provider for models that nobody has listed, by the name that the caller gives. Of several such
    providers the first is asked, or the one in ``PROVIDER/NAME``."""
    headers: Mapping[str, Secret] = attrs.field(factory=dict[str, Secret], repr=False)
    """Sent with every request. Values are treated as secrets."""
    max_connections: int | None = 1000
    proxy_url: Secret | None = None
    """An HTTP proxy on the way to the provider; a secret because it may hold a password."""
    options: Options = attrs.field(default=None, repr=False)
    """Instance of the connector's options class; None if it has none."""

    def secrets(self) -> list[Secret]:
        """Everything in it that must not be told."""
        return [one for one in (self.api_key, self.proxy_url, *self.headers.values()) if one is not None]


@attrs.frozen
class ModelConfig:
    """One model. What is left out (None, or a key absent from a mapping) comes from the connector's catalogue."""

    id: str
    provider: str | None = None
    """Name of an entry in ``providers``."""
    upstream_model: str | None = None
    """What the vendor is sent, byte for byte. Defaults to the id after its first dot."""
    capabilities: tuple[str, ...] | None = None
    """Leaves of the capability tree."""
    delivery: Annotated[Mapping[str, Any], DeliverySupport] = attrs.field(factory=dict[str, Any])
    batch: Annotated[Mapping[str, Any], BatchSettings] = attrs.field(factory=dict[str, Any])
    features: Features = attrs.field(factory=dict[str, bool])
    """Feature → whether the model has it. A list says that it has them."""
    constraints: Annotated[Mapping[str, Any], Constraints] = attrs.field(factory=dict[str, Any])
    pricing: Annotated[Mapping[str, Any], Pricing] = attrs.field(factory=dict[str, Any])
    """USD; tokens per 1M."""
    limits: Annotated[Mapping[str, Any], Limits] = attrs.field(factory=dict[str, Any])
    budget: BudgetSettings | None = None
    """How much may be spent on this model, whatever the pool."""


@attrs.frozen
class EncryptionConfig:
    """Encryption of the saved state: AES-256-GCM."""

    passphrase: Secret | None = None
    """The key is made of it. None: the state is kept in clear."""


@attrs.frozen
class LockingConfig:
    """Whether a save waits for other processes that share the storage."""

    enabled: bool = False
    """Take a lease before each save. Saves are atomic without it; with it they come one after the other."""
    timeout: Duration = 30.0
    """How long a save waits for the lease before it fails."""
    retry_interval: Duration = 1.0
    """How often it is asked for meanwhile."""
    lease: Duration = 30.0
    """After which the lease of a process that died is free."""


@attrs.frozen
class StorageConfig:
    """Where state outlives the process."""

    connector: str | None = None
    """Id of a storage connector. Left out: memory in the library, SQLite in the gateway and the command line."""
    sync_policy: Literal["in-memory", "sync-on-boundary", "periodic", "immediate"] | None = None
    sync_interval: Duration = 300.0
    """For ``periodic``."""
    format: Literal["json", "msgpack"] = "json"
    """Of the saved state."""
    compression: Literal["none", "gzip"] = "none"
    """Of the saved state."""
    encryption: EncryptionConfig = EncryptionConfig()
    locking: LockingConfig = LockingConfig()
    on_storage_failure: Literal["local-share", "deny", "allow"] = "local-share"
    """What limits and budgets do while the storage is out of reach: each process goes on within its share of what was
    left; what they bind is refused; or each process keeps them by itself."""
    options: Options = attrs.field(default=None, repr=False)
    """Instance of the connector's options class; None if it has none."""


@attrs.frozen
class SinkConfig:
    """One destination of events, request records or statistics."""

    connector: str
    """Id of an observability connector."""
    options: Options = attrs.field(default=None, repr=False)
    """Instance of the connector's options class; None if it has none."""


Sinks = Annotated[tuple[SinkConfig, ...], "sinks"]
"""Written as an id, a mapping of ``connector`` and its options, or a list of these."""


@attrs.frozen
class RoutingLogConfig:
    """Where events go."""

    connector: Sinks = ()


@attrs.frozen
class RequestLogConfig:
    """Where request records go, and how much they say. Prompts and answers are never in them."""

    connector: Sinks = ()
    level: Literal["metadata", "summary", "full"] = "metadata"


@attrs.frozen
class StatisticsConfig:
    """Where statistics go, and how often."""

    connector: Sinks = ()
    flush_interval: Duration = 60.0


@attrs.frozen
class ObservabilityConfig:
    """What the mesh tells about itself."""

    routing: RoutingLogConfig = RoutingLogConfig()
    logging: RequestLogConfig = RequestLogConfig()
    statistics: StatisticsConfig = StatisticsConfig()


@attrs.frozen
class ConnectorPackage:
    """A zip or wheel on disk that holds connectors. Never a URL."""

    path: str
    """Relative to the configuration file."""
    sha256: Sha256


@attrs.frozen
class ConnectorsConfig:
    """Connectors that are not installed, and those that act everywhere."""

    packages: tuple[ConnectorPackage, ...] = ()
    plugins: tuple[str, ...] = ()
    """Rotation connectors that act in every pool."""


@attrs.frozen
class ProxyAuthConfig:
    """Who may use the gateway."""

    method: Literal["bearer"] = "bearer"
    tokens: tuple[Secret, ...] = ()
    keys: bool = False
    """Accept the keys that ``modelmesh keys`` keeps in the storage, too."""
    hash_key: Secret | None = None
    """Mixed into the hashes of the keys, so that the storage alone tells nobody whether a token is right. Keys that
    were made with another one are not recognized."""


@attrs.frozen
class CorsConfig:
    """Which web pages may call the gateway."""

    enabled: bool = False
    origins: tuple[str, ...] = ()


ENDPOINTS = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/messages",
    "/v1/embeddings",
    "/v1/audio/speech",
    "/v1/audio/transcriptions",
    "/v1/audio/translations",
    "/v1/images/generations",
    "/v1/images/edits",
    "/v1/images/variations",
    "/v1/moderations",
    "/v1/rerank",
    "/v1/search",
    "/v1/batches",
    "/v1/files",
    "/v1/models",
    "/metrics",
)
"""What ``proxy.endpoints`` can name."""


@attrs.frozen
class ProxyConfig:
    """The gateway."""

    host: str = "127.0.0.1"
    port: int = 8080
    """0 takes any free port."""
    endpoints: tuple[Endpoint, ...] = ()
    """Only these are served. Empty: all. The health endpoints are always there."""
    auth: ProxyAuthConfig = ProxyAuthConfig()
    cors: CorsConfig = CorsConfig()
    max_body: Size = 32 * 1024**2
    workers: int = 1
    allow_unauthenticated: bool = False
    """Serve on an address that others can reach, without asking for a token."""


@attrs.frozen
class SyncConfig:
    """Whether what the providers list is compared with the models that are known."""

    enabled: bool = False
    """Nobody is called unless this is true."""
    connector: str = "modelmesh.registry-sync.v1"
    """Id of a discovery connector."""
    interval: Duration = 3600.0
    """From one round to the next."""
    providers: tuple[str, ...] = ()
    """Names of the providers to ask. Empty: all."""
    auto_register: bool = True
    """Whether ``on_new_model: register`` may; false makes it ``notify``."""
    on_new_model: Literal["register", "notify", "ignore"] = "register"
    """What becomes of a model that a provider lists and nobody knew."""
    on_deprecated_model: Literal["deactivate", "notify", "ignore"] = "notify"
    """What becomes of a model that a provider has listed and lists no more."""
    on_repriced_model: Literal["update", "notify", "ignore"] = "notify"
    """What becomes of a price that a provider lists and that differs. Prices of the configuration stay in any case."""
    options: Options = attrs.field(default=None, repr=False)
    """Instance of the connector's options class; None if it has none."""


@attrs.frozen
class HealthConfig:
    """Whether providers that nobody asks are tried now and then."""

    enabled: bool = False
    """Nobody is called unless this is true."""
    connector: str = "modelmesh.health-monitor.v1"
    """Id of a discovery connector."""
    interval: Duration = 60.0
    """From one round to the next."""
    timeout: Duration = 10.0
    """For one call."""
    failure_threshold: int = 3
    """Calls in a row that fail until the provider's models go on standby."""
    providers: tuple[str, ...] = ()
    """Names of the providers to watch. Empty: all."""
    options: Options = attrs.field(default=None, repr=False)
    """Instance of the connector's options class; None if it has none."""


@attrs.frozen
class DiscoveryConfig:
    """Background services that call providers without being asked for an answer."""

    sync: SyncConfig = SyncConfig()
    health: HealthConfig = HealthConfig()


@attrs.frozen
class Sections:
    """Everything that a configuration holds."""

    secrets: SecretsConfig = SecretsConfig()
    capabilities: CapabilityPaths = ()
    """Nodes to add to the capability tree."""
    providers: Mapping[str, ProviderConfig] = attrs.field(factory=dict[str, ProviderConfig])
    models: Mapping[str, ModelConfig] = attrs.field(factory=dict[str, ModelConfig])
    pools: Mapping[str, PoolSettings] = attrs.field(factory=dict[str, PoolSettings])
    storage: StorageConfig = StorageConfig()
    observability: ObservabilityConfig = ObservabilityConfig()
    discovery: DiscoveryConfig = DiscoveryConfig()
    connectors: ConnectorsConfig = ConnectorsConfig()
    proxy: ProxyConfig = ProxyConfig()
    allow_pinned_models: bool = True
    """Whether a caller may ask for one model by its id."""
    http_engine: Literal["auto", "httpx", "pyreqwest", "httptools"] = "auto"
    """``auto`` is httpx. The others cost a tenth to a quarter of it. pyreqwest leaves a call that is cancelled before
    the response's head running until the head comes; httptools closes its socket at once."""
