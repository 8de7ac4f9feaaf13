"""The connector's options."""

from __future__ import annotations

import attrs


@attrs.frozen
class AnthropicOptions:
    """Options of ``anthropic.claude.v1``."""

    version: str = attrs.field(default="2023-06-01", validator=attrs.validators.matches_re(r"\d{4}-\d{2}-\d{2}"))
    """The ``anthropic-version`` header."""
    beta: tuple[str, ...] = ()
    """Beta features, for the ``anthropic-beta`` header of every request."""
