"""Options of the connectors that have any."""

from __future__ import annotations

import attrs


@attrs.frozen
class FalOptions:
    """Options of ``fal.media-gen.v1``."""

    synchronous: bool = False
    """Ask for an answer in one request instead of by the queue: quicker, but fal itself then never tries again."""
