"""What a model is: its capabilities, features, limits and prices. A capability contract, without live state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

import attrs

from ..limits import AccountLimits, BudgetSettings, quota_windows
from ..wire.messages import Delivery, Operation, Usage

FEATURES = frozenset(
    {
        "tool_calling",
        "parallel_tool_calls",
        "structured_output",
        "json_mode",
        "system_prompt",
        "vision",
        "audio_input",
        "pdf_input",
        "reasoning",
        "prompt_caching",
        "prefill",
        "logprobs",
        "grounding",
        "fine_tunable",
    }
)
"""Every feature a model can declare in ``models.<id>.features``."""

_MILLION = Decimal(1_000_000)
_ZERO = Decimal(0)


@attrs.frozen
class DeliverySupport:
    """How a model can answer."""

    synchronous: bool = True
    streaming: bool = True
    batch: bool = False

    def supports(self, delivery: Delivery) -> bool:
        return bool(getattr(self, delivery.value))


@attrs.frozen
class BatchSettings:
    """What a model's batch interface takes. ``completion_window`` is seconds, ``cost_discount`` a share 0 to 1."""

    max_items: int | None = None
    max_payload: int | None = None
    completion_window: float | None = None
    cost_discount: float = 0.0
    callback: bool = False
    polling: bool = True
    partial_results: bool = False


@attrs.frozen
class Constraints:
    """Hard limits of a model. None is unknown, which never excludes it."""

    context_window: int | None = None
    """Tokens, input and output together."""
    max_output_tokens: int | None = None
    max_images: int | None = None
    max_file_size: int | None = None
    """Bytes."""
    supported_languages: tuple[str, ...] | None = None
    """ISO 639-1 codes."""


@attrs.frozen
class Pricing:
    """USD; tokens per 1M. None is unknown; zero is free."""

    input: Decimal | None = None
    output: Decimal | None = None
    cached_input: Decimal | None = None
    """Falls back to ``input``."""
    cache_write: Decimal | None = None
    """Falls back to ``input``."""
    reasoning: Decimal | None = None
    """Falls back to ``output``."""
    per_request: Decimal | None = None
    per_image: Decimal | None = None
    per_minute: Decimal | None = None
    per_character: Decimal | None = None

    is_known: bool = attrs.field(
        default=attrs.Factory(lambda self: bool(_prices(self)), takes_self=True), init=False, eq=False, repr=False
    )
    """Whether any price is."""
    is_free: bool = attrs.field(
        default=attrs.Factory(lambda self: bool(_prices(self)) and not any(_prices(self)), takes_self=True),
        init=False,
        eq=False,
        repr=False,
    )
    """Known, and every known price is zero."""

    def cost(self, usage: Usage) -> Decimal | None:
        """USD for ``usage``: what the provider reported if it did, else by this list; None if no price is known."""
        if usage.cost is not None:
            return usage.cost
        if not self.is_known:
            return None
        zero = _ZERO
        per_input = self.input or zero
        per_output = self.output or zero
        tokens = usage.input * per_input + usage.output * per_output
        if usage.cached_input or usage.cache_write or usage.reasoning or usage.audio:
            tokens += (
                usage.cached_input * (per_input if self.cached_input is None else self.cached_input)
                + usage.cache_write * (per_input if self.cache_write is None else self.cache_write)
                + usage.reasoning * (per_output if self.reasoning is None else self.reasoning)
                + usage.audio * per_input
            )
        tokens /= _MILLION
        if self.per_request is not None:
            tokens += self.per_request
        if usage.images or usage.characters or usage.seconds:
            tokens += usage.images * (self.per_image or zero) + usage.characters * (self.per_character or zero)
            tokens += Decimal(str(usage.seconds)) / 60 * (self.per_minute or zero)
        return tokens


def _prices(pricing: Pricing) -> list[Decimal]:
    values: list[Decimal | None] = [getattr(pricing, f.name) for f in attrs.fields(Pricing) if f.init]
    return [value for value in values if value is not None]


@attrs.frozen
class Limits:
    """What the account may send to a model. None is no known limit."""

    requests_per_minute: int | None = None
    requests_per_day: int | None = None
    tokens_per_minute: int | None = None
    tokens_per_day: int | None = None
    concurrent: int | None = None
    window_timezone: str = "UTC"
    """IANA name; where the provider's day begins."""

    def of_account(self) -> AccountLimits:
        """The same, as the ledger takes it."""
        return AccountLimits(tuple(quota_windows(self)), self.concurrent, timezone=self.window_timezone)


UNCONSTRAINED = Constraints()
"""Shared by every model without known constraints, so that filters can pass it over at a glance."""


@attrs.frozen
class ModelDefinition:
    """One model as the mesh knows it."""

    id: str
    """``vendor.name``, dots in the name included."""
    provider: str
    """Name of the entry in ``providers``."""
    upstream_model: str
    """What the vendor is sent, byte for byte."""
    capabilities: tuple[str, ...] = ()
    """Full paths of leaves in the capability tree."""
    delivery: DeliverySupport = DeliverySupport()
    features: frozenset[str] = frozenset()
    """What it is known to do."""
    missing_features: frozenset[str] = frozenset()
    """What it is known not to do. A feature in neither set is unknown, which never excludes the model."""
    constraints: Constraints = UNCONSTRAINED
    pricing: Pricing = Pricing()
    limits: Limits = Limits()
    batch: BatchSettings | None = None
    budget: BudgetSettings | None = None
    """How much may be spent on it, whatever the pool."""
    sources: Mapping[str, str] = attrs.field(factory=dict[str, str], eq=False, repr=False)
    """Field → where its value came from: ``configuration``, ``connector catalogue``, ``default``, ..."""
    operations: frozenset[Operation] = attrs.field(
        default=attrs.Factory(lambda self: operations_of(self.capabilities), takes_self=True),
        eq=False,
        repr=False,
    )
    """What it can be asked for: by its capabilities, as far as its provider's connector can ask it."""


def upstream_name(model_id: str) -> str:
    """The default ``upstream_model``: the id after its first dot (``openai.gpt-4.1`` → ``gpt-4.1``)."""
    vendor, _, name = model_id.partition(".")
    return name or vendor


_CHAT_ROOTS = (
    "generation.text-generation",
    "generation.structured-generation",
    "understanding.text-understanding",
    "understanding.vision-understanding",
    "transformation.translation",
    "transformation.rewriting",
    "transformation.style-transfer",
    "retrieval.rag",
    "interaction",
)
_OPERATION_ROOTS: dict[Operation, tuple[str, ...]] = {
    Operation.CHAT: _CHAT_ROOTS,
    Operation.TEXT_COMPLETION: (
        "generation.text-generation.text-completion",
        "generation.text-generation.code-generation",
    ),
    Operation.RESPONSES: _CHAT_ROOTS,
    Operation.EMBEDDINGS: ("representation.embeddings",),
    Operation.SPEECH: ("generation.audio-generation.text-to-speech",),
    Operation.TRANSCRIPTION: ("understanding.audio-understanding",),
    Operation.AUDIO_TRANSLATION: ("understanding.audio-understanding.speech-to-text",),
    Operation.IMAGES: ("generation.image-generation", "transformation.image-editing"),
    Operation.MODERATION: ("evaluation",),
    Operation.RERANK: ("retrieval.reranking",),
    Operation.SEARCH: ("retrieval.search",),
    Operation.DOCUMENT_PARSING: ("understanding.document-understanding",),
    Operation.TRANSLATION: ("transformation.translation",),
}


def operations_of(capabilities: Iterable[str]) -> frozenset[Operation]:
    """The operations that a model with these capabilities can be asked for; all of them where none is known.

    A capability outside the built-in taxonomy says nothing about operations, so it excludes none.
    """
    paths = tuple(capabilities)
    found = {
        operation
        for operation, roots in _OPERATION_ROOTS.items()
        if any(path == root or path.startswith(root + ".") for path in paths for root in roots)
    }
    return frozenset(found) if found else frozenset(Operation)
