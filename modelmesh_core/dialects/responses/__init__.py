"""OpenAI's Responses API: as a dialect that callers ask in, and (``upstream``) as one that vendors are asked in."""

from .dialect import OpenAIResponses
from .items import VERBATIM
from .parameters import ONLY_RESPONSES

__all__ = ["ONLY_RESPONSES", "VERBATIM", "OpenAIResponses"]
