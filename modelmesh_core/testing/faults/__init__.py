"""A provider on loopback that breaks in every way in which providers break, for tests with real sockets.

from modelmesh_core.testing import FaultyProvider

with FaultyProvider() as provider:
    provider.fault = "stream-stall"
    ...  # call provider.base_url; provider.requests tells what was asked, and how it ended
"""

from .answering import Answering
from .catalogue import FAULTS
from .content import answer_to, embedding_of, tool_arguments_for
from .fault import Fault
from .provider import FaultyProvider
from .seen import SeenRequest

__all__ = [
    "FAULTS",
    "Answering",
    "Fault",
    "FaultyProvider",
    "SeenRequest",
    "answer_to",
    "embedding_of",
    "tool_arguments_for",
]
