"""The httpx engine, for what a faster one cannot do."""

from __future__ import annotations

from functools import cached_property

from ..values import Clock
from .protocol import Transport, TransportOptions


class Substitute:
    """It is imported, and made, when it is first needed; at once where it makes every call."""

    def __init__(self, options: TransportOptions, clock: Clock, *, for_all: bool) -> None:
        """Raises ConfigurationError for options that it cannot use, if it is to make every call."""
        self.for_all = for_all
        self._options = options
        self._clock = clock
        if for_all:
            _ = self.transport

    @cached_property
    def transport(self) -> Transport:
        """The engine itself."""
        from .httpx_engine import HttpxTransport

        return HttpxTransport(self._options, self._clock)

    async def aclose(self) -> None:
        """Close its connections, if it has any."""
        if "transport" in self.__dict__:
            await self.transport.aclose()
