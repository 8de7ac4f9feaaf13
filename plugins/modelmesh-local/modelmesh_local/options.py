"""The connector's options, and the names of its models."""

from __future__ import annotations

import os
from pathlib import Path

import attrs

CHAT_MODEL = "smollm2-135m"
EMBEDDINGS_MODEL = "e5-small"
DEFAULT_CONTEXT = 2048
LONGEST_CONTEXT = 8192
"""What the chat model was trained on."""


@attrs.frozen
class LocalOptions:
    """Options of ``modelmesh.local.v1``."""

    threads: int = attrs.field(
        factory=lambda: max(1, (os.cpu_count() or 1) // 2), validator=attrs.validators.in_(range(1, 513))
    )
    """Threads that compute an answer; by default half the processors, since the application runs here too."""
    context_window: int = attrs.field(
        default=DEFAULT_CONTEXT, validator=[attrs.validators.ge(256), attrs.validators.le(LONGEST_CONTEXT)]
    )
    """Tokens of a conversation, question and answer together; memory grows by about 24 KB for each."""
    max_tokens: int = attrs.field(default=512, validator=attrs.validators.ge(1))
    """Longest answer, in tokens, where the caller sets no limit."""
    cache_folder: str | None = None
    """Where the models are kept; by default ``modelmesh/models`` in the user's cache folder."""

    @property
    def models_folder(self) -> Path:
        """The folder that ``cache_folder`` means."""
        if self.cache_folder:
            return Path(self.cache_folder).expanduser()
        stated = Path(os.environ.get("XDG_CACHE_HOME", ""))
        return (stated if stated.is_absolute() else Path.home() / ".cache") / "modelmesh" / "models"
