"""The connectors' options."""

from __future__ import annotations

import attrs


@attrs.frozen
class OllamaOptions:
    """Options of ``ollama.native.v1`` and ``ollama.cloud.v1``; a request's own win."""

    num_ctx: int | None = attrs.field(default=None, validator=attrs.validators.optional(attrs.validators.gt(0)))
    """Tokens of context that models are loaded with. Without one, the server decides."""
    keep_alive: str | None = None
    """How long a model stays loaded after a request, such as ``30m``; ``-1m`` is for ever."""
