"""The dialects that callers ask in: into the mesh's own shape, and back. See docs/translation.md."""

from .chat import ChatCompletions
from .protocol import CallerDialect, DialectError, StreamWriter

__all__ = ["CallerDialect", "ChatCompletions", "DialectError", "StreamWriter"]
