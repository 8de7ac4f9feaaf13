"""AnthropicMessages: the CallerDialect of ``/v1/messages``."""

from __future__ import annotations

from ...wire.messages import Body, Dialect
from .errors import error_body
from .native import native_body
from .reply import message_of
from .request import chat_body
from .writer import MessageWriter


class AnthropicMessages:
    """The CallerDialect of ``/v1/messages``."""

    dialect = Dialect.ANTHROPIC_MESSAGES

    def to_chat(self, body: Body) -> Body:
        """A Messages request as a chat completion's. Raises DialectError for what cannot be understood.

        A stream's usage is asked for in any case, as a message always tells it.
        """
        return chat_body(body)

    def native(self, body: Body) -> Body:
        """``body`` as Anthropic itself takes it: without what only the mesh put into earlier answers.

        For ``Request.native``. Anthropic refuses thinking and citations that it did not sign.
        """
        return native_body(body)

    def from_chat(self, reply: Body, body: Body) -> Body:
        """A whole chat completion as a message. Of several choices it is the first."""
        return message_of(reply, body)

    def writer(self, body: Body) -> MessageWriter:
        """For one streamed answer to ``body``."""
        return MessageWriter(body)

    def error(self, status: int, error: Body, request_id: str) -> Body:
        """An error body, of the type that Anthropic gives ``status``."""
        return error_body(status, error, request_id)


ANTHROPIC = AnthropicMessages()
