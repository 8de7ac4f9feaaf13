"""Provider connectors: how a call looks on the wire and what an answer means.

A connector does no I/O. ``execute`` is a generator in the manner of httpx's ``auth_flow``: it yields an HttpRequest,
is sent the HttpResponse, and returns a Reply (or, for a streamed call, a StreamDecoder that is fed the body's bytes).
Upload, submit and poll is a loop in that one function. The core owns sockets, deadlines, retries and cancellation;
a connector never retries on its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol

import attrs

from ..catalogue.definitions import BatchSettings, Constraints, DeliverySupport, Limits, Pricing
from ..errors import Failure, FailureKind, provider_error
from ..limits import QuotaSettings
from ..values import Secret, new_dict, new_list
from ..wire.http import HttpRequest, HttpResponse
from ..wire.messages import Body, Dialect, Headroom, Operation, Reply, StreamEvent
from ..wire.stored import Content


@attrs.frozen
class CatalogueModel:
    """A model as a connector's catalogue lists it. ``id`` is ``vendor.name``; capabilities are names or paths."""

    id: str
    capabilities: tuple[str, ...]
    upstream_model: str | None = None
    delivery: DeliverySupport = DeliverySupport()
    features: frozenset[str] = frozenset()
    constraints: Constraints = Constraints()
    pricing: Pricing = Pricing()
    limits: Limits = Limits()
    free_tier_limits: Limits | None = None
    batch: BatchSettings | None = None
    source: str = ""
    """Where these facts were taken from."""
    as_of: str = ""
    """The day they were, ISO 8601."""


@attrs.frozen
class FreeTier:
    """What a vendor gives an account for nothing, over all its models. Limits of single models are in the catalogue."""

    source: str
    """Where these facts were taken from."""
    as_of: str
    """The day they were, ISO 8601."""
    quota: QuotaSettings = QuotaSettings()
    """Of the account."""
    all_models: bool = True
    """Whether models without limits of their own belong to it."""


def _none() -> FreeTier | None:
    return None


@attrs.frozen
class ProviderSettings:
    """One entry of ``providers``, as its connector gets it."""

    name: str
    """The entry's name; several entries can use one connector."""
    api_key: Secret | None = None
    base_url: str | None = None
    headers: Mapping[str, str | Secret] = attrs.field(factory=dict[str, "str | Secret"], repr=False)
    options: Any = None
    """An instance of the connector's own options class, validated."""


@attrs.frozen
class ResourceRequest:
    """A call about something that a vendor keeps for its account: a file, a batch, an answer that was stored."""

    method: str
    path: str
    """Below the API's root, beginning with a slash. Whatever a caller put into it is quoted."""
    query: str = ""
    """As it stands in a URL, without the question mark."""
    content: Content | None = attrs.field(default=None, repr=False)
    media_type: str | None = None
    """Of ``content``. For a form it names the boundary."""


@attrs.define(slots=True)
class ProviderCall:
    """One attempt, as a connector sees it."""

    operation: Operation
    upstream_model: str
    """Put this where the vendor expects its model name, byte for byte."""
    body: Body
    """The caller's body in the OpenAI shape, with the caller's own ``model``. Shared by attempts: never change it."""
    stream: bool = False
    request_id: str = ""
    features: frozenset[str] = frozenset()
    """What the chosen model can do, for connectors that translate."""
    max_output_tokens: int | None = None
    """The model's own ceiling, for vendors that demand one."""
    raw: bytes | None = attrs.field(default=None, repr=False)
    """The body's own bytes, where the caller sent bytes."""
    prefill: str | None = None
    """What of the answer was handed on already, by a model that then failed: continue from its end, and answer with
    the continuation only. Set only for models with the feature ``prefill``."""
    dialect: Dialect = Dialect.OPENAI_CHAT
    """In which shape the caller asked."""
    native: Body | None = None
    """The caller's own body in ``dialect``, where that is not OPENAI_CHAT: a connector whose vendor speaks it sends
    this in place of ``body``, with the model name replaced, and loses nothing. Never change it."""
    unsupported: Literal["drop", "warn", "error"] = "warn"
    """What becomes of a parameter that the vendor lacks."""
    dropped: list[str] = attrs.field(factory=new_list)
    """Parameters left out so far: the caller is told of them."""
    resource: ResourceRequest | None = None
    """What is asked, where no model is. ``body`` and ``upstream_model`` are empty then. Only for connectors that have
    the operation (``files``, ``batch``, ``responses``, ``stored-completions``, ``models``)."""
    trace_headers: Mapping[str, str] = attrs.field(factory=new_dict)
    """The trace that the call belongs to. The core sends them with every HTTP request of the call."""

    def drop(self, parameter: str, why: str = "the provider has no such parameter") -> None:
        """Leave ``parameter`` of the body out, by the caller's policy, and never in silence.

        Raises ProviderError of kind INVALID_REQUEST where the policy is ``error``.
        """
        if self.unsupported == "error":
            message = f"{parameter} cannot be passed on: {why} (unsupported: error)"
            raise provider_error(
                Failure(FailureKind.INVALID_REQUEST, message, status=400, code="unsupported_parameter")
            )
        if self.unsupported == "warn" and parameter not in self.dropped:
            self.dropped.append(parameter)


class StreamDecoder(Protocol):
    """Fed a streamed body's bytes, cut anywhere; gives events in the OpenAI chunk shape."""

    headroom: Headroom
    """What the response's head said of limits; empty if nothing."""
    skipped: int
    """Events so far that made no sense, and were left out. One is forgiven; more are a failure."""

    def feed(self, data: bytes) -> Iterable[StreamEvent]:
        """Events completed by ``data``. Raise ``provider_error`` only for what cannot be skipped."""
        ...

    def finish(self) -> Iterable[StreamEvent]:
        """Called once at the end of the body. Yield what is left.

        Whether the answer was whole is the router's to judge: it has seen a FINISH or a DONE event, or it has not.
        """
        ...


Flow = Generator[HttpRequest, HttpResponse, Reply | StreamDecoder]
"""What ``HttpProvider.execute`` returns."""


class Provider(ABC):
    """One configured account at a vendor. Made by its ProviderConnector's ``create``."""

    operations: frozenset[Operation] = frozenset({Operation.CHAT})
    """What this connector can do at all."""
    takes_stored = False
    """Whether a large upload may lie on disk instead of in memory: then a ``file`` of the body, and the content of a
    resource, is whatever ``file_of``, ``encode_form`` and an HttpRequest's ``body`` take. Else both are bytes."""

    def close(self) -> None:  # noqa: B027  (nothing to close is the common case)
        """Release what ``create`` took. Called once, at shutdown."""


class HttpProvider(Provider):
    """A provider that is reached over HTTP."""

    @abstractmethod
    def execute(self, call: ProviderCall) -> Flow:
        """The call, as HTTP. Raise ``provider_error(Failure(...))`` for what the vendor reports as an error."""

    def list_models(self) -> Generator[HttpRequest, HttpResponse, Sequence[CatalogueModel]]:
        """What the account can use, by the vendor's free listing call. Also the default health probe."""
        raise NotImplementedError(f"{type(self).__name__} cannot list its models")
        yield  # the marker that makes this a generator function

    def check_health(self) -> Generator[HttpRequest, HttpResponse, None]:
        """The cheapest call that proves the account works: never a paid completion. Raises ProviderError if not."""
        yield from self.list_models()


class InProcessProvider(Provider):
    """A provider that answers within this process, such as a local model."""

    @abstractmethod
    async def execute(self, call: ProviderCall) -> Reply | AsyncIterator[StreamEvent]:
        """The answer; for ``call.stream`` an async iterator of events, whose ``aclose`` stops the work."""

    async def check_health(self) -> None:
        """Raise ProviderError if the model cannot answer."""


@attrs.frozen
class EnvironmentKey:
    """How a provider is detected when there is no configuration file."""

    api_key: tuple[str, ...] = ()
    """Variables that can hold the key, most usual first."""
    base_url: tuple[str, ...] = ()
    """Variables that can hold the address, for example ``OLLAMA_HOST``."""
    required: tuple[str, ...] = ()
    """Variables that must all be set for the provider to be usable."""
    options: Mapping[str, str] = attrs.field(factory=new_dict)
    """Option of the connector → variable that it is read from, where that is set."""


@attrs.frozen
class ProviderConnector:
    """A provider connector, as a plugin's ``provider_connectors`` hook yields it."""

    id: str
    """``vendor.service.vN``."""
    create: Callable[[ProviderSettings], Provider]
    """Makes the provider for one entry of ``providers``. Raise ValueError for settings that cannot work."""
    options: type | None = None
    """An attrs class of the connector's own options, with defaults; unknown keys are refused by its fields."""
    models: Callable[[], Sequence[CatalogueModel]] = tuple
    """The connector's catalogue. Called when first needed."""
    environment: EnvironmentKey | None = None
    default_name: str = ""
    """Name of the detected ``providers`` entry; the id's vendor when empty."""
    requires_api_key: bool = True
    default_base_url: str | None = None
    description: str = ""
    free_tier: Callable[[], FreeTier | None] = _none
    """What is applied where an entry says ``free_tier: true``; called when one does."""


def failure_of(error: BaseException) -> Failure | None:
    """The Failure that a ProviderError carries, else None."""
    failure = getattr(error, "failure", None)
    return failure if isinstance(failure, Failure) else None
