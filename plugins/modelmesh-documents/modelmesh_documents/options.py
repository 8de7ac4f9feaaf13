"""Options of the connectors that have any."""

from __future__ import annotations

from collections.abc import Mapping

import attrs


@attrs.frozen
class LlamaParseOptions:
    """Options of ``llamaindex.doc-parse.v1``."""

    version: str = "latest"
    """Version of the parser that a tier works with."""
    project_id: str = ""
    """Project that jobs belong to; the account's default one if empty."""


@attrs.frozen
class DeepLOptions:
    """Options of ``deepl.translation.v1``."""

    english: str = attrs.field(default="EN-US", validator=attrs.validators.in_(("EN-US", "EN-GB")))
    """What a caller gets who asks for ``en``."""
    portuguese: str = attrs.field(default="PT-BR", validator=attrs.validators.in_(("PT-BR", "PT-PT")))
    """What a caller gets who asks for ``pt``."""


@attrs.frozen
class PerspectiveOptions:
    """Options of ``google.moderation.v1``."""

    attributes: tuple[str, ...] = (
        "TOXICITY",
        "SEVERE_TOXICITY",
        "IDENTITY_ATTACK",
        "INSULT",
        "PROFANITY",
        "THREAT",
    )
    """What is scored."""
    threshold: float = 0.7
    """Score from which on an attribute applies, 0 to 1."""
    thresholds: Mapping[str, float] = attrs.field(factory=dict[str, float])
    """Attribute → its own threshold."""
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes of the comments; detected if empty."""
    store: bool = False
    """Whether Google may keep the comments."""
