"""What a way in needs of a caller's dialect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..wire.messages import Body, Dialect, StreamEvent


class DialectError(Exception):
    """The caller's body cannot be understood; ``param`` names the place."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class StreamWriter(Protocol):
    """One streamed answer, as server-sent events of the caller's dialect."""

    def write(self, events: Sequence[StreamEvent]) -> bytes:
        """The events that arrived together, as one piece; perhaps nothing.

        An event that has ``raw`` in this dialect goes out as it came. Its ``chunk`` keeps the writer's own state up to
        date: should the next events come from another model, without ``raw``, the answer goes on from there.
        """
        ...

    def end(self) -> bytes:
        """The answer is whole: what is still to be closed, and the end mark if the dialect has one."""
        ...

    def fail(self, error: Body) -> bytes:
        """The answer broke off: the dialect's error event for ``error`` (OpenAI's error object), and no end mark."""
        ...


class CallerDialect(Protocol):
    """One dialect."""

    dialect: Dialect

    def to_chat(self, body: Body) -> Body:
        """The caller's body as a chat completion's (docs/translation.md). Never changes ``body``.

        Raises DialectError for what cannot be understood. Fields that it does not know are kept under their name.
        """
        ...

    def native(self, body: Body) -> Body:
        """What of ``body`` a vendor of this dialect is sent: without what only the mesh wrote into earlier answers."""
        ...

    def from_chat(self, reply: Body, body: Body) -> Body:
        """A whole chat completion as an answer to ``body``, which is the caller's."""
        ...

    def writer(self, body: Body) -> StreamWriter:
        """For one streamed answer to ``body``."""
        ...

    def error(self, status: int, error: Body, request_id: str) -> Body:
        """OpenAI's error object as this dialect's whole error body."""
        ...
