"""The dialects that callers ask in: into the mesh's own shape, and back. See docs/translation.md."""

from .anthropic import AnthropicMessages
from .chat import ChatCompletions
from .protocol import CallerDialect, DialectError, StreamWriter
from .responses import OpenAIResponses

__all__ = ["AnthropicMessages", "CallerDialect", "ChatCompletions", "DialectError", "OpenAIResponses", "StreamWriter"]
