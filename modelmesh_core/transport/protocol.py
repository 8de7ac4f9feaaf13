"""The protocol that every HTTP engine speaks, and the choice among them."""

from __future__ import annotations

from typing import Protocol

import attrs

from ..wire.http import ByteStream, HttpRequest, HttpResponse, HttpTimeouts


@attrs.frozen
class TransportOptions:
    """How one provider's connections are made."""

    max_connections: int | None = 1000
    proxy_url: str | None = attrs.field(default=None, repr=False)  # may hold a password
    max_body: int = 256 * 1024 * 1024
    """Bytes a whole response may have; a longer one is an UNDECODABLE failure, so that memory stays bounded."""
    ca_file: str | None = None
    """A PEM file of certificate authorities to trust instead of the default ones."""


class Transport(Protocol):
    """One HTTP engine, usable from any event loop: it keeps a client per running loop.

    Every method raises ProviderError, never an exception of the engine's own: kind CONNECTION for a refused, reset
    or untrusted connection, TIMEOUT when a limit passed before the response's head (connect or first byte),
    STREAM_CUT for a body that broke, stalled past ``idle`` or ``total``, or ended short of its declared length.
    Cancelling the task closes the socket at once. Redirects are not followed. Nothing is retried.
    """

    async def send(self, request: HttpRequest, timeouts: HttpTimeouts) -> HttpResponse:
        """The whole exchange, body included."""
        ...

    async def open(self, request: HttpRequest, timeouts: HttpTimeouts) -> ByteStream:
        """Until the response's head; the body is read from the returned stream, which must be closed."""
        ...

    async def aclose(self) -> None:
        """Close every connection of the running loop's client."""
        ...
