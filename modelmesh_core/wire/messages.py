"""What the mesh carries: the caller's request, the provider's reply, usage, headroom, stream events.

A request body is the dict that the caller sent, in the OpenAI shape. Only what routing needs is read out of it;
everything else passes through untouched.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any

import attrs

from ..errors import ProviderError
from ..limits import KeyLimits
from ..values import new_dict, quick_frozen
from .http import Headers

Body = dict[str, Any]


class Operation(StrEnum):
    """What is asked of a model. The value is its name in configuration, records and metrics."""

    CHAT = "chat"
    TEXT_COMPLETION = "text-completion"
    RESPONSES = "responses"
    EMBEDDINGS = "embeddings"
    SPEECH = "speech"
    TRANSCRIPTION = "transcription"
    AUDIO_TRANSLATION = "audio-translation"
    IMAGES = "images"
    MODERATION = "moderation"
    RERANK = "rerank"
    SEARCH = "search"
    DOCUMENT_PARSING = "document-parsing"
    TRANSLATION = "translation"
    BATCH = "batch"
    FILES = "files"
    STORED_COMPLETIONS = "stored-completions"
    MODELS = "models"

    # Enum hashes by name, in Python: too slow for a filter over thousands, and unequal to the hash of its value.
    __hash__ = str.__hash__


class Dialect(StrEnum):
    """In which API's shape a caller asks, or a provider answers. The mesh itself works in the first."""

    OPENAI_CHAT = "openai-chat"
    OPENAI_RESPONSES = "openai-responses"
    ANTHROPIC_MESSAGES = "anthropic-messages"

    __hash__ = str.__hash__


class Delivery(StrEnum):
    """How the caller wants the answer."""

    SYNCHRONOUS = "synchronous"
    STREAMING = "streaming"
    BATCH = "batch"

    __hash__ = str.__hash__


NAMES: Mapping[StrEnum, str] = {member: member.value for kind in (Operation, Delivery) for member in kind}
"""The values as plain text. An enum looks each up anew, in Python; this is for what every request does."""


@quick_frozen
class Usage:
    """What one attempt used. The token counts are disjoint: their sum is everything that was billed."""

    input: int = 0
    """Input tokens that were neither read from nor written to a cache."""
    output: int = 0
    """Output tokens other than reasoning."""
    cached_input: int = 0
    cache_write: int = 0
    reasoning: int = 0
    audio: int = 0
    """Audio tokens, in and out."""
    cost: Decimal | None = None
    """USD as the provider itself reported it; it wins over the price list."""
    estimated: bool = False
    """True where the provider reported nothing and the mesh counted for itself."""
    images: int = 0
    characters: int = 0
    seconds: float = 0.0
    """Seconds of audio."""

    @property
    def total_input(self) -> int:
        return self.input + self.cached_input + self.cache_write

    @property
    def total_output(self) -> int:
        return self.output + self.reasoning

    @property
    def total(self) -> int:
        return self.input + self.cached_input + self.cache_write + self.output + self.reasoning + self.audio

    def __add__(self, other: Usage) -> Usage:
        cost = None if self.cost is None and other.cost is None else (self.cost or 0) + (other.cost or Decimal(0))
        return Usage(
            self.input + other.input,
            self.output + other.output,
            self.cached_input + other.cached_input,
            self.cache_write + other.cache_write,
            self.reasoning + other.reasoning,
            self.audio + other.audio,
            cost,
            self.estimated or other.estimated,
            self.images + other.images,
            self.characters + other.characters,
            self.seconds + other.seconds,
        )


@quick_frozen
class LimitReport:
    """One limit as the provider last reported it."""

    limit: int | None = None
    remaining: int | None = None
    reset_after: float | None = None
    """Seconds until it is whole again, counted from when the response came."""


Headroom = Mapping[str, LimitReport]
"""Kind of limit (``requests``, ``tokens``, ``input-tokens``, ...; per day: ``requests-day``) → what was reported."""


@attrs.define(slots=True)
class Request:
    """One request to the mesh.

    ``model`` is what the caller named: a pool, a capability or its alias, or a pinned model.
    """

    operation: Operation
    model: str
    body: Body
    delivery: Delivery = Delivery.SYNCHRONOUS
    id: str = ""
    """Given by the router when empty; in every record, event and response header."""
    session_id: str | None = None
    timeout: float | None = None
    """Seconds; narrows the pool's ``deadline``."""
    key: str | None = None
    """Name of the gateway key that sent it, for limits and records."""
    key_limits: KeyLimits | None = None
    """What may be used with that key."""
    capability: str | None = None
    """Capability that the operation implies, used when ``model`` names none (for example ``text-embeddings``)."""
    include_usage: bool = False
    """Whether a streaming caller asked for the usage chunk; the mesh asks upstream for it in any case."""
    metadata: Mapping[str, str] = attrs.field(factory=new_dict)
    raw: bytes | None = attrs.field(default=None, repr=False)
    """The body's own bytes, where the caller sent bytes: a connector of the same dialect may forward them."""
    dialect: Dialect = Dialect.OPENAI_CHAT
    """In which shape the caller asked, and wants the answer."""
    native: Body | None = attrs.field(default=None, repr=False)
    """The caller's own body, where ``dialect`` is another one than that of ``body``."""
    traceparent: str | None = None
    """The trace that it belongs to (W3C Trace Context), as the caller names it."""
    tracestate: str | None = None


@quick_frozen
class Reply:
    """A whole answer.

    ``body`` is the OpenAI-shaped dict; ``content`` with ``media_type`` is a binary answer such as speech.
    """

    body: Body = attrs.field(factory=new_dict)
    usage: Usage | None = None
    finish_reason: str | None = None
    headroom: Headroom = attrs.field(factory=new_dict)
    headers: Headers = attrs.field(factory=Headers)
    content: bytes | None = None
    media_type: str | None = None
    raw: bytes | None = attrs.field(default=None, repr=False)
    """The provider's own bytes, in ``dialect``: a caller who asked in it gets them unread."""
    dialect: Dialect = Dialect.OPENAI_CHAT
    """What ``raw`` is written in. In OPENAI_CHAT, ``body`` is exactly what ``raw`` decodes to."""


class EventKind(StrEnum):
    """What a stream event means to the router."""

    OPENING = "opening"
    """Carries no content yet (a role, an id): held back until the first content, so failover stays invisible."""
    CONTENT = "content"
    """Text, reasoning, refusal, tool call: once one was handed on, the model is committed."""
    FINISH = "finish"
    """Carries a finish_reason: the answer is whole."""
    USAGE = "usage"
    """Usage only. Handed on if the caller asked for it."""
    ERROR = "error"
    """The provider reported a failure inside its stream."""
    OTHER = "other"
    """Says nothing in the OpenAI shape (a ping, the end of a block): handed on in the provider's own dialect only."""
    DONE = "done"
    """The provider's own end mark. Never handed on: the ways in write their own."""


class StreamEvent:
    """One event of a streamed answer.

    ``chunk`` is the OpenAI-shaped chunk (None for DONE, ERROR and OTHER); ``raw`` is the JSON it was decoded from,
    as one line in ``dialect``, so that the gateway can forward it unread to a caller of that dialect.
    """

    __slots__ = ("chunk", "dialect", "error", "finish_reason", "kind", "raw", "usage")

    def __init__(
        self,
        kind: EventKind,
        chunk: Body | None = None,
        *,
        raw: bytes | None = None,
        usage: Usage | None = None,
        finish_reason: str | None = None,
        error: ProviderError | None = None,
        dialect: Dialect = Dialect.OPENAI_CHAT,
    ) -> None:
        self.kind = kind
        self.chunk = chunk
        self.raw = raw
        self.dialect = dialect
        self.usage = usage
        self.finish_reason = finish_reason
        self.error = error

    def __repr__(self) -> str:
        return f"StreamEvent({self.kind.value}, {self.chunk!r})"
