"""The codec of the Messages API, for every way in to Claude: Anthropic's own, Amazon Bedrock, Google Cloud.

encoded = encode(call)                          # encoded.body has neither model nor stream: add what the way wants
reply = decode(response, encoded)               # a whole answer
decoder = MessageStreamDecoder(encoded, ...)    # an answer as server-sent events
events = MessageEvents(encoded, created)        # or one event's JSON after the other, out of another framing
failure = failure_of_answer(response)
"""

from .errors import failure_of_answer, failure_of_event
from .limits import headroom_of
from .reply import decode
from .request import EncodedCall, encode
from .stream import MessageEvents, MessageStreamDecoder, WholeMessageDecoder
from .tools import AnswerForm
from .traits import Traits, traits_of
from .usage import usage_of

__all__ = [
    "AnswerForm",
    "EncodedCall",
    "MessageEvents",
    "MessageStreamDecoder",
    "Traits",
    "WholeMessageDecoder",
    "decode",
    "encode",
    "failure_of_answer",
    "failure_of_event",
    "headroom_of",
    "traits_of",
    "usage_of",
]
