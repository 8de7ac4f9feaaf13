"""A response body that is still arriving: the part that no engine does differently."""

from __future__ import annotations

from ..errors import ProviderError
from ..wire.http import Headers, HttpRequest, HttpTimeouts
from .failures import peer, too_long
from .protocol import TransportOptions


class Body:
    """Base of the engines' ByteStreams, which add ``read_chunk`` and ``aclose``."""

    __slots__ = ("_options", "_received", "_request", "_started", "_timeouts", "ended", "headers", "status")

    def __init__(
        self,
        status: int,
        headers: Headers,
        request: HttpRequest,
        timeouts: HttpTimeouts,
        options: TransportOptions,
        started: float,
    ) -> None:
        self.status = status
        self.headers = headers
        self._request = request
        self._timeouts = timeouts
        self._options = options
        self._started = started
        """When the exchange began, by the loop's clock."""
        self._received = 0
        self.ended = False
        """Nothing more is to be read, and the connection is with its pool again or closed."""

    async def read_chunk(self) -> bytes:
        """The next piece; ``b""`` at the end. Raises ProviderError."""
        raise NotImplementedError

    async def read_all(self, limit: int) -> bytes:
        """The rest of the body. Raises ProviderError when it passes ``limit`` bytes."""
        pieces: list[bytes] = []
        size = 0
        while piece := await self.read_chunk():
            size += len(piece)
            if size > limit:
                raise too_long(self._whom(), self.status, limit, self._options.max_body)
            pieces.append(piece)
            if self.ended:
                break
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _whom(self) -> str:
        return peer(self._request.url, self._options.proxy_url)

    def _too_long(self) -> ProviderError:
        return too_long(self._whom(), self.status, self._options.max_body, self._options.max_body)
