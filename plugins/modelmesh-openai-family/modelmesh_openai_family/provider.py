"""A provider made from its vendor's traits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from modelmesh_core import OpenAICompatible, Operation, ProviderCall, ProviderSettings

from .answers import changed_choices, failed
from .parameters import body_for
from .traits import Traits

Body = dict[str, Any]


class FamilyProvider(OpenAICompatible):
    """An account at a vendor whose API is the OpenAI dialect with the differences that its Traits name.

    Where a vendor needs more than data, a subclass overrides what ``OpenAICompatible`` and ``read`` leave open.
    """

    def __init__(self, traits: Traits, settings: ProviderSettings) -> None:
        super().__init__(settings)
        self.traits = traits
        self.operations = traits.operations
        self.paths = traits.paths
        self.prefill_mark = traits.prefill_mark
        self.error_codes = traits.errors
        self.takes_stream_options = traits.takes_stream_options
        self.speaks_responses = traits.speaks_responses
        # What of former reasoning may be sent is decided in ``prepare``, vendor by vendor.
        self.keeps = traits.keeps | {"reasoning_content", "reasoning_details"}

    def prepare(self, call: ProviderCall) -> Body:
        return body_for(call, self.traits)

    def read(self, body: Body) -> Body:
        """A whole answer to a chat, or a chunk of one, in the dialect; the same object where nothing changes."""
        reason = failed(body, self.traits)
        if reason is not None:
            message = f"the provider ended its answer with the finish reason {reason!r}"
            return {**body, "error": {"message": message, "code": reason}}
        choices = changed_choices(body, self.traits)
        return body if choices is None else {**body, "choices": choices}

    def translate_reply(self, call: ProviderCall, body: Body) -> Body:
        return self.read(body) if call.operation is Operation.CHAT else body

    def translate_chunks(self, call: ProviderCall) -> Callable[[Body], Body | None]:
        return self.read
