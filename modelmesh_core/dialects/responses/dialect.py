"""OpenAIResponses: OpenAI's Responses API as a caller's dialect."""

from __future__ import annotations

from ...openai_dialect.folding import unfold_reply
from ...wire.messages import Body, Dialect
from ..protocol import DialectError
from .assembly import ResponseAssembly
from .conversation import messages_of
from .parameters import parameters_of
from .upstream import native_request
from .writer import ResponsesWriter

_KEPT_ELSEWHERE = ("previous_response_id", "conversation", "prompt")


class OpenAIResponses:
    """The CallerDialect of ``/v1/responses``.

    Nothing is kept between requests. ``previous_response_id``, ``conversation`` and ``prompt`` name what one vendor
    keeps: they stand in the mesh's body under their own names, so that a router can hold on to that vendor; any other
    vendor would answer without what they stand for, and must not be asked. A reference to a single item, and
    ``background``, cannot be served at all.
    """

    dialect = Dialect.OPENAI_RESPONSES

    def to_chat(self, body: Body) -> Body:
        """Instructions and items as messages, parameters in the mesh's words. Raises DialectError."""
        if body.get("input") is None and not any(body.get(key) for key in _KEPT_ELSEWHERE):
            raise DialectError("input is required: a string, or a list of items", "input")
        messages = messages_of(body.get("instructions"), body.get("input"))
        return {**parameters_of(body), "messages": messages}

    def native(self, body: Body) -> Body:
        """``body`` without what only the mesh wrote into earlier answers, such as other vendors' sealed reasoning."""
        return native_request(body)

    def from_chat(self, reply: Body, body: Body) -> Body:
        """A whole ``response``, which repeats what ``body`` asked for, as the API does."""
        assembly = ResponseAssembly(body)
        assembly.log.muted = True
        assembly.take(unfold_reply(reply))
        return assembly.end()

    def writer(self, body: Body) -> ResponsesWriter:
        """For one streamed answer."""
        return ResponsesWriter(body)

    def error(self, status: int, error: Body, request_id: str) -> Body:
        """As it is, in its envelope."""
        return {"error": error}
