"""The OpenAI dialect on the wire: what most servers speak. Encoding, decoding, errors, limits, streams."""

from .folding import fold_chunks
from .provider import OpenAICompatible
from .stream import OpenAIStreamDecoder

__all__ = ["OpenAICompatible", "OpenAIStreamDecoder", "fold_chunks"]
