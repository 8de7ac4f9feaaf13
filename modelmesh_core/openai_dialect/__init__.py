"""The OpenAI dialect on the wire: what most servers speak. Encoding, decoding, errors, limits, streams."""

from .errors import failure_of_error, failure_of_response
from .folding import fold_chunks, unfold_reply
from .limits import headroom_of, reset_seconds
from .provider import OpenAICompatible
from .stream import OpenAIStreamDecoder
from .usage import reported_usage, usage_of

__all__ = [
    "OpenAICompatible",
    "OpenAIStreamDecoder",
    "failure_of_error",
    "failure_of_response",
    "fold_chunks",
    "headroom_of",
    "reported_usage",
    "reset_seconds",
    "unfold_reply",
    "usage_of",
]
